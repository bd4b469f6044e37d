import math
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prep.dataset.dataset_file import Concept
from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from train.config import Config
from train.data import dataset
from train.data.batches import Batches
from train.families.diffusion_process import Diffusion
from train.families.flow_process import Flow
from train.families.noise_process import Prediction
from train.generators import generator_for
from train.methods import config_of
from train.run import readiness
from train.run.base_checks import check_loss
from train.run.probe import outside
from train.timestep_options import Density, TimestepOptions, area_shift

ALL = {
    "timesteps": "logit-normal", "logit_mean": 0.5, "logit_std": 2.0, "mode_scale": 0.5,
    "timestep_shift": "2", "min_timestep": 100, "max_timestep": 900,
    "concept_timesteps": "toy=0-500",
}  # fmt: skip
UNUSED = {"mode_scale"}  # of a logit-normal density


@pytest.mark.parametrize(
    ("density", "asked"),
    [
        (Density("logit-normal"), ("logit_normal", 0.0, 1.0, None)),
        (Density("logit-normal", mean=-0.7, deviation=0.4), ("logit_normal", 0.7, 0.4, None)),
        (Density("mode", scale=1.29), ("mode", None, None, 1.29)),
        (Density("mode", scale=-1.0), ("mode", None, None, -1.0)),
        (Density("uniform"), ("none", None, None, None)),
    ],
)
def test_a_flow_s_times_are_those_of_diffusers(density: Density, asked: tuple[Any, ...]) -> None:
    """The same random numbers give diffusers' index into its scheduler's falling timesteps.

    Its mean counts towards the picture, ours, as the paper's, towards noise.
    """
    from diffusers.training_utils import compute_density_for_timestep_sampling

    for step in range(50):
        kind, mean, deviation, scale = asked
        share = compute_density_for_timestep_sampling(
            kind, 1, mean, deviation, scale, "cpu", generator_for(0, "timestep", step, 0)
        )  # type: ignore[no-untyped-call]
        sigma = 1 - int(float(share) * 1000) / 1000
        wanted = 1000 * 3 * sigma / (1 + 2 * sigma)

        assert Flow(3.0).time(0, step, 0, density) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("process", [Flow(1.0), Diffusion(torch.zeros(1000), Prediction.EPSILON)])
def test_a_higher_mean_is_more_noise(process: Flow | Diffusion) -> None:
    """Of diffusions and flows alike, the middle time is the sigmoid of the mean."""
    for mean in (-1.0, 0.0, 2.0):
        density = Density("logit-normal", mean=mean, deviation=0.5)
        drawn = np.median([process.time(0, step, 0, density) for step in range(801)])

        assert drawn / 1000 == pytest.approx(1 / (1 + math.exp(-mean)), abs=0.02)


