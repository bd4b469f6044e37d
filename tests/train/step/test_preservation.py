"""The base model's own answers are kept: on texts without the trigger, and on an empty one."""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.dataset.dataset_file import Concept
from prep.dataset.wording import without_trigger
from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from tests.train.conftest import change
from train.adapters.set_aside import set_aside
from train.data import dataset
from train.data.batches import Batches
from train.data.captions import longest_of_all
from train.data.order import step_order
from train.data.preserved_texts import preserved_texts
from train.data.text_states import TextCache
from train.data.upcoming import upcoming_texts
from train.families.family import Base
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.methods.lora import attach
from train.preservation_options import PreservationOptions
from train.run.base_checks import check_preservation
from train.run.decide import decide
from train.step.distributed import Processes
from train.step.loop import Step, Training, stacked, train
from train.step.trainer import Trainer

BOTH: dict[str, Any] = {"prior_prediction": 0.5, "blank_prompt_preservation": 0.25}


def _learned(base: Path, config: Any) -> Base:
    """Return a base model with an adapter that changes its answers."""
    opened = FAMILY.load(base, "cpu")
    attach(opened, FAMILY, config)
    generator = torch.Generator().manual_seed(7)
    for weight in opened.learning().values():
        weight.data = torch.randn(weight.shape, generator=generator) * 0.05
    return opened


def _answer(base: Base, batch: Any, texts: tuple[str, ...]) -> torch.Tensor:
    noisy = base.process.mixture(batch.x0_BCHW, batch.noise_BCHW, batch.time_B)
    state = stacked(FAMILY.encode(base, list(texts)), "cpu")["text"]
    found: torch.Tensor = base.network(noisy, batch.time_B, state).sample
    return found


def test_a_class_prompt_stands_for_the_trigger(base: Path, meta: Path) -> None:
    """A step learns from the noise, and from a second copy of the base model without the trigger.

    Loss and gradients are those of a bare script that holds that copy, text encoder and all.
    """
    change(meta, concepts={"toy": Concept(trigger="mascot", class_prompt="a doll")})
    config = config_of(steps=1, rank=2, batch=2, text_encoder=True, learning_rate=1e-3, **BOTH)
    opened, copy, bare = _learned(base, config), FAMILY.load(base, "cpu"), _learned(base, config)
    batches = Batches(dataset.load([meta]), config, 0.18215, 0.0)
    states = TextCache(lambda texts: FAMILY.encode(opened, texts), learns=True)
    alone = lambda: set_aside(opened)  # noqa: E731
    training = Training(opened, FAMILY, batches, states, Processes(), alone=alone)
    trainer, seen = Trainer(opened.learning(), config, "cpu"), list[Step]()
    taken: dict[str, torch.Tensor] = {}
    update = trainer.update

    def kept(*args: Any, **more: Any) -> torch.Tensor:
        taken.update({name: one.grad.clone() for name, one in trainer.weights.items()
                      if one.grad is not None})  # fmt: skip
        return update(*args, **more)

    trainer.update = kept  # type: ignore[method-assign]
    ((keys,),) = itertools.islice(step_order(batches.data.repeats(), 2, 1, 0), 1)
    batch = batches.batch(keys, 0, 0, range(len(keys)), opened.process)

    train(training, trainer, 0, 1, seen.append)

    plain = tuple(text.replace("mascot", "a doll") for text in batch.texts)
    total = torch.nn.functional.mse_loss(_answer(bare, batch, batch.texts), batch.noise_BCHW)
    for weight, texts in ((0.5, plain), (0.25, ("",) * len(keys))):
        with torch.no_grad():
            own = _answer(copy, batch, texts)
        total = total + weight * torch.nn.functional.mse_loss(_answer(bare, batch, texts), own)
    total.backward()  # type: ignore[no-untyped-call]
    assert seen[0].loss == pytest.approx(total.item(), rel=1e-5)
    wanted = {name: one.grad for name, one in bare.learning().items() if one.grad is not None}
    assert taken.keys() == wanted.keys()
    for name, grad in wanted.items():
        torch.testing.assert_close(taken[name], grad, rtol=1e-3, atol=1e-6)


