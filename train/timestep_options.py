"""What a person may choose of the timesteps that train, and how one of them is drawn."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from train.option_fields import flag, option

LAST_TIMESTEP = 1000
DENSITIES = ("usual", "uniform", "logit-normal", "mode")
BY_AREA = "area"
_MOST_SHIFT = 100.0
# Option -> the density that it shapes, without which it decides nothing.
_SHAPES = {"logit_mean": "logit-normal", "logit_std": "logit-normal", "mode_scale": "mode"}


@dataclass(frozen=True)
class Density:
    """How timesteps are drawn.

    Attributes:
        kind: One of DENSITIES; `usual` is the one that is usual for the process.
        mean: Of the logit of a logit-normal one; above 0: more noise.
        deviation: The same.
        scale: Of `mode`: above 0 more in the middle, below 0 more at the ends.
        shift: How far a flow moves its times towards noise; None: as its own schedule does.
        within: First timestep and the one behind the last; None for all.
    """

    kind: str = "usual"
    mean: float = 0.0
    deviation: float = 1.0
    scale: float = 0.0
    shift: float | None = None
    within: tuple[int, int] | None = None


USUAL = Density()


@dataclass(frozen=True, kw_only=True)
class TimestepOptions:
    """Range and density of the timesteps; some words are those of kohya's scripts."""

    timesteps: str = option(
        "usual",
        "How they are drawn: uniform, logit-normal, mode, or as is usual: logit-normal where "
        "latents flow, else uniform",
        later=True, words=DENSITIES, known_as={"sigmoid": "logit-normal"},
    )  # fmt: skip
    logit_mean: float = option(
        0.0, "Mean of logit-normal timesteps before the sigmoid; above 0: more noise",
        later=True, least=-10, most=10,
    )  # fmt: skip
    logit_std: float = option(
        1.0, "Their deviation (kohya's sigmoid scale); wider: more of both ends", later=True,
        least=0.01, most=10,
    )  # fmt: skip
    mode_scale: float = option(
        1.29, "Of mode: above 0 more timesteps of the middle, below 0 of the ends", later=True,
        least=-1, most=1.75,
    )  # fmt: skip
    timestep_shift: str = option(
        "", "Shift of a flow's timesteps in training, in place of the model's own: a number, above "
        "1 for more noise, or `area`: more of it for larger pictures", later=True,
    )  # fmt: skip
    min_timestep: int = option(
        0, "Least timestep that trains", later=True, least=0, most=LAST_TIMESTEP - 1
    )
    max_timestep: int = option(
        LAST_TIMESTEP, "Timesteps below it train", later=True, least=1, most=LAST_TIMESTEP
    )
    concept_timesteps: str = option(
        "", "Timesteps of single concepts, as `style=500-1000,face=0-400`", later=True
    )

    def timestep_range(self) -> tuple[int, int] | None:
        """Return the first timestep that trains and the one behind the last; None for all."""
        found = (self.min_timestep, self.max_timestep)
        return None if found == (0, LAST_TIMESTEP) else found

    def density(self, concept: str, cells: Sequence[int]) -> Density:
        """Return how the timesteps of a sample are drawn.

        Args:
            cells: Height and width of its latents.
        """
        within = ranges_of(self.concept_timesteps).get(concept, self.timestep_range())
        shift = area_shift(cells) if self.timestep_shift == BY_AREA else shift_of(self)
        return Density(
            self.timesteps, self.logit_mean, self.logit_std, self.mode_scale, shift, within
        )


def shift_of(options: TimestepOptions) -> float | None:
    """Return the shift that a person gave as a number; None where they gave none, or the area.

    Raises:
        ValueError: It is neither, or out of its limits.
    """
    if options.timestep_shift in ("", BY_AREA):
        return None
    found = float(options.timestep_shift)
    if not 1 / _MOST_SHIFT <= found <= _MOST_SHIFT:  # NaN is neither
        raise ValueError(options.timestep_shift)
    return found


def area_shift(cells: Sequence[int]) -> float:
    """Return the shift for latents of a size: e^0.5 of 16 x 16 patches up to e^1.15 of 64 x 64.

    A patch is 2 x 2 latents; between and beyond them its logarithm is linear in their number.

    Args:
        cells: Height and width of the latents.

    Source:
        black-forest-labs/flux, src/flux/sampling.py `get_lin_function` and `get_schedule`; so
        diffusers 0.42.1, `calculate_shift`, and kohya's `flux_shift`.
    """
    patches = (cells[0] // 2) * (cells[1] // 2)
    slope = (1.15 - 0.5) / (4096 - 256)
    return math.exp(0.5 + slope * (patches - 256))


def ranges_of(text: str) -> dict[str, tuple[int, int]]:
    """Return the timesteps of each concept, the first one and the one behind the last.

    Raises:
        ValueError: The text is none of this kind; its message names the piece.
    """
    found: dict[str, tuple[int, int]] = {}
    for piece in filter(None, (one.strip() for one in text.split(","))):
        word, _, numbers = piece.rpartition("=")
        low, _, high = (one.strip() for one in numbers.partition("-"))
        good = low.isdecimal() and high.isdecimal() and low.isascii() and high.isascii()
        concept = word.strip()
        if not concept or concept in found or not good:
            raise ValueError(piece)
        found[concept] = int(low), int(high)
        if not 0 <= int(low) < int(high) <= LAST_TIMESTEP:
            raise ValueError(piece)
    return found


def faults(options: TimestepOptions) -> Iterator[tuple[str, str]]:
    """Yield what does not go together, as message and hint."""
    if options.min_timestep >= options.max_timestep:
        told = f"`--min-timestep` is {options.min_timestep}, and `--max-timestep` is "
        yield f"{told}{options.max_timestep}", "give a smaller one first: the second trains no more"
    for name, shaped in _SHAPES.items():
        given = getattr(options, name) != getattr(TimestepOptions, name)
        if given and options.timesteps != shaped:
            told = f"`{flag(name)}` is given without `--timesteps {shaped}`, which it shapes"
            yield told, "give that too, or leave it out"
    try:
        shift_of(options)
    except ValueError:
        told = f"`--timestep-shift` is `{options.timestep_shift}`"
        yield told, f"give a number from 0.01 to {_MOST_SHIFT:g}, or `{BY_AREA}`"
    try:
        ranges_of(options.concept_timesteps)
    except ValueError as piece:
        told = f"`--concept-timesteps` has `{piece}`"
        yield told, "give each concept once, with timesteps within 0-1000: `style=500-1000`"
