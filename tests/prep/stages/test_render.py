"""Another rendering of kept scores: what it costs, and what is refused before any picture."""

from typing import Any

import pytest

from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from prep.stages import render
from prep.tagging.scoring import labels_of
from tagger_models.scores import packed
from tests.prep.projects import NAMES, Project

EVERYTHING = (
    "cut: mcut, most: 3, rating: true, rating_threshold: 0.01, order: 'general, count', "
    "series: name, underscores: true, emoticons: 'x_y', thresholds: 'general=0.3'"
)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Models:
    return Models(tmp_path_factory.mktemp("home"), offline=True)


def loaded(models: Models, **given: Any) -> Any:
    """Return what the stage is given beside scores."""
    params = render.Params(model="tiny", **given)
    return render.load(params, tuple(models.find(ask) for ask in labels_of(params)))


def test_another_rendering_costs_no_inference(small: Project) -> None:
    """Every option of rendering at once: texts are made anew, no model is opened, yours stay."""
    yours = small.images / NAMES[0]
    yours.with_suffix(".txt").write_text("my own words\n")
    small.run()
    before = {path: path.read_text() for path in small.images.glob("*.txt")}
    small.replace("tag: {model: tiny, batch: 2}", f"tag: {{model: tiny, batch: 2, {EVERYTHING}}}")

    spies = small.run()

    assert spies.models() == {}
    assert spies.samples["render"] == len(NAMES)
    assert not {"caption", "score", "latents"} & {name for name, n in spies.loads.items() if n}
    after = {path: path.read_text() for path in small.images.glob("*.txt")}
    assert {path for path in before if before[path] != after[path]} == {
        path for path in before if path.stem != yours.stem
    }
    assert not small.run().samples


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"order": "general, nobody"}, "no block of tags is named `nobody`"),
        ({"thresholds": "general=0.001"}, "a threshold of 0.001 is under 0.01, "),
        ({"thresholds": "no such tag=0.5"}, "the tagger knows no tag or category `no such tag`"),
        ({"character_threshold": 0.002}, "a threshold of 0.002 is under 0.01, "),
    ],
)
def test_a_wrong_option_is_told_at_once(home: Models, given: dict[str, Any], message: str) -> None:
    """What no rendering can be made of is two lines, before a picture is touched."""
    with pytest.raises(ConfigError) as told:
        loaded(home, **given)

    assert str(told.value).startswith(message)
    assert told.value.hint


def test_the_options_mean_what_they_say(home: Models) -> None:
    """Each param of the stage reaches the rendering: one picture, an option at a time."""
    from tagger_models.vocabulary import vocabulary

    params = render.Params(model="tiny")
    found = tuple(home.find(ask) for ask in labels_of(params))
    labels = vocabulary("tiny", "", found)[0]
    general = [i for i, label in enumerate(labels) if label.category == "general"][:3]
    wide = next(i for i in general if "_" in labels[i].name or i == general[-1])
    data = packed([(0, 0.4), (1, 0.3), *zip(general, (0.9, 0.8, 0.4), strict=True)])

    def tags(**given: Any) -> list[str]:
        rendered: list[str] = render.render.run({"scores": data}, params, loaded(home, **given))
        return rendered

    usual = tags()
    assert sorted(usual) == sorted(labels[i].name.replace("_", " ") for i in general)
    assert set(tags(underscores=True)) == {labels[i].name for i in general}
    assert labels[wide].name in tags(emoticons=labels[wide].name)
    assert len(tags(most=2)) == 2
    assert len(tags(threshold=0.85)) == len(tags(thresholds="general=0.85")) == 1
    first = labels[general[0]].name
    assert len(tags(cut="mcut")) == 2
    assert len(tags(cut="mcut", thresholds=f"{first}=1")) == 1
    assert tags(rating=True)[0] == labels[0].name
    assert tags(rating=True, rating_threshold=0.5) == usual
    assert tags(rating=True, order="general, count")[-1] == labels[0].name
