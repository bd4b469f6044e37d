"""Noise against NumPy in float64; every random number is drawn from the step and the place."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prep.runtime.errors import ConfigError
from train.config import Config
from train.data import dataset
from train.data.batches import Batch, Batches
from train.data.drawn_noise import Draw, noise_of
from train.data.order import normal, uniform
from train.families.diffusion_process import Diffusion
from train.families.flow_process import Flow
from train.families.noise_process import Prediction
from train.methods import config_of
from train.noise_options import NoiseOptions
from train.step.distributed import Processes
from train.step.step_inputs import coming_steps
from train.timestep_options import Density

Numbers = np.ndarray[Any, Any]
DRAW = Draw(3, 5, 1)
KEYS = ("0.png", "3.png")
X0 = torch.randn((4, 6, 9), generator=torch.Generator().manual_seed(0)) - 0.4


def _normal(purpose: str, *shape: int) -> Numbers:
    return normal(3, purpose, 5, 1, shape).numpy().astype(np.float64)


def _noise(**given: Any) -> tuple[Numbers, Numbers]:
    found = noise_of(X0, DRAW, NoiseOptions(**given))
    return found.asked_CHW.numpy(), found.shown_CHW.numpy()


def _near(found: Numbers, wanted: Numbers) -> None:
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def _stretched(coarse: Numbers, size: tuple[int, int]) -> Numbers:
    """Return the bilinear enlargement of the last two axes; corners are not aligned."""
    for axis, side in ((1, size[0]), (2, size[1])):
        at = np.clip((np.arange(side) + 0.5) * coarse.shape[axis] / side - 0.5, 0, None)
        low = np.floor(at).astype(int)
        high = np.minimum(low + 1, coarse.shape[axis] - 1)
        part = (at - low).reshape([-1 if n == axis else 1 for n in range(3)])
        coarse = (1 - part) * coarse.take(low, axis) + part * coarse.take(high, axis)
    return coarse


def test_usual_noise_is_plain_noise() -> None:
    """Without an option the noise is the standard normal that it always was, and it is shown."""
    found = noise_of(X0, DRAW, NoiseOptions())

    assert torch.equal(found.asked_CHW, normal(3, "noise", 5, 1, (4, 6, 9)))
    assert found.shown_CHW is found.asked_CHW


def test_an_offset_shifts_each_channel() -> None:
    """Constant, of random strength, and by the latents' mean, which may take it down to none."""
    plain, each = _normal("noise", 4, 6, 9), _normal("offset", 4, 1, 1)
    mean = np.abs(X0.numpy().astype(np.float64).mean(axis=(1, 2), keepdims=True))
    drawn = uniform(3, "offset's strength", 5, 1)

    _near(_noise(noise_offset=0.1)[0], plain + 0.1 * each)
    _near(_noise(noise_offset=0.1, noise_offset_random_strength=True)[0],
          plain + 0.1 * drawn * each)  # fmt: skip
    _near(_noise(noise_offset=0.1, adaptive_noise_scale=0.5)[0],
          plain + (0.1 + 0.5 * mean) * each)  # fmt: skip
    least = np.maximum(0.1 - 0.3 * mean, 0)
    assert (least == 0).any()
    _near(_noise(noise_offset=0.1, adaptive_noise_scale=-0.3)[0], plain + least * each)


def test_pyramid_noise_has_coarser_noise_on_it() -> None:
    """Each level is smaller by a ratio drawn from 2 to 4, weaker, and the last has a side of 1."""
    whole, seen = _normal("noise", 4, 6, 9), []
    for level in range(9):
        ratio = (2 + 2 * uniform(3, f"pyramid's ratio {level}", 5, 1)) ** level
        sides = max(1, int(6 / ratio)), max(1, int(9 / ratio))
        seen.append(sides)
        coarse = _normal(f"pyramid {level}", 1, 4, *sides)[0]
        whole = whole + _stretched(coarse, (6, 9)) * 0.7**level
        if 1 in sides:
            break

    found, shown = _noise(multires_noise_iterations=9, multires_noise_discount=0.7)

    _near(found, whole / whole.std(ddof=1))
    assert found is not shown
    assert np.array_equal(found, shown)
    assert seen[0] == (6, 9)
    assert 1 in seen[-1]
    assert len(seen) < 9


def test_a_perturbation_is_shown_and_not_asked_for() -> None:
    """The network is shown more noise than it has to find: constant, and of random strength."""
    plain, more = _normal("noise", 4, 6, 9), _normal("perturbation", 4, 6, 9)
    drawn = uniform(3, "perturbation's strength", 5, 1)

    asked, shown = _noise(ip_noise_gamma=0.1)
    weaker = _noise(ip_noise_gamma=0.1, ip_noise_gamma_random_strength=True)[1]

    assert np.array_equal(asked, normal(3, "noise", 5, 1, (4, 6, 9)))
    _near(shown, plain + 0.1 * more)
    _near(weaker, plain + 0.1 * drawn * more)


