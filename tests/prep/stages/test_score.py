"""Scores are kept as bytes, tags and ratings are made of them without the tagger's weights."""

from typing import Any

import numpy as np
import pytest

from prep.images.fitting import fitted
from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from prep.stages import rating, render, score, tags_sidecar
from tagger_models.scores import FLOOR, packed, unpacked
from tests.prep.stage_bench import pictures
from tests.tagger_models.families import scores_of


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Where `tiny` is found."""
    return Models(tmp_path_factory.mktemp("home"), offline=True)


def opened(module: Any, models: Models, **given: Any) -> tuple[Any, Any]:
    """Return a stage's params and what it loads."""
    params = module.Params(model="tiny", **given)
    stage = getattr(module, module.__name__.rpartition(".")[2])
    return params, stage.load(params, tuple(models.find(ask) for ask in stage.models(params)))


def test_scores_above_the_floor_and_all_ratings_are_kept(home: Models) -> None:
    """Probabilities from 0.01 on are kept as float16, in label order; ratings always."""
    params, tagger = opened(score, home, device="cpu")
    images = list(pictures().values())
    answers = scores_of(tagger, images)

    squares = [fitted(image, tagger.fit) for image in images]
    for data, answer in zip(score.score.run(squares, params, tagger), answers, strict=True):
        kept = [i for i, p in enumerate(answer) if i < 4 or p >= FLOOR]
        assert unpacked(data) == [(i, float(np.float16(answer[i]))) for i in kept]
        assert len(data) == 6 * len(kept) < 6 * len(answer)


def test_a_threshold_is_the_least_that_is_kept(home: Models) -> None:
    """A lower threshold keeps more tags, the most probable first; none is a rating."""
    params, ratings = opened(rating, home)
    labels = opened(score, home, device="cpu")[1].labels
    names = [label.name for label in labels]
    general = [i for i, label in enumerate(labels) if label.category == "general"][:3]
    data = packed([(0, 0.9), (general[0], 0.25), (general[1], 0.75), (general[2], 0.5)])

    def rendered(threshold: float) -> list[str]:
        chosen, loaded = opened(render, home, threshold=threshold)
        found: list[str] = render.render.run({"scores": data}, chosen, loaded)
        return [tag.replace(" ", "_") for tag in found]

    assert set(rendered(0.5)) == {names[general[1]], names[general[2]]}
    assert set(rendered(0.01)) == {names[i] for i in general}
    assert rendered(0.9) == []
    assert rating.rating.run({"scores": data}, params, ratings) == names[0]


def test_the_rating_is_the_most_probable_one() -> None:
    """A tie goes to the first label; where no rating was scored, there is none."""
    named = {0: "general", 1: "sensitive"}

    def rated(*pairs: tuple[int, float]) -> str:
        found: str = rating.rating.run({"scores": packed(pairs)}, None, named)
        return found

    assert rated((0, 0.1), (1, 0.2), (2, 0.9)) == "sensitive"
    assert rated((0, 0.5), (1, 0.5)) == "general"
    assert rated((2, 0.9)) == ""


def test_a_threshold_under_the_floor_is_refused(home: Models) -> None:
    """Scores under 0.01 were not kept, so a lower threshold would silently lack tags."""
    with pytest.raises(ConfigError, match=r"a threshold of 0\.001 is under 0\.01") as told:
        opened(render, home, threshold=0.001)
    assert told.value.hint == "use 0.01 or more"


@pytest.mark.parametrize(("escape", "text"), [(False, "a (b), ^_^"), (True, r"a \(b\), ^_^")])
def test_the_sidecar_is_the_tags_with_commas(escape: bool, text: str) -> None:
    """Parentheses get a backslash only where it was asked for."""
    params = tags_sidecar.Params(escape=escape)

    assert tags_sidecar.tags_sidecar.run(["a (b)", "^_^"], params) == text
