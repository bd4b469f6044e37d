"""Between noise and latents: what a network is shown at a time, and what it must answer.

A process knows no network and no file but the scheduler's config. Letters: B batch, C channels,
H and W height and width of latents, T timesteps.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from train.generators import generator_for
from train.sampler_rows import Sampler
from train.timestep_options import USUAL, Density

if TYPE_CHECKING:
    from torch import Tensor


_BELOW_ONE = 1 - 2**-24


class Prediction(StrEnum):
    """What a network says of a mixture of latents and noise."""

    EPSILON = "epsilon"
    V_PREDICTION = "v_prediction"
    FLOW = "flow"


class Process(Protocol):
    """How latents become noise, and what a network is asked on the way back.

    A time is a number as the network is given it.
    """

    @property
    def prediction(self) -> Prediction:
        """What the network says of a mixture."""

    def time(
        self,
        seed: int,
        step: int,
        place: int,
        density: Density = USUAL,
    ) -> float:
        """Return the time of a sample of a step, drawn from all that there are.

        Args:
            step: From 0.
            place: Index of the sample in the whole batch of the step.
        """

    def times(self, drawn: "list[float]") -> "Tensor":
        """Return times as the network takes them, shape (B,)."""

    def mixture(self, x0_BCHW: "Tensor", noise_BCHW: "Tensor", time_B: "Tensor") -> "Tensor":
        """Return latents mixed with noise, float32."""

    def target(self, x0_BCHW: "Tensor", noise_BCHW: "Tensor", time_B: "Tensor") -> "Tensor":
        """Return what the network must say of the mixture, float32."""

    def unmixed(
        self, mixed_BCHW: "Tensor", answer_BCHW: "Tensor", time_B: "Tensor"
    ) -> "tuple[Tensor, Tensor]":
        """Return the latents and the noise that an answer means, float32."""

    def snr(self, time_B: "Tensor") -> "Tensor":
        """Return the ratio of signal to noise, as variances, shape (B,)."""

    def depth(self, time_B: "Tensor") -> "Tensor":
        """Return times as shares of their number, shape (B,), in [0, 1]."""

    def middle(self) -> float:
        """Return a time half way."""

    def falling(self, steps: int) -> list[float]:
        """Return the times of a drawing of so many steps, from noise on."""

    def earlier(
        self, mixed_BCHW: "Tensor", answer_BCHW: "Tensor", now: float, then: float | None
    ) -> "Tensor":
        """Return a mixture with less noise, without randomness.

        Args:
            now: The time that it has.
            then: The time that it shall have; None for the end.
        """

    def scheduler_facts(self) -> dict[str, Any]:
        """Return what schedulers of diffusers have to be told of it; each takes what it knows."""


@dataclass(frozen=True)
class ProcessKind:
    """A kind of process, as a family names it in its row.

    Attributes:
        read: (folder of a scheduler, prediction where it names none) -> process.
        samplers: The ways to draw beside the process's own, by name.
        own_label: AUTOMATIC1111's name of the process's own way.
    """

    read: Callable[[Path, Prediction], Process]
    samplers: Mapping[str, Sampler]
    own_label: str = "DDIM"


def share(seed: int, step: int, place: int, density: Density, kind: str) -> float:
    """Return the share of all times that is drawn for a sample of a step, in [0, 1).

    Args:
        kind: Of the density, the usual one made out.

    Source:
        Esser et al. 2024, eq. 19 and 20; diffusers 0.42.1, `compute_density_for_timestep_sampling`.
    """
    import torch

    generator = generator_for(seed, "timestep", step, place)
    if kind == "logit-normal":
        drawn = torch.randn((), generator=generator)
        return min(float((density.mean + density.deviation * drawn).sigmoid()), _BELOW_ONE)
    found = float(torch.rand((), generator=generator))
    if kind == "mode":
        bent = math.cos(math.pi * found / 2) ** 2 - 1 + found
        found = min(max(1 - found - density.scale * bent, 0.0), _BELOW_ONE)
    return found
