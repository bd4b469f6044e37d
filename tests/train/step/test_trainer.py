import copy
import json
from collections.abc import Callable

import pytest
import torch

from train.config import Config
from train.methods import config_of
from train.optimizers import OPTIMIZERS, Rate
from train.step.trainer import Trainer


def _weights(kind: torch.dtype = torch.float32) -> dict[str, torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.nn.Parameter(torch.randn(shape, generator=generator).to(kind))
        for name, shape in (
            ("b/down", (3, 4)),
            ("a", (5,)),
            ("c.up", (2, 2, 1, 1)),
            ("d", (64, 80)),
        )
    }


def _step(trainer: Trainer, nth: int, rate: float = 0.01) -> bool:
    generator = torch.Generator().manual_seed(nth)
    for weight in trainer.weights.values():
        weight.grad = torch.randn(weight.shape, generator=generator).to(weight)
    return trainer.update(lambda _: rate)


@pytest.mark.parametrize("kept", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_restored_trainer_goes_on_bit_for_bit(kind: str, kept: torch.dtype) -> None:
    """Six steps, saved as JSON and tensors, and six more are twelve in one go."""
    if package := OPTIMIZERS[kind].package:
        pytest.importorskip(package, reason="the optional package is not installed")
    config = config_of(optimizer=kind)
    whole, first = (Trainer(_weights(kept), config, "cpu", _two_rates(config)) for _ in range(2))
    for nth in range(12):
        _step(whole, nth)
    for nth in range(6):
        _step(first, nth)
        with first.at_rest():  # an export on the way changes nothing
            pass
    numbers = json.loads(json.dumps(first.numbers()))
    saved = copy.deepcopy((dict(first.weights), first.tensors()))

    second = Trainer(_weights(kept), config, "cpu", _two_rates(config))
    second.restore(*saved, numbers)
    for nth in range(6, 12):
        _step(second, nth)

    went_on = [not torch.equal(w, whole.weights[name]) for name, w in first.weights.items()]
    assert any(went_on) or kept == torch.bfloat16  # the first steps of some are rounded away
    for name, weight in whole.weights.items():
        assert torch.equal(weight, second.weights[name]), name
    assert all(
        torch.equal(value, second.tensors()[name]) for name, value in whole.tensors().items()
    )
    assert second.numbers() == whole.numbers()


def _two_rates(config: Config) -> Callable[[str], float | None]:
    """Return two learning rates, but for an optimizer that finds one for all, or decides alone."""
    peak = config.learning_rate
    if peak is None or config.row().rate is not Rate.OURS:
        return lambda name: peak
    return lambda name: peak / 2 if name == "d" else peak


def test_each_group_has_its_own_rate() -> None:
    """A weight of a smaller rate goes a smaller way: AdamW's first step is as long as the rate."""
    given = {name: torch.nn.Parameter(torch.zeros(3)) for name in ("a", "b")}
    trainer = Trainer(given, config_of(weight_decay=0.0), "cpu", {"a": 1e-3, "b": 1e-4}.get)
    for weight in given.values():
        weight.grad = torch.ones(3)

    trainer.update(lambda peak: peak / 2)

    torch.testing.assert_close(given["a"].detach(), torch.full((3,), -5e-4))
    torch.testing.assert_close(given["b"].detach(), torch.full((3,), -5e-5))


def test_schedule_free_weights_are_used_at_rest() -> None:
    """At rest the weights are the averages that are to be used; afterwards those to train with."""
    trainer = Trainer(_weights(), config_of(optimizer="adamw-schedulefree"), "cpu")
    for nth in range(3):
        _step(trainer, nth)
    training = {name: weight.detach().clone() for name, weight in trainer.weights.items()}

    with trainer.at_rest():
        used = {name: weight.detach().clone() for name, weight in trainer.weights.items()}

    beta = 0.9
    for name, weight in trainer.weights.items():
        assert torch.equal(weight, training[name])
        z = trainer.tensors()[f"{name}/z"]  # Defazio et al. 2024, eq. 1: y = (1 - beta) z + beta x
        torch.testing.assert_close(training[name], (1 - beta) * z + beta * used[name])
        assert not torch.equal(used[name], training[name])


def test_a_step_is_adamw_s_formula() -> None:
    """One step is Loshchilov and Hutter's: decay apart from the gradient's normalised mean."""
    given = _weights()
    before = {name: weight.detach().clone() for name, weight in given.items()}
    trainer = Trainer(given, config_of(weight_decay=0.1, max_gradient_norm=0.0), "cpu")
    generator = torch.Generator().manual_seed(7)
    gradients = {n: torch.randn(w.shape, generator=generator) for n, w in trainer.weights.items()}

    _step(trainer, 7, rate=0.02)

    for name, g in gradients.items():
        mean, square = 0.1 * g / (1 - 0.9), 0.001 * g * g / (1 - 0.999)
        wanted = before[name] * (1 - 0.02 * 0.1) - 0.02 * mean / (square.sqrt() + 1e-8)
        torch.testing.assert_close(trainer.weights[name].detach(), wanted)


def test_long_gradients_are_shortened() -> None:
    """Gradients of all weights together are scaled to the length asked for; shorter ones stay."""
    weight = torch.nn.Parameter(torch.zeros(2))
    trainer = Trainer({"a": weight}, config_of(max_gradient_norm=1.0), "cpu")
    seen = []
    for length in (10.0, 0.5):
        weight.grad = torch.tensor([0.6, 0.8]) * length
        trainer.update(lambda _: 0.1)
        seen.append(trainer.tensors()["a/exp_avg"].clone())

    torch.testing.assert_close(seen[0], torch.tensor([0.06, 0.08]))
    torch.testing.assert_close(seen[1], 0.9 * seen[0] + 0.1 * torch.tensor([0.3, 0.4]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_gradients_that_are_no_numbers_change_nothing(value: float) -> None:
    """An update that would spoil the weights is not made, and says so."""
    weight = torch.nn.Parameter(torch.ones(2))
    trainer = Trainer({"a": weight}, config_of(), "cpu")
    weight.grad = torch.tensor([1.0, value])

    assert not trainer.update(lambda _: 0.1)
    assert torch.equal(weight, torch.ones(2))
    assert trainer.tensors() == {}


def test_weights_without_a_gradient_get_zeros() -> None:
    """A weight that a step did not use has a gradient of zeros, in every process alike."""
    trainer = Trainer(_weights(), config_of(), "cpu")

    assert [list(g.shape) for g in trainer.gradients()] == [
        [5], [3, 4], [2, 2, 1, 1], [64, 80],
    ]  # fmt: skip
    assert not any(gradient.any() for gradient in trainer.gradients())


def test_gradients_that_never_fit_float16_end_the_run() -> None:
    """A few steps are left out and the scale falls; where every one is, that is told in the end."""
    trainer = Trainer(_weights(), config_of(precision="fp16"), "cpu")
    before = {name: weight.detach().clone() for name, weight in trainer.weights.items()}
    left_out = 0
    while left_out < 40:
        trainer.scaled(torch.ones(()))
        for weight in trainer.weights.values():
            weight.grad = torch.full_like(weight, torch.inf)
        if not trainer.update(lambda _: 0.1):
            break
        left_out += 1

    assert left_out == 26
    assert all(torch.equal(before[name], weight) for name, weight in trainer.weights.items())