def test_the_shift_by_area_is_flux_s() -> None:
    """The logarithm goes from 0.5 of 256 px to 1.15 of 1024 px with the number of patches."""
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift

    for height, width in ((32, 32), (128, 128), (64, 96), (80, 160)):
        mu = calculate_shift(height * width // 4)  # type: ignore[no-untyped-call]
        assert area_shift((height, width)) == pytest.approx(math.exp(mu), rel=1e-12)
    assert area_shift((32, 32)) == pytest.approx(math.exp(0.5))


def test_a_shift_in_training_is_not_the_model_s_own() -> None:
    """A flow of shift 3 draws with a given shift as one that has it; a range stays what it is."""
    for step in range(20):
        assert Flow(3.0).time(0, step, 0, Density(shift=5.0)) == Flow(5.0).time(0, step, 0)
        within = Flow(3.0).time(0, step, 0, Density(shift=5.0, within=(200, 300)))
        assert 200 <= within <= 300


def _times(meta: Path, key: str, **given: Any) -> list[float]:
    """Return the times of a sample in 40 steps of a diffusion."""
    batches = Batches(dataset.load([meta]), config_of(**given), 1.0, 0.0)
    process = Diffusion(torch.linspace(0.9, 0.1, 1000), Prediction.EPSILON)
    return [
        float(batches.batch([key], step, 0, range(1), process).time_B) for step in range(40)
    ]  # fmt: skip


def test_a_concept_has_timesteps_of_its_own(meta: Path, changed: Callable[..., Path]) -> None:
    """Its samples are drawn within its range, those of others within the range of all."""
    changed(meta, "0.png", concept="style = b")
    changed(meta, concepts={"toy": Concept(), "style = b": Concept()})
    given = {"concept_timesteps": "style = b=900-1000, face=0-1", "max_timestep": 100}

    style, toy = _times(meta, "0.png", **given), _times(meta, "3.png", **given)

    assert 900 <= min(style) < 920
    assert 980 < max(style) <= 999
    assert 80 < max(toy) <= 99


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"min_timestep": 500, "max_timestep": 500},
         "`--min-timestep` is 500, and `--max-timestep` is 500",
         "give a smaller one first: the second trains no more"),
        ({"max_timestep": 1001}, "`--max-timestep` is 1001", "give a whole number from 1 to 1000"),
        ({"logit_std": 2.0},
         "`--logit-std` is given without `--timesteps logit-normal`, which it shapes",
         "give that too, or leave it out"),
        ({"timesteps": "uniform", "mode_scale": 1.0},
         "`--mode-scale` is given without `--timesteps mode`, which it shapes",
         "give that too, or leave it out"),
        ({"timestep_shift": "wide"}, "`--timestep-shift` is `wide`",
         "give a number from 0.01 to 100, or `area`"),
        ({"timestep_shift": "nan"}, "`--timestep-shift` is `nan`",
         "give a number from 0.01 to 100, or `area`"),
        *[({"concept_timesteps": text}, f"`--concept-timesteps` has `{piece}`",
           "give each concept once, with timesteps within 0-1000: `style=500-1000`")
          for text, piece in (("toy", "toy"), ("toy=5", "toy=5"), ("toy=5-5", "toy=5-5"),
                              ("a=0-9,a=1-9", "a=1-9"), ("=0-5", "=0-5"),
                              ("a=0-1001", "a=0-1001"), ("a=-5-9", "a=-5-9"))],
    ],
)  # fmt: skip
def test_timesteps_that_cannot_be_drawn_are_refused(
    given: dict[str, Any], message: str, hint: str
) -> None:
    """What leaves no timestep, shapes another density or is no range is two lines."""
    with pytest.raises(ConfigError) as caught:
        config_of(**given)

    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_a_concept_that_is_not_there_is_named(meta: Path, base: Path, models: Models) -> None:
    """Timesteps for a concept without samples are two lines, before the base model is opened."""
    config = config_of(base=str(base), steps=1, concept_timesteps="toys=0-500")
    with pytest.raises(ConfigError) as caught:
        readiness.ready([meta], config, models, outside, forecast=False)

    assert str(caught.value) == (
        "`--concept-timesteps` names `toys`, and no sample is of that concept"
    )
    assert caught.value.hint == "did you mean `toy`?"


def test_a_shift_is_for_flows() -> None:
    """Timesteps of a diffusion are not shifted: asking for it is two lines."""
    with pytest.raises(ConfigError) as caught:
        check_loss(config_of(timestep_shift="3"), "epsilon", False)

    assert str(caught.value) == "`--timestep-shift` is given, and the base model predicts noise"
    assert caught.value.hint == "leave it out: it is for models that predict a flow"
    check_loss(config_of(timestep_shift="area"), "flow", False)


def test_recipes_have_timesteps_that_are_not_the_usual_ones() -> None:
    """At their defaults the options of timesteps are in no recipe; each other value is."""
    names = {item.name for item in fields(TimestepOptions)}
    given = {name: value for name, value in ALL.items() if name not in UNUSED}

    assert names == {*ALL}
    assert names.isdisjoint(config_of().deciding())
    assert given.keys() <= config_of(**given).deciding().keys()
    assert "mode_scale" in config_of(timesteps="mode", mode_scale=0.5).deciding()
    assert config_of(timesteps="sigmoid").timesteps == "logit-normal"
    assert isinstance(config_of(**given), Config)