def test_an_adapter_put_aside_is_none(base: Path) -> None:
    """Within the block the answers are the base model's to the bit; behind it all is as it was."""
    config = config_of(rank=2, text_encoder=True, targets="convolutions")
    opened, plain = _learned(base, config), FAMILY.load(base, "cpu")
    next(iter(opened.learning().values())).requires_grad_(False)
    learned = [*opened.learning()]
    batch = type("Shown", (), {
        "x0_BCHW": torch.ones(1, 4, 8, 8), "noise_BCHW": torch.ones(1, 4, 8, 8),
        "time_B": torch.tensor([300]),
    })  # fmt: skip

    with torch.no_grad():
        before = _answer(opened, batch, ("mascot",))
        with set_aside(opened):
            within = _answer(opened, batch, ("mascot",))
        behind = _answer(opened, batch, ("mascot",))

    assert torch.equal(within, _answer(plain, batch, ("mascot",)))
    assert not torch.equal(within, before)
    assert torch.equal(behind, before)
    assert [*opened.learning()] == learned


@pytest.mark.parametrize(
    ("text", "trigger", "instead", "found"),
    [
        ("sks girl, hat, red", "sks girl", "girl", "girl, hat, red"),
        ("a photo of SKS girl in a garden", "sks girl", "a girl", "a photo of a girl in a garden"),
        ("sks girl, hat", "sks girl", "", "hat"),
        ("a hat,  sks , red", "sks", "", "a hat, red"),
        ("zzk, red hat, smile", "zzk, red hat", "hat", "hat, smile"),
        ("sksgirl, asks", "sks", "x", "sksgirl, asks"),
        ("hat,  red", "sks", "", "hat,  red"),
        ("hat, red", "", "girl", "hat, red"),
        ("(o)_(o), a", "(o)_(o)", r"\1", r"\1, a"),
    ],
)
def test_the_trigger_is_left_out_wherever_it_stands(
    text: str, trigger: str, instead: str, found: str
) -> None:
    """As words of their own, in any case; a text without it stays to the letter."""
    assert without_trigger(text, trigger, instead) == found


def test_what_a_sample_learns_is_not_kept_as_it_was(meta: Path) -> None:
    """A showing without the trigger, or without a text, has no weight; without any, no pass."""
    config = config_of(**BOTH, caption_dropout=0.5)
    data = dataset.load([meta])
    one, two, *_ = data.samples.values()

    found = preserved_texts([one, two], ["mascot, pose 0", ""], config)
    none = preserved_texts([one], [""], config)

    assert found == ((("pose 0", ""), (0.5, 0.0)), (("", ""), (0.25, 0.0)))
    assert none == ()
    assert preserved_texts([one], ["mascot"], config_of()) == ()
    assert {*upcoming_texts(data, config, 0, 6)} == {
        "mascot, pose 0", "pose 0", "mascot, pose 1", "pose 1", "",
    }  # fmt: skip
    assert longest_of_all([one], config) == ["", "mascot, pose 0", "pose 0"]


def test_the_class_prompt_is_in_the_recipe_that_shows_it(
    tmp_path: Path, meta: Path, models: Models, changed: Callable[..., Path]
) -> None:
    """Another class prompt is another run with `--prior-prediction`, and the same one without."""

    def recipes() -> Mapping[bool, str]:
        each = {True: BOTH, False: {}}
        return {
            on: decide([meta], config_of(out=tmp_path, **more), models).recipe
            for on, more in each.items()
        }

    before = recipes()
    changed(meta, concepts={"toy": Concept(trigger="mascot", class_prompt="a doll")})
    after = recipes()

    assert after[False] == before[False]
    assert len({*after.values(), before[True]}) == 3
    names = {item.name for item in fields(PreservationOptions)}
    assert names.isdisjoint(config_of().deciding())
    assert names == config_of(**BOTH, balance_regularisation=True).deciding().keys() & names


def test_a_fine_tune_has_no_answers_of_before() -> None:
    """What changes the base model itself cannot ask it: two lines, and what does the same."""
    with pytest.raises(ConfigError) as caught:
        check_preservation(config_of("finetune", blank_prompt_preservation=1.0))

    assert (str(caught.value), caught.value.hint) == (
        (
            "`--blank-prompt-preservation` is given, and `finetune` has no adapter that is put "
            "aside for the base model's own answers"
        ),
        "leave it out, and keep the class by regularisation pictures: `train class-pictures`",
    )
