import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from prep.runtime.errors import MachineError
from tests.train.conftest import build_dataset
from train.config import Config
from train.data import dataset
from train.data.batches import Batches
from train.data.order import step_order
from train.data.text_states import TextCache
from train.families.family import Base
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.methods.lora import attach
from train.step.distributed import Processes
from train.step.loop import Step, Training, stacked, train
from train.step.trainer import Trainer

Weights = dict[str, torch.Tensor]
GOLDEN = [1.1678, 1.0098, 1.0941, 1.0849, 1.219, 1.1156, 1.275, 1.1825, 1.0172, 1.2087]


def _fresh(base: Path, config: Config) -> Base:
    opened = FAMILY.load(base, "cpu")
    attach(opened, FAMILY, config)
    return opened


def _task(base: Path, meta: Path, config: Config) -> Training:
    opened = _fresh(base, config)
    batches = Batches(dataset.load([meta]), config, 0.18215, 0.0)
    states = TextCache(lambda texts: FAMILY.encode(opened, texts), opened.text_learns())
    return Training(opened, FAMILY, batches, states, Processes())


def _config(**given: object) -> Config:
    return config_of(**{"steps": 4, "rank": 2} | given)  # type: ignore[arg-type]


def _trained(base: Path, meta: Path, config: Config) -> tuple[Weights, list[Step]]:
    training, seen = _task(base, meta, config), []
    trainer = Trainer(training.base.learning(), config, "cpu")
    train(training, trainer, 0, config.steps or 0, seen.append)
    return {name: weight.detach() for name, weight in trainer.weights.items()}, seen


def _equal(one: Weights, two: Weights) -> bool:
    return all(torch.equal(one[name], two[name]) for name in one)


def test_one_seed_gives_one_result(base: Path, meta: Path) -> None:
    """Two runs of one seed have equal losses and weights, bit for bit; another seed has others."""
    one, seen = _trained(base, meta, _config(batch=2))
    torch.manual_seed(5)
    two, again = _trained(base, meta, _config(batch=2))
    other, _ = _trained(base, meta, _config(batch=2, seed=1))

    assert seen == again
    assert _equal(one, two)
    assert not _equal(one, other)


