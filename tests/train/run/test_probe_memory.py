"""A base model that was looked through is not looked through again."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prep.models.locate import Models
from train.methods import config_of
from train.run import probe, readiness


def test_the_same_is_not_asked_again(
    meta: Path, tmp_path: Path, models: Models, changed: Callable[..., Path]
) -> None:
    """With other steps no model is opened, and the same is told; other words are read."""
    asked: list[probe.Question] = []

    def ask(question: probe.Question) -> probe.Answer:
        asked.append(question)
        return probe.here(question)

    long = changed(meta, "0.png", tags=("a " * 300,))
    first, again = (
        readiness.ready([long], config_of(steps=steps, out=tmp_path / "runs"), models, ask)
        for steps in (2, 3)
    )

    assert len(asked) == 1
    assert any("tokens" in note for note in first.notes)
    assert again.notes == first.notes
    readiness.ready([changed(meta, "0.png", tags=("b",))], again.run.config, models, ask)
    assert len(asked) == 2


@pytest.mark.parametrize("text", ["", "[1]", '["a"]', "{"])
def test_a_damaged_memory_is_begun_anew(
    meta: Path, tmp_path: Path, models: Models, text: str
) -> None:
    """What cannot be read of it, or was written by a version before, costs one more look."""
    models.home.mkdir(parents=True)
    (models.home / "looked-through.json").write_text(text)

    found = readiness.ready([meta], config_of(out=tmp_path / "runs"), models, probe.here)

    assert not found.done
    assert (models.home / "looked-through.json").read_text().startswith("{")


def test_a_training_asks_nothing_that_its_check_has_asked(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """The forecast is `train check`'s alone; all else is the same question."""
    asked: list[probe.Question] = []

    def ask(question: probe.Question) -> probe.Answer:
        asked.append(question)
        return probe.here(question)

    config = config_of(out=tmp_path / "runs")
    first = readiness.ready([meta], config, models, ask, forecast=True)
    again = readiness.ready([meta], config, models, ask)

    assert len(asked) == 1
    assert first.memory
    assert not again.memory
    assert first.notes == again.notes
