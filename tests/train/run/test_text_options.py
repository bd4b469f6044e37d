"""Options of texts in whole runs: what is told, what the recipe holds, and resuming."""

import json
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset.dataset_file import Concept
from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from tests.train.killing import killed
from tests.train.runs import lora, new_console, said, settings, steps
from train.data.dataset import Data
from train.export.metadata import CERTIFICATE
from train.methods import config_of
from train.run import check, decide
from train.run.decide import program_version

Change = Callable[..., Path]
CAPTIONS = "a (toy:1.3), {red|blue}\nthe toy"
ALL: dict[str, Any] = {
    "shuffle_tags": True, "keep_tags_separator": "|||", "secondary_separator": ";;;",
    "tag_dropout": 0.3, "tag_warmup": 6, "tag_warmup_least": 2,
    "caption_prefix": "photo of", "caption_suffix": "(sharp)",
    "wildcards": True, "weighted_words": True, "caption_dropout": 0.1,
    "caption_dropout_every_epochs": 3,
}  # fmt: skip


@pytest.fixture
def worded(meta: Path, changed: Change) -> Path:
    """The dataset with repeats, marks, wildcards, weights and two captions in some samples."""
    changed(meta, concepts={"toy": Concept(repeats=3, trigger="mascot")})
    for number in range(4):
        tags = ("mascot ||| a;;;b", "c", f"pose {number}")
        changed(meta, f"{number}.png", tags=tags, caption=CAPTIONS, text="both")
    return meta


def _checked(meta: Path, models: Models, out: Path, **given: Any) -> list[str]:
    console = new_console()
    config = config_of(**settings(out, **given) | {"out": out})
    check.check([meta], config, models, console)
    return "".join(said(console)).splitlines()


def test_what_texts_hold_is_told(worded: Path, models: Models, tmp_path: Path) -> None:
    """Captions are counted; signs that mean nothing without an option are named, with it."""
    some = "4 of 6 samples have"
    keys = "`0.png`, `1.png`, `2.png` and 1 more"
    wild = (
        f"{some} words to choose from, as in `{{a|b}}`, and all of them train; `--wildcards` takes "
        f"them for that: {keys}"
    )
    heavy = (
        f"{some} weights, as in `(word:1.2)`, and they train as letters; `--weighted-words` takes "
        f"them for that: {keys}"
    )

    plain = _checked(worded, models, tmp_path)
    given = _checked(worded, models, tmp_path, steps=None, epochs=3, **ALL)

    assert "texts: of 6 samples 4 with several captions" in plain
    assert (
        "texts: of 6 samples 4 with several captions, 4 with words to choose from, 6 with weighted "
        "words"
    ) in given
    assert plain[-2:] == [wild, heavy]
    assert given[-1].endswith(": begins at step 1")
    assert (
        "tag_warmup_least 2, caption_prefix photo of, caption_suffix (sharp), wildcards true"
        in (given[1])
    )


def test_an_option_without_effect_is_told(meta: Path, models: Models, tmp_path: Path) -> None:
    """Where no text has what it is for; in a prefix it would be."""
    given = {"wildcards": True, "weighted_words": True, "keep_tags_separator": "|||"}

    assert _checked(meta, models, tmp_path, **given)[-3:] == [
        "`--wildcards` has no effect: no text has words to choose from, as in `{a|b}`",
        "`--weighted-words` has no effect: no text has weights, as in `(word:1.2)`",
        "`--keep-tags-separator |||` has no effect: it stands in no text",
    ]
    told = _checked(meta, models, tmp_path, text_encoder=True, text_cache="disk")
    assert told[-1] == "`--text-cache disk` has no effect: the text encoder learns"
    told = _checked(meta, models, tmp_path, wildcards=True, caption_prefix="{a|b}")
    assert told[-1].endswith(": begins at step 1")


@pytest.mark.parametrize(
    "given",
    [
        {"text": "caption", "caption": f"short\n{'a ' * 230}"},
        {"text": "caption", "caption": "{%s|b}" % ("a " * 230), "wildcards": True},
        {"tags": ("(%s:1.1)" % ("a " * 230),), "weighted_words": True},
        {"tags": ("a",), "caption_suffix": "a " * 229},
    ],
)  # fmt: skip
def test_every_text_counts_for_what_is_cut(
    meta: Path, models: Models, tmp_path: Path, changed: Change, given: dict[str, Any]
) -> None:
    """A long caption behind a short one, the longest words of a wildcard; brackets do not count."""
    words = ("tags", "text", "caption")
    changed(meta, concepts={"toy": Concept()})
    changed(meta, "0.png", **{word: given[word] for word in words if word in given})
    options = {word: value for word, value in given.items() if word not in words}

    told = _checked(meta, models, tmp_path, **options)

    assert "more than 225 tokens" in told[-1]
    assert "`0.png` (230)" in told[-1]