def test_the_loop_is_that_of_a_bare_script(base: Path, meta: Path) -> None:
    """Three steps end in the weights that diffusers' own noising and torch's AdamW give."""
    from diffusers import DDPMScheduler

    config = _config(steps=3, batch=2, learning_rate=1e-3)
    found, _ = _trained(base, meta, config)
    training = _task(base, meta, config)
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    wanted = training.base.learning()
    optimizer = torch.optim.AdamW(wanted.values(), lr=1e-3)
    order = step_order(training.batches.data.repeats(), 2, 1, 0)
    for step, (keys,) in enumerate(itertools.islice(order, 3)):
        batch = training.batches.batch(keys, step, 0, range(len(keys)), training.base.process)
        noisy = scheduler.add_noise(batch.x0_BCHW, batch.noise_BCHW, batch.time_B)
        state = stacked(training.states.of(batch.texts), "cpu")["text"]
        said = training.base.network(noisy, batch.time_B, state).sample
        torch.nn.functional.mse_loss(said, batch.noise_BCHW).backward()
        torch.nn.utils.clip_grad_norm_(wanted.values(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    for name, weight in wanted.items():
        torch.testing.assert_close(found[name], weight.detach())


def test_only_the_adapter_changes(base: Path, meta: Path) -> None:
    """After training the base model's own weights are what they were."""
    config = _config(steps=2, learning_rate=0.1)
    training = _task(base, meta, config)
    frozen = {n: w for n, w in training.base.network.named_parameters() if not w.requires_grad}
    before = {name: weight.clone() for name, weight in frozen.items()}

    train(training, Trainer(training.base.learning(), config, "cpu"), 0, 2, lambda step: None)

    assert len(frozen) > 0
    assert all(torch.equal(frozen[name], value) for name, value in before.items())


def test_a_weight_of_nought_teaches_nothing(
    base: Path, meta: Path, changed: Callable[..., Path]
) -> None:
    """Samples of weight 0 leave the adapter where AdamW's decay alone takes it: up stays zero."""
    for number in range(6):
        changed(meta, f"{number}.png", weight=0.0)

    found, seen = _trained(base, meta, _config(steps=3))

    assert [step.loss for step in seen] == [0.0] * 3
    assert not any(weight.any() for name, weight in found.items() if "lora_B" in name)


def test_a_step_of_several_batches_is_a_larger_batch(tmp_path: Path, base: Path) -> None:
    """Two batches of two teach what one batch of the same four samples does, drawn alike."""
    meta = build_dataset(tmp_path, base, buckets=((64, 64),), count=4)
    repeats = dataset.load([meta]).repeats()

    def order(batch: int, seed: int) -> list[str]:
        steps = itertools.islice(step_order(repeats, batch, 4 // batch, seed), 3)
        return [key for step in steps for keys in step for key in keys]

    seed = next(seed for seed in itertools.count() if order(2, seed) == order(4, seed))
    config = {"steps": 3, "learning_rate": 1e-3, "shuffle_tags": True, "seed": seed}
    whole, one = _trained(base, meta, _config(**config, batch=4))
    parts, two = _trained(base, meta, _config(**config, batch=2, accumulate=2))

    assert [step.inputs for step in two] == [step.inputs for step in one]
    for name, weight in whole.items():
        torch.testing.assert_close(parts[name], weight, rtol=1e-3, atol=1e-5)
    losses = [[step.loss for step in seen] for seen in (one, two)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_each_sample_of_a_step_counts_alike(base: Path, tmp_path: Path) -> None:
    """A step of three buckets of 2, 2 and 1 sample has the mean loss of its five samples."""
    meta = build_dataset(tmp_path, base, count=5)
    config = _config(steps=1, batch=2, accumulate=3, learning_rate=1e-3)
    training = _task(base, meta, config)
    trainer = Trainer(training.base.learning(), config, "cpu")
    keys = [*itertools.chain(*next(step_order(training.batches.data.repeats(), 2, 3, 0)))]
    seen: list[Step] = []
    losses = []
    for n in range(len(keys)):
        batch = training.batches.batch(keys, 0, 0, range(n, n + 1), training.base.process)
        noisy = training.base.process.mixture(batch.x0_BCHW, batch.noise_BCHW, batch.time_B)
        state = stacked(training.states.of(batch.texts), "cpu")["text"]
        said = training.base.network(noisy, batch.time_B, state).sample
        losses.append(torch.nn.functional.mse_loss(said, batch.noise_BCHW).item())

    train(training, trainer, 0, 1, seen.append)

    assert seen[0].loss == pytest.approx(sum(losses) / 5, rel=1e-5)


def test_a_pass_reads_its_texts_at_once(base: Path, meta: Path) -> None:
    """Where the text encoder learns a step of two batches has two forwards of it, not four."""
    training = _task(base, meta, _config(steps=2, batch=2, accumulate=2, text_encoder=True))
    trainer, seen = Trainer(training.base.learning(), training.batches.config, "cpu"), []
    encoder = training.base.encoders["text_encoder"]
    encoder.register_forward_hook(lambda _, ids, __: seen.append(len(ids[0])))

    train(training, trainer, 0, 1, lambda step: None)

    assert seen == [2, 2]


def test_checkpointing_of_activations_changes_no_bit(base: Path, meta: Path) -> None:
    """Computed twice to save memory, gradients are the same to the last bit."""
    config = _config(steps=2, batch=2)
    plain, _ = _trained(base, meta, config)
    training = _task(base, meta, config)
    training.base.network.enable_gradient_checkpointing()  # type: ignore[operator]
    trainer = Trainer(training.base.learning(), config, "cpu")

    train(training, trainer, 0, 2, lambda step: None)

    assert _equal(plain, {name: weight.detach() for name, weight in trainer.weights.items()})


def test_bfloat16_is_near_float32(base: Path, meta: Path) -> None:
    """In mixed precision the loss is that of full precision within a hundredth."""
    _, full = _trained(base, meta, _config())
    _, half = _trained(base, meta, _config(precision="bf16"))

    assert [one.loss for one in half] == pytest.approx([one.loss for one in full], rel=0.01)
    assert [one.loss for one in half] != [one.loss for one in full]


def test_the_learning_rate_is_the_schedule_s(base: Path, meta: Path) -> None:
    """Each step is taken with the rate that the schedule has for it."""
    _, seen = _trained(base, meta, _config(schedule="cosine", warmup=1, learning_rate=0.5))

    assert [step.rate for step in seen] == pytest.approx([0.0, 0.5, 0.375, 0.125])


def test_the_first_ten_losses(base: Path, meta: Path) -> None:
    """The losses of the first ten steps are the ones that are written down here."""
    _, seen = _trained(base, meta, _config(steps=10, batch=2, learning_rate=1e-3))

    assert [round(step.loss, 4) for step in seen] == pytest.approx(GOLDEN, abs=2e-3)


@pytest.mark.parametrize(
    ("precision", "hint"),
    [
        ("fp32", "train with a lower `--learning-rate`; what was saved before is kept"),
        (
            "fp16",
            (
                "numbers over 65504 do not fit fp16: train with `--precision bf16` or `fp32`, or "
                "with a lower `--learning-rate`"
            ),
        ),
    ],
)
def test_a_loss_that_is_no_number_stops_the_run(
    base: Path, meta: Path, precision: str, hint: str
) -> None:
    """Row 91: a loss that is not finite ends the run at its step, with advice."""
    training, seen = _task(base, meta, _config(precision=precision)), []
    states = TextCache(lambda ts: [{"text": torch.full((77, 32), torch.nan)} for _ in ts])
    spoilt = Training(training.base, FAMILY, training.batches, states, Processes())
    trainer = Trainer(training.base.learning(), _config(precision=precision), "cpu")
    before = {name: weight.detach().clone() for name, weight in trainer.weights.items()}

    with pytest.raises(MachineError) as caught:
        train(spoilt, trainer, 0, 3, seen.append)

    assert (str(caught.value), caught.value.hint) == (
        "the loss of step 1 is nan",
        hint,
    )
    assert seen == []
    assert _equal(before, trainer.weights)  # type: ignore[arg-type]
