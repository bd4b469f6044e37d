import copy

import pytest
import torch

from prep.runtime.errors import MachineError
from train.config import Config
from train.step.optimizer import Learner, check_device, check_machine


def _weights() -> dict[str, torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.nn.Parameter(torch.randn(shape, generator=generator))
        for name, shape in (
            ("b/down", (3, 4)),
            ("a", (5,)),
            ("c.up", (2, 2, 1, 1)),
            ("d", (64, 80)),
        )
    }


def _step(learner: Learner, nth: int, rate: float = 0.01) -> bool:
    generator = torch.Generator().manual_seed(nth)
    for weight in learner.weights.values():
        weight.grad = torch.randn(weight.shape, generator=generator)
    return learner.update(rate)


@pytest.mark.parametrize("kind", ["adamw", "adamw8bit"])
def test_a_restored_learner_goes_on_bit_for_bit(kind: str) -> None:
    """Three steps, saved and restored into a new learner, and three more are six in one go."""
    if kind == "adamw8bit":
        pytest.importorskip("bitsandbytes", reason="the optional package is not installed")
    config = Config(optimizer=kind)
    whole, first = (Learner(_weights(), config, "cpu") for _ in range(2))
    for nth in range(6):
        _step(whole, nth)
    for nth in range(3):
        _step(first, nth)
    saved = copy.deepcopy((dict(first.weights), first.tensors(), first.numbers()))

    second = Learner(_weights(), config, "cpu")
    second.restore(*saved)
    for nth in range(3, 6):
        _step(second, nth)

    for name, weight in whole.weights.items():
        assert torch.equal(weight, second.weights[name]), name
    assert all(
        torch.equal(value, second.tensors()[name]) for name, value in whole.tensors().items()
    )


def test_a_step_is_adamw_s_formula() -> None:
    """One step is Loshchilov and Hutter's: decay apart from the gradient's normalised mean."""
    given = _weights()
    before = {name: weight.detach().clone() for name, weight in given.items()}
    learner = Learner(given, Config(weight_decay=0.1, max_gradient_norm=0.0), "cpu")
    generator = torch.Generator().manual_seed(7)
    gradients = {n: torch.randn(w.shape, generator=generator) for n, w in learner.weights.items()}

    _step(learner, 7, rate=0.02)

    for name, g in gradients.items():
        mean, square = 0.1 * g / (1 - 0.9), 0.001 * g * g / (1 - 0.999)
        wanted = before[name] * (1 - 0.02 * 0.1) - 0.02 * mean / (square.sqrt() + 1e-8)
        torch.testing.assert_close(learner.weights[name].detach(), wanted)


def test_long_gradients_are_shortened() -> None:
    """Gradients of all weights together are scaled to the length asked for; shorter ones stay."""
    weight = torch.nn.Parameter(torch.zeros(2))
    learner = Learner({"a": weight}, Config(max_gradient_norm=1.0), "cpu")
    seen = []
    for length in (10.0, 0.5):
        weight.grad = torch.tensor([0.6, 0.8]) * length
        learner.update(0.1)
        seen.append(learner.tensors()["a/exp_avg"].clone())

    torch.testing.assert_close(seen[0], torch.tensor([0.06, 0.08]))
    torch.testing.assert_close(seen[1], 0.9 * seen[0] + 0.1 * torch.tensor([0.3, 0.4]))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_gradients_that_are_no_numbers_change_nothing(value: float) -> None:
    """An update that would spoil the weights is not made, and says so."""
    weight = torch.nn.Parameter(torch.ones(2))
    learner = Learner({"a": weight}, Config(), "cpu")
    weight.grad = torch.tensor([1.0, value])

    assert not learner.update(0.1)
    assert torch.equal(weight, torch.ones(2))
    assert learner.tensors() == {}


def test_weights_without_a_gradient_get_zeros() -> None:
    """A weight that a step did not use has a gradient of zeros, in every process alike."""
    learner = Learner(_weights(), Config(), "cpu")

    assert [list(g.shape) for g in learner.gradients()] == [
        [5], [3, 4], [2, 2, 1, 1], [64, 80],
    ]  # fmt: skip
    assert not any(gradient.any() for gradient in learner.gradients())


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            Config(optimizer="adamw8bit"),
            (
                "`--optimizer adamw8bit` needs `bitsandbytes`, which is not installed",
                "`pip install bitsandbytes`, or leave `--optimizer` out",
            ),
        ),
        (
            Config(attention="xformers"),
            (
                "`--attention xformers` needs `xformers`, which is not installed",
                "`pip install xformers`, or leave `--attention` out",
            ),
        ),
    ],
)
def test_what_is_not_installed_is_named(config: Config, told: tuple[str, str]) -> None:
    """An option whose package is missing says what to install; with it, nothing is said."""
    with pytest.raises(MachineError) as caught:
        check_machine(config, lambda package: False)

    assert (str(caught.value), caught.value.hint) == told
    check_machine(config, lambda package: True)
    check_machine(Config(), lambda package: False)


@pytest.mark.parametrize(
    ("config", "told"),
    [
        (
            Config(precision="fp16"),
            (
                "`--precision fp16` needs a GPU, and this run is on the CPU",
                "use `bf16` or `fp32`",
            ),
        ),
        (
            Config(attention="xformers"),
            ("`--attention xformers` needs a GPU, and this run is on the CPU", "use `sdpa`"),
        ),
    ],
)
def test_what_the_cpu_cannot_do_is_refused(config: Config, told: tuple[str, str]) -> None:
    """Half precision of the GPU's kind and its attention are refused on the CPU only."""
    with pytest.raises(MachineError) as caught:
        check_device(config, "cpu")

    assert (str(caught.value), caught.value.hint) == told
    check_device(config, "cuda")
    check_device(Config(precision="bf16"), "cpu")
