"""The average of weights: its formula, what is saved of it, and what exports hold."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from tests.train.runs import lora, new_console, said
from train.methods import config_of
from train.step.trainer import Trainer
from train.weights.explain import explain


def _trainer(kind: torch.dtype) -> Trainer:
    given = torch.nn.Parameter(torch.linspace(-1, 1, 24).reshape(4, 6).to(kind))
    return Trainer({"a/b": given}, config_of(ema=0.8), "cpu")


def _step(trainer: Trainer, nth: int) -> None:
    for weight in trainer.weights.values():
        weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(nth)).to(
            weight
        )
    trainer.update(lambda _: 0.05)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_the_average_is_the_formula_s(kind: torch.dtype) -> None:
    """At rest the weights are m + (1 - d) (w - m), d = min(0.8, n / (n + 9)), 0 at first.

    The weights that learn are back afterwards, and a trainer restored half way averages on as
    one that never stopped.
    """
    whole, first = _trainer(kind), _trainer(kind)
    mean = np.zeros((4, 6))
    for nth in range(40):
        _step(whole, nth)
        d = min(0.8, (nth + 1) / (nth + 10)) if nth else 0.0
        weight = whole.weights["a/b"].detach().double().numpy()
        mean = d * mean + (1 - d) * weight
        if nth == 19:
            middle = copy.deepcopy((dict(whole.weights), whole.tensors()))
            numbers = json.loads(json.dumps(whole.numbers()))
    first.restore(*middle, numbers)
    for nth in range(20, 40):
        _step(first, nth)
    before = whole.weights["a/b"].detach().clone()

    with whole.at_rest():
        used = whole.weights["a/b"].detach().clone()

    np.testing.assert_allclose(whole.tensors()["average a/b"].double(), mean, rtol=2e-6, atol=1e-6)
    assert torch.equal(used, whole.tensors()["average a/b"].to(kind))
    assert torch.equal(whole.weights["a/b"], before)
    assert not torch.equal(before, used)
    assert numbers["averaged"] == 20
    assert torch.equal(first.tensors()["average a/b"], whole.tensors()["average a/b"])


def test_an_export_holds_the_average(meta: Path, tmp_path: Path, models: Models) -> None:
    """It is told; in two parts it has the bytes of one; the weights learn as without it."""
    plain = lora(meta, tmp_path / "plain", models, new_console(), steps=4)
    whole = lora(meta, tmp_path / "whole", models, new_console(), steps=4, ema=0.9)
    lora(meta, tmp_path / "two", models, new_console(), steps=2, ema=0.9)
    again = lora(meta, tmp_path / "two", models, new_console(), steps=4, ema=0.9)
    saved = [one.parent / "checkpoints/step-00000004" for one in (plain, whole)]
    learnt, same = (load_file(one / "weights.safetensors") for one in saved)
    means = load_file(saved[1] / "optimizer.safetensors")
    console = new_console()
    explain(whole, console)

    assert again.read_bytes() == whole.read_bytes()
    assert all(torch.equal(one, same[name]) for name, one in learnt.items())
    averages = {one.numpy().tobytes() for name, one in means.items() if name.startswith("average ")}
    written = {one.numpy().tobytes() for one in load_file(whole).values() if one.dim()}
    assert averages == written
    assert written != {one.numpy().tobytes() for one in load_file(plain).values() if one.dim()}
    assert "weights: their moving average over the steps, decay 0.9\n" in said(console)[0]
    assert plain.parent.name != whole.parent.name


def test_an_optimizer_that_averages_takes_no_other_average() -> None:
    """Two averages, one of the other, are refused before anything is loaded."""
    with pytest.raises(ConfigError) as caught:
        config_of(ema=0.99, optimizer="adamw-schedulefree")

    assert (str(caught.value), caught.value.hint) == (
        "`--ema` is given, and `adamw-schedulefree` averages the weights by itself",
        "leave it out, or choose another `--optimizer`",
    )
