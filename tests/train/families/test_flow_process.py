import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prep.runtime.errors import ModelFileError
from train.families.diffusion_process import Diffusion
from train.families.flow_process import Flow, flow_of
from train.families.noise_process import Prediction, Process
from train.timestep_options import Density


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_mixture_target_and_ends_are_the_paper_s() -> None:
    """Against float64: the straight line, its direction, both of its ends, signal over noise."""
    x0, noise = _random(3, 16, 2, 5), _random(3, 16, 2, 5, seed=1)
    when, flow = torch.tensor([3.0, 500.0, 998.5]), Flow()
    x, eps = x0.numpy().astype(np.float64), noise.numpy().astype(np.float64)
    sigma = (when.numpy().astype(np.float64) / 1000)[:, None, None, None]

    mixed = flow.mixture(x0, noise, when)
    target = flow.target(x0, noise, when)
    found = flow.unmixed(mixed, target, when)

    np.testing.assert_allclose(mixed, (1 - sigma) * x + sigma * eps, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(target, eps - x, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found[0], x, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found[1], eps, rtol=1e-4, atol=1e-5)
    one = sigma.ravel()
    np.testing.assert_allclose(flow.snr(when), ((1 - one) / one) ** 2, rtol=1e-4)
    assert flow.times([0.5]).dtype == torch.float32


def _density(share: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return eq. 19 with mean 0 and deviation 1, float64."""
    logit = np.log(share / (1 - share))
    found: np.ndarray[Any, Any] = np.exp(-(logit**2) / 2) / np.sqrt(2 * np.pi)
    return found / share / (1 - share)


@pytest.mark.parametrize(
    ("process", "density", "normal"),
    [
        (Flow(1.0), "usual", True),
        (Flow(3.0), "logit-normal", True),
        (Flow(3.0), "uniform", False),
        (Diffusion(torch.zeros(1000), Prediction.EPSILON), "logit-normal", True),
        (Diffusion(torch.zeros(1000), Prediction.EPSILON), "usual", False),
    ],
)
def test_times_have_the_density_that_is_asked_for(
    process: Process, density: str, normal: bool
) -> None:
    """Logit-normal as the paper's eq. 19 or uniform, whatever the shift, for every process."""
    drawn = np.array(
        [process.time(7, n, m, Density(density)) for n in range(500) for m in range(4)]
    )
    shift = getattr(process, "shift", 1.0)
    share = drawn / 1000 / (shift - (shift - 1) * drawn / 1000)  # the shift taken back
    grid = (np.arange(5000) + 0.5) / 5000
    weights = _density(grid) if normal else np.ones(5000)
    edges = np.linspace(0, 1, 6)

    found = np.histogram(share, edges)[0] / len(share)

    wanted = [weights[(grid >= a) & (grid < b)].sum() / 5000 for a, b in pairwise(edges)]
    np.testing.assert_allclose(found, wanted, atol=0.035)


@pytest.mark.parametrize("shift", [1.0, 3.0])
def test_times_are_the_scheduler_s(shift: float) -> None:
    """Each time that is drawn is one of the thousand of FlowMatchEulerDiscreteScheduler."""
    import diffusers

    kind: Any = diffusers.FlowMatchEulerDiscreteScheduler
    scheduler = kind(num_train_timesteps=1000, shift=shift)

    drawn = np.array([Flow(shift).time(7, step, 0) for step in range(300)])

    known = scheduler.timesteps.numpy().astype(np.float64)
    assert abs(drawn[:, None] - known[None]).min(axis=1).max() < 1e-3


def test_a_time_depends_on_seed_step_and_place_alone() -> None:
    """The same three give the same time; another of each gives another one."""
    flow = Flow()
    one = flow.time(1, 2, 3)

    assert flow.time(1, 2, 3) == one
    assert one not in {flow.time(0, 2, 3), flow.time(1, 0, 3), flow.time(1, 2, 0)}


def test_a_step_is_the_scheduler_s() -> None:
    """Times and each step equal those of FlowMatchEulerDiscreteScheduler."""
    import diffusers

    kind: Any = diffusers.FlowMatchEulerDiscreteScheduler
    reference = kind(num_train_timesteps=1000, shift=3.0)
    reference.set_timesteps(7)
    latents, answer = _random(2, 1, 16, 8, 8)
    flow = Flow()

    times = flow.falling(7)

    assert times == reference.timesteps.tolist()
    for now, then in zip(reference.timesteps, [*times[1:], None], strict=True):
        found = flow.earlier(latents, answer, now.item(), then)
        latents = reference.step(answer, now, latents).prev_sample
        torch.testing.assert_close(found, latents, rtol=1e-6, atol=1e-6)


def test_the_shift_is_the_config_s(tmp_path: Path) -> None:
    """Shift and number of timesteps stand in the scheduler's config."""
    config = {"_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 2.5}
    (tmp_path / "scheduler_config.json").write_text(json.dumps(config))

    assert flow_of(tmp_path, Prediction.FLOW) == Flow(2.5, 1000)


@pytest.mark.parametrize(
    ("config", "why"),
    [
        ({"_class_name": "PNDMScheduler"}, "`PNDMScheduler` with a shift of 1 and 1000 timesteps"),
        (
            {"_class_name": "FlowMatchEulerDiscreteScheduler", "use_dynamic_shifting": True},
            "its shift depends on the picture's size, which is not supported",
        ),
        ([], "list indices must be integers or slices, not str"),
    ],
)
def test_another_schedule_is_refused(tmp_path: Path, config: object, why: str) -> None:
    """What is no flow, or one that is not known here, is told in two lines."""
    path = tmp_path / "scheduler_config.json"
    path.write_text(json.dumps(config))

    with pytest.raises(ModelFileError) as caught:
        flow_of(tmp_path, Prediction.FLOW)

    assert str(caught.value) == f"`{path}` is not a flow schedule: {why}"
    assert caught.value.hint == "fetch the base model's files again"