def test_an_option_that_is_not_given_is_in_no_recipe(
    meta: Path, worded: Path, models: Models
) -> None:
    """Each that is given makes another run, and so do several captions; none at its default."""
    usual = {name: config_of().chosen()[name] for name in ALL if name != "shuffle_tags"}
    runs = [{}, usual, *({name: ALL[name]} for name in ALL)]
    recipes = [decide.decide([meta], config_of(**given), models).recipe for given in runs]

    assert recipes[0] == recipes[1]
    assert len(set(recipes)) == len(runs) - 1


def test_a_run_of_before_with_several_captions_is_refused(
    meta: Path,
    tmp_path: Path,
    models: Models,
    changed: Change,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Once the lines of a caption were one text: such a run is not gone on with in silence."""
    changed(meta, "0.png", caption="a toy\nthe toy", text="both")
    with monkeypatch.context() as before:
        before.setattr(Data, "captions", lambda data: {})
        old = lora(meta, tmp_path, models, new_console(), steps=1, name="toy")
    old.unlink()

    with pytest.raises(ConfigError) as caught:
        lora(meta, tmp_path, models, new_console(), steps=2, name="toy")

    assert str(caught.value) == (
        f"`{old.parent}`, stopped after step 1, was begun by another version of this program, "
        "which showed other texts or trained other weights"
    )
    assert caught.value.hint == (
        f"finish it with version {program_version()}, or begin a new run: give another `--name`, "
        "or move that folder away"
    )


def test_killed_with_all_of_them_it_is_the_same_run(
    worded: Path, tmp_path: Path, models: Models
) -> None:
    """SIGKILL in the middle of an epoch: the same command ends in the same bytes."""
    more = {**ALL, "steps": 8, "save_every_steps": 3, "name": "toy"}
    whole = lora(worded, tmp_path / "whole", models, new_console(), **more)
    cut = settings(tmp_path / "cut", **more)

    assert killed(worded, models.home, 5, 0, cut) == -signal.SIGKILL
    made = lora(worded, tmp_path / "cut", models, new_console(), **more)

    assert steps(made) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert made.read_bytes() == whole.read_bytes()


def test_the_file_says_what_was_trained(worded: Path, tmp_path: Path, models: Models) -> None:
    """Kohya's fields, every word without its weight, and all texts of each picture."""
    made = lora(worded, tmp_path, models, new_console(), **ALL, steps=1, name="toy")

    found = safetensors_file.header(made).metadata
    assert found["ss_caption_tag_dropout_rate"] == "0.3"
    assert found["ss_caption_dropout_every_n_epochs"] == "3"
    assert found["ss_caption_dropout_rate"] == "0.1"
    counts = json.loads(found["ss_tag_frequency"])["toy"]
    assert counts == {
        "mascot": 6, "a": 4, "b": 4, "c": 4, "pose 0": 2, "pose 1": 2, "pose 2": 1,
        "pose 3": 1, "a toy , {red|blue}": 4, "the toy": 4, "photo of": 6, "sharp": 6,
    }  # fmt: skip
    born = json.loads(found[CERTIFICATE])
    assert born["config"]["caption_prefix"] == "photo of"
    assert born["samples"]["0.png"]["text"] == [
        "photo of mascot, a, b, c, pose 0, a (toy:1.3), {red|blue} (sharp)",
        "photo of mascot, a, b, c, pose 0, the toy (sharp)",
    ]
    assert born["samples"]["4.png"]["text"] == "photo of mascot, pose 0 (sharp)"


def test_long_texts_are_told_as_kohya_s(
    meta: Path, tmp_path: Path, models: Models, changed: Change
) -> None:
    """Two chunks are 150 tokens; one is what older files do not name."""
    changed(meta, "0.png", tags=("mascot", "a " * 100))
    made = lora(meta, tmp_path, models, new_console(), steps=1)

    said_there = safetensors_file.header(made).metadata
    assert ("ss_max_token_length", "150") in said_there.items()
