"""`--probe`: parts of the pictures, trials that go on, and the training that comes of it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.models.locate import Models
from prep.runtime.errors import ConfigError, UsageError
from tests.train.runs import new_console, said, settings
from train.cli.app import check_probe
from train.data.dataset import load
from train.data.held_out import source_count, without_held_out
from train.methods import config_of
from train.trials import trial_results
from train.trials.probe_settings import foretold, probed


@pytest.fixture
def nine(built_dataset: Callable[..., Path], base: Path, tmp_path: Path) -> Path:
    """A dataset of nine pictures."""
    return built_dataset(tmp_path / "data", base, 9)


def test_the_parts_hold_every_picture_out_once(nine: Path) -> None:
    """Three parts of three; with `--held-out`, of those that are left."""
    data = load([nine])

    def out(**given: object) -> list[set[str]]:
        parts = (without_held_out(data, config_of(held_out_fold=f"{n}/3", **given))
                 for n in (1, 2, 3))  # fmt: skip
        return [set(one.validation) for one in parts]

    parts = out()
    assert [len(part) for part in parts] == [3, 3, 3]
    assert set().union(*parts) == set(data.samples)
    assert source_count(data) == 9
    with_others = out(held_out=3)
    assert [len(part) for part in with_others] == [5, 5, 5]
    assert len(set.intersection(*with_others)) == 3


@pytest.mark.parametrize("word", ["3", "0/3", "4/3", "1/1", "a/b"])
def test_what_is_no_part_is_refused(word: str) -> None:
    """Two numbers, the first from 1 to the second."""
    with pytest.raises(ConfigError) as caught:
        config_of(held_out_fold=word)

    assert str(caught.value) == f"`--held-out-fold` is `{word}`"
    assert (caught.value.hint or "").endswith("as `2/5`")


@pytest.mark.parametrize(
    ("given", "tries", "steps"),
    [
        # It finds the rate itself, and half a rank is none: two ranks are tried.
        ({"optimizer": "adafactor-relative", "rank": 1, "learning_rate": None}, 2, 36),
        pytest.param({"rank": 2, "warmup": 4}, 5, 54, marks=pytest.mark.long),
    ],
)
def test_a_probe_chooses_and_does_nothing_twice(
    nine: Path, tmp_path: Path, models: Models, given: dict[str, Any], tries: int, steps: int
) -> None:
    """Each trial is told once and kept; what is chosen is a setting as a person types it."""
    config = config_of(**settings(tmp_path, steps=8, **given) | {"out": tmp_path / "runs"})
    told = new_console()
    chosen = probed([nine], config, models, told)
    (folder,) = (tmp_path / "runs").glob("*-probe-*")
    kept = trial_results.read(folder)
    lines = said(told)[0].splitlines()

    assert foretold([nine], config, models) == (
        f"probe: {steps} steps in short trainings before it, at most"
    )
    assert len(kept) == 3 * (tries + 1)
    assert sum(name.endswith("part 1 of 3") for name in kept) == tries + 1
    assert sum(line.startswith("  rank ") for line in lines) == len(kept)
    assert lines[-1].startswith(("probe: rank ", "  held-out pictures get no worse"))
    assert chosen.learning_rate in (None, 1e-3, 3.33e-4, 3e-3)
    assert (chosen.steps or 0) <= 8
    assert chosen.warmup < (chosen.steps or 0)
    assert not list(folder.glob("trial-*"))
    again = new_console()
    assert probed([nine], config, models, again) == chosen
    assert not any(line.startswith("  rank ") for line in said(again)[0].splitlines())


def test_what_cannot_be_tried_is_told_first(
    built_dataset: Callable[..., Path], base: Path, tmp_path: Path, models: Models
) -> None:
    """Too few pictures, whole models, kohya's files, runs that go on, several processes."""
    few = built_dataset(tmp_path / "few", base, 4)

    def refused(**given: object) -> str:
        with pytest.raises(ConfigError) as caught:
            probed([few], config_of(**given), models, new_console())
        return str(caught.value)

    assert refused(steps=3) == "`--probe` takes 6 source pictures or more, and there are 4"
    assert refused(method="finetune", steps=3) == (
        "`--probe` is for small exports, and `train finetune` writes whole models"
    )
    for meta, config, alone in (
        ([Path("a.toml")], config_of(), True),
        ([few], config_of(resume=tmp_path), True),
        ([few], config_of(), False),
    ):
        with pytest.raises(UsageError):
            check_probe(meta, config, alone)


def test_a_damaged_memory_is_no_memory(tmp_path: Path) -> None:
    """What was measured is measured again."""
    curves = {"one": {2: {"a": 0.5}}}
    trial_results.write(tmp_path, curves)
    assert trial_results.read(tmp_path) == curves

    for text in ("", "{", "[]", json.dumps({"one": 3}), json.dumps({"one": {"x": {}}})):
        (tmp_path / trial_results.NAME).write_text(text)
        assert trial_results.read(tmp_path) == {}
