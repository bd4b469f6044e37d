"""Tests of training in slices: a stopped training ends in the same weights as one that was not."""

from pathlib import Path

import pytest
import torch
from torch import nn

from tinyworld.training.slices import Plan, learn, rate_at

PLAN = Plan(steps=30, rate=0.1, warmup=5, average=0.9, save_every=10)


def problem() -> tuple[nn.Module, torch.Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Linear(4, 2), torch.randn(8, 4)


def trained(save: Path, stop_at: int | None = None) -> torch.Tensor:
    """Return the weights after the plan; with `stop_at`, raise Interrupted in that step."""
    module, seen = problem()

    def loss_of(step: int) -> torch.Tensor:
        if step == stop_at:
            raise KeyboardInterrupt
        noise = torch.randn(8, 2, generator=torch.Generator().manual_seed(step))
        return (module(seen) - noise).square().mean()

    learn(module, loss_of, PLAN, save, tell=lambda _: None)
    return next(module.parameters()).detach().clone()


@pytest.mark.parametrize("stop_at", [3, 10, 25])
def test_a_stopped_training_goes_on_as_if_it_was_not(tmp_path: Path, stop_at: int) -> None:
    """Stopped in any step and started again, the weights are those of one go, to the bit."""
    whole = trained(tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        trained(tmp_path / "cut.pt", stop_at)

    assert torch.equal(trained(tmp_path / "cut.pt"), whole)
    assert torch.equal(trained(tmp_path / "cut.pt"), whole)  # done: nothing is learnt twice


def test_what_is_kept_is_the_average(tmp_path: Path) -> None:
    """The module ends with the moving average of its weights over the steps, not the last ones."""
    module, seen = problem()
    weights, kept = [], next(module.parameters()).detach().clone()

    def loss_of(step: int) -> torch.Tensor:
        weights.append(next(module.parameters()).detach().clone())
        return module(seen).square().mean()

    learn(module, loss_of, PLAN, tmp_path / "x.pt", tell=lambda _: None)
    last = torch.load(tmp_path / "x.pt", weights_only=True)["weights"][0]
    for step, after in enumerate([*weights[1:], last]):
        kept = kept.lerp(after, 1 - min(PLAN.average, (1 + step) / (10 + step)))

    assert torch.allclose(next(module.parameters()), kept, atol=1e-6)
    assert not torch.allclose(last, kept, atol=1e-6)


def test_the_rate_rises_then_falls_to_a_hundredth() -> None:
    """The learning rate starts low, peaks after the warm-up, and ends near a hundredth."""
    rates = [rate_at(PLAN, step) for step in range(PLAN.steps)]

    assert rates[0] == pytest.approx(0.02, rel=0.01)
    assert max(rates) == max(rates[3:6])
    assert rates == [*sorted(rates[:5]), *sorted(rates[5:], reverse=True)]
    assert 0.01 * PLAN.rate < rates[-1] < 0.03 * PLAN.rate
