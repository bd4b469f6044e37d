"""Inputs prepared ahead, losses read behind: the same steps, and nothing of a bad one is kept."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prep.models.locate import Models
from prep.runtime.errors import DatasetError, MachineError
from tests.train.runs import lora, new_console
from train.config import Config
from train.data import dataset
from train.data.batches import Batches
from train.data.text_states import TextCache
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.methods.lora import attach
from train.run import execute
from train.step.distributed import Processes
from train.step.loop import Pace, Step, Training, pace_of, train
from train.step.step_inputs import ahead
from train.step.trainer import Trainer

FAST = Pace(2, 1)


def _task(base: Path, meta: Path, config: Config, pace: Pace) -> tuple[Training, Trainer]:
    opened = FAMILY.load(base, "cpu")
    attach(opened, FAMILY, config)
    batches = Batches(dataset.load([meta]), config, 0.18215, 0.0)
    states = TextCache(lambda texts: FAMILY.encode(opened, texts), opened.text_learns())
    training = Training(opened, FAMILY, batches, states, Processes(), pace)
    return training, Trainer(opened.learning(), config, "cpu")


def _values(trainer: Trainer) -> dict[str, torch.Tensor]:
    return {name: weight.detach().clone() for name, weight in trainer.weights.items()}


def test_a_card_is_never_waited_for_and_a_cpu_always() -> None:
    """Alone on a card losses are read a step later; of several processes, and on a CPU, at once."""
    assert pace_of(Processes("cpu")) == Pace(0, 0)
    assert pace_of(Processes("cuda")) == Pace(2, 1)
    assert pace_of(Processes("cuda:1", 1, 2)) == Pace(2, 0)


@pytest.mark.parametrize("given", [{"text_encoder": True}, {"optimizer": "lion", "accumulate": 2}])
def test_the_pace_changes_no_bit(base: Path, meta: Path, given: dict[str, object]) -> None:
    """Steps, losses, digests and weights are those of a loop that reads each step at once."""
    config = config_of(steps=5, rank=2, batch=2, learning_rate=1e-3, shuffle_tags=True, **given)
    slow, fast = (_task(base, meta, config, pace) for pace in (Pace(), FAST))
    seen: list[list[Step]] = [[], []]
    train(*slow, 0, 5, seen[0].append)
    train(*fast, 0, 5, seen[1].append, at_once=lambda number: number == 3)

    newest = [step.newest for step in seen[1]]
    assert newest == [False, False, True, False, True]
    assert [step._replace(newest=True) for step in seen[1]] == seen[0]
    plain, other = _values(slow[1]), _values(fast[1])
    assert all(torch.equal(weight, other[name]) for name, weight in plain.items())


def test_a_step_is_seen_before_the_next_where_it_has_to_be(base: Path, meta: Path) -> None:
    """Weights that are saved after a step are those after it, and not those after a later one."""
    config = config_of(steps=4, rank=2, learning_rate=1e-3)
    slow, fast = (_task(base, meta, config, pace) for pace in (Pace(), FAST))
    after: list[dict[int, dict[str, torch.Tensor]]] = [{}, {}]
    for (training, trainer), kept in zip((slow, fast), after, strict=True):

        def keep(step: Step, trainer: Trainer = trainer, kept: dict[int, object] = kept) -> None:
            if step.newest:
                kept[step.number] = _values(trainer)

        train(training, trainer, 0, 4, keep, at_once=lambda number: number == 2)

    assert list(after[1]) == [2, 4]
    for number, found in after[1].items():
        assert all(torch.equal(one, after[0][number][name]) for name, one in found.items())


@pytest.mark.parametrize("optimizer", ["adamw", "lion"])
def test_a_bad_step_is_named_and_left_out(base: Path, meta: Path, optimizer: str) -> None:
    """Read a step later, it is still the step that is named, and weights are those before it."""
    config = config_of(steps=6, rank=2, learning_rate=1e-3, optimizer=optimizer)
    training, trainer = _task(base, meta, config, FAST)
    whole, usual = _task(base, meta, config, Pace())
    train(whole, usual, 0, 2, lambda step: None)
    calls = [0]

    def spoilt(texts: list[str]) -> list[dict[str, torch.Tensor]]:
        calls[0] += 1
        found = FAMILY.encode(training.base, texts)
        return [{"text": one["text"] * (torch.nan if calls[0] == 3 else 1)} for one in found]

    states = TextCache(spoilt, learns=True)  # asked at each step
    seen: list[Step] = []
    with pytest.raises(MachineError) as caught:
        train(replace(training, states=states), trainer, 0, 6, seen.append)

    assert str(caught.value) == "the loss of step 3 is nan"
    assert [step.number for step in seen] == [1, 2]
    assert calls[0] == 4  # the step behind it was taken already, and changed nothing
    wanted = _values(usual)
    assert all(torch.equal(one, wanted[name]) for name, one in _values(trainer).items())


def test_what_goes_wrong_ahead_is_raised_in_its_turn() -> None:
    """An error of the thread comes where its input would have come; with the block it ends."""
    before = threading.active_count()

    def made() -> Iterator[int]:
        yield from (1, 2)
        raise DatasetError("damaged")

    seen: list[int] = []
    with pytest.raises(DatasetError, match="damaged"), ahead(made(), 2) as coming:
        seen += coming
    with ahead(iter(range(1000)), 3) as coming:
        seen.append(next(coming))

    assert seen == [1, 2, 0]
    assert threading.active_count() == before


def test_a_run_at_another_pace_leaves_the_same_files(
    meta: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped and continued, with exports on the way: log, checkpoints and exports are equal."""
    more = {"save_every_steps": 2, "shuffle_tags": True}
    plain = lora(meta, tmp_path / "plain", models, new_console(), steps=5, **more)
    monkeypatch.setattr(execute, "pace_of", lambda processes: FAST)
    lora(meta, tmp_path / "fast", models, new_console(), steps=3, **more)
    made = lora(meta, tmp_path / "fast", models, new_console(), steps=5, **more)

    names = [
        path.relative_to(plain.parent)
        for path in plain.parent.rglob("*")
        if path.is_file() and path.name not in ("config.json", "lock", "progress.jsonl")
    ]
    assert len(names) > 8
    for name in names:
        assert (made.parent / name).read_bytes() == (plain.parent / name).read_bytes(), name