def _batch(meta: Path, places: range = range(2), **given: Any) -> Batch:
    process = Diffusion(torch.linspace(0.99, 0.01, 1000), Prediction.EPSILON)
    return _batches(meta, **given).batch(KEYS, 5, 0, places, process)


def _batches(meta: Path, **given: Any) -> Batches:
    return Batches(dataset.load([meta]), config_of(**given), 0.18215, 0.0)


ALL = {
    "noise_offset": 0.1, "noise_offset_random_strength": True, "adaptive_noise_scale": 0.2,
    "multires_noise_iterations": 4, "multires_noise_discount": 0.5, "ip_noise_gamma": 0.1,
    "ip_noise_gamma_random_strength": True,
}  # fmt: skip


def test_noise_depends_on_no_neighbour(meta: Path) -> None:
    """With everything on, a sample's noise and timestep are those that it has alone."""
    whole, one = _batch(meta, seed=4, **ALL), _batch(meta, range(1, 2), seed=4, **ALL)

    for word in ("noise_BCHW", "shown_BCHW", "time_B"):
        assert torch.equal(getattr(one, word)[0], getattr(whole, word)[1])
    assert one.digests == whole.digests[1:]


@pytest.mark.parametrize(
    "given", [{"noise_offset": 0.1}, {"multires_noise_iterations": 3}, {"ip_noise_gamma": 0.1}]
)
def test_the_digest_follows_what_is_shown(meta: Path, given: dict[str, Any]) -> None:
    """The log tells showings of other noise apart, input perturbation too."""
    plain, other = _batch(meta), _batch(meta, **given)

    assert torch.equal(plain.time_B, other.time_B)
    assert set(plain.digests).isdisjoint(other.digests)


def test_the_network_is_shown_the_perturbed_mixture(meta: Path) -> None:
    """A pass's mixture has the shown noise, and its target the one to be found."""
    process = Diffusion(torch.linspace(0.99, 0.01, 1000), Prediction.V_PREDICTION)
    batches = _batches(meta, batch=2, ip_noise_gamma=0.3)
    (found,) = coming_steps(batches, process, Processes(), 0, 1)
    a, s = (process.alpha_bar_T[found.passes[0].time_B].view(-1, 1, 1, 1) ** 0.5,
            (1 - process.alpha_bar_T[found.passes[0].time_B]).view(-1, 1, 1, 1) ** 0.5)  # fmt: skip
    asked = torch.stack([normal(0, "noise", 0, n, (4, *found.passes[0].noisy_BCHW.shape[2:]))
                         for n in range(2)])  # fmt: skip
    more = torch.stack([normal(0, "perturbation", 0, n, tuple(asked.shape[1:])) for n in range(2)])

    x0 = (a * asked - found.passes[0].target_BCHW) / s

    wanted = a * x0 + s * (asked + 0.3 * more)
    torch.testing.assert_close(found.passes[0].noisy_BCHW, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("density", ["usual", "uniform", "logit-normal", "mode"])
@pytest.mark.parametrize("process", [Diffusion(torch.zeros(1000), Prediction.EPSILON), Flow(3.0)])
def test_timesteps_stay_within_their_range(process: Diffusion | Flow, density: str) -> None:
    """Both ends are reached, of a range of three and of one, and nothing beyond them."""
    narrow = [process.time(0, step, 0, Density(density, within=(500, 503))) for step in range(200)]
    wide = [process.time(0, step, 0, Density("uniform", within=(200, 800))) for step in range(400)]

    assert 500 <= min(narrow) < 501
    assert 502 <= max(narrow) <= 503
    assert 200 <= min(wide) < 210
    assert 790 < max(wide) <= 800
    if isinstance(process, Diffusion):
        assert set(narrow) == {500, 501, 502}
        assert {process.time(0, step, 0, Density(density, within=(7, 8))) for step in range(9)} == {
            7
        }
    assert [
        process.time(0, n, 0, Density(density, within=(0, 1000))) for n in range(9)
    ] == pytest.approx([process.time(0, n, 0, Density(density)) for n in range(9)])


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"adaptive_noise_scale": 0.1},
         "`--adaptive-noise-scale` is given without `--noise-offset`, which it shapes",
         "give that too, or leave it out"),
        ({"ip_noise_gamma_random_strength": True},
         "`--ip-noise-gamma-random-strength` is given without `--ip-noise-gamma`, which it shapes",
         "give that too, or leave it out"),
    ],
)  # fmt: skip
def test_noise_that_would_not_be_there_is_refused(
    given: dict[str, Any], message: str, hint: str
) -> None:
    """What shapes a noise that is off, or leaves no timestep, is two lines."""
    with pytest.raises(ConfigError) as caught:
        config_of(**given)

    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_recipes_have_noise_that_is_not_the_usual_one() -> None:
    """At their defaults the options of noise are in no recipe; each other value is."""
    names = {item.name for item in fields(NoiseOptions)}

    assert names == {*ALL}
    assert names.isdisjoint(config_of().deciding())
    assert names <= config_of(**ALL).deciding().keys()
    assert isinstance(config_of(**ALL), Config)
