"""The schedules: a row each, from a step to its share of the learning rate. All pure.

Source: diffusers.optimization 0.42.1; transformers.optimization 5.23 for those that diffusers has
not; how kohya-ss/sd-scripts (commit 48d368fa), train_util.py `get_scheduler_fix`, calls them.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple

from train.option_fields import option

_LAST_RATE = 1e-7  # of a polynomial, whatever the rate at its height
_TIMESCALE = 10_000  # where there is no warm-up


class Place(NamedTuple):
    """A step, and the run that it belongs to.

    Attributes:
        step: From 0; the warm-up lies behind it.
        steps: Of the whole run.
        warmup: Steps in which the rate rises.
        cycles: Waves of a cosine.
        peak: The learning rate at its height.
    """

    step: int
    steps: int
    warmup: int = 0
    cycles: int = 1
    peak: float = 1.0

    def share(self) -> float:
        """Return how much of the run behind the warm-up is over, in [0, 1]."""
        return min(1.0, (self.step - self.warmup) / max(1, self.steps - self.warmup))


@dataclass(frozen=True, kw_only=True)
class ScheduleOptions:
    """What a person may choose of single schedules alone."""

    schedule_power: float = option(1.0, "Power of polynomial", later=True, least=0.01, most=100)
    decay_steps: int = option(
        0, "Last steps, in which the rate falls; of warmup-stable-decay", later=True, least=0,
        most=10_000_000,
    )  # fmt: skip
    timescale: int = option(
        0, "Steps whose root the rate falls by; of inverse-sqrt; 0: of the warm-up, else 10000",
        later=True, least=0, most=10_000_000,
    )  # fmt: skip
    lowest_rate: float = option(
        0.0, "Share of the rate at the end; of cosine-with-min-lr and warmup-stable-decay",
        later=True, least=0, most=1,
    )  # fmt: skip
    rate_rules: str = option(
        "", "Shares of the rate, each up to a step; of piecewise-constant: `1:100,0.1:200,0.01`",
        later=True,
    )  # fmt: skip


@dataclass(frozen=True)
class Schedule:
    """One schedule.

    Attributes:
        name: As it is typed after `--schedule`.
        share: (place, options) -> learning rate over that at its height, behind the warm-up.
        reads: Options that decide it.
        knows_end: Whether the number of steps decides the rate of earlier ones.
        from_lowest: Whether the warm-up begins at `lowest_rate`, not at 0.
    """

    name: str
    share: Callable[[Place, ScheduleOptions], float]
    reads: tuple[str, ...] = ("warmup",)
    knows_end: bool = True
    from_lowest: bool = False

    def written_as(self, warmup: int) -> str:
        """Return what kohya's scripts call it."""
        warming = self.name == "constant" and warmup
        return "constant_with_warmup" if warming else self.name.replace("-", "_")


def _wave(share: float) -> float:
    """Return half a wave of a cosine, from 1 to 0, again and again."""
    return 0.5 * (1 + math.cos(math.pi * (share % 1)))


def _cosine(place: Place, options: ScheduleOptions) -> float:
    return 0.0 if place.share() >= 1 else _wave(place.share())


def _restarts(place: Place, options: ScheduleOptions) -> float:
    return 0.0 if place.share() >= 1 else _wave(place.cycles * place.share())


def _raised(factor: float, least: float) -> float:
    return max(0.0, factor * (1 - least) + least)


def _cosine_with_least(place: Place, options: ScheduleOptions) -> float:
    factor = 0.5 * (1 + math.cos(math.pi * place.cycles * place.share()))
    return _raised(factor, options.lowest_rate)


def _polynomial(place: Place, options: ScheduleOptions) -> float:
    left = math.pow(1 - place.share(), options.schedule_power)
    return ((place.peak - _LAST_RATE) * left + _LAST_RATE) / place.peak


def _inverse_sqrt(place: Place, options: ScheduleOptions) -> float:
    scale = options.timescale or place.warmup or _TIMESCALE
    return float(1 / math.sqrt((place.step + scale - place.warmup) / scale))


def _stable(place: Place, options: ScheduleOptions) -> float:
    falling = place.step - (place.steps - options.decay_steps)
    if falling < 0:
        return 1.0
    if place.step >= place.steps:
        return options.lowest_rate
    share = falling / options.decay_steps
    return _raised(0.5 * (1 + math.cos(math.pi * place.cycles * share)), options.lowest_rate)


def _piecewise(place: Place, options: ScheduleOptions) -> float:
    rules, last = rules_of(options.rate_rules)
    return next((factor for until, factor in rules if place.step < until), last)


def rules_of(text: str) -> tuple[tuple[tuple[int, float], ...], float]:
    """Return the rules of a piecewise constant rate: (step that ends it, share) each, and the last.

    Raises:
        ValueError: With the piece that is none, or that comes twice.
    """
    *pieces, end = (piece.strip() for piece in text.split(","))
    found: dict[int, float] = {}
    for piece in pieces:
        factor, _, until = piece.partition(":")
        if not until.strip().isdecimal() or int(until) in found:
            raise ValueError(piece)
        found[int(until)] = _factor(factor, piece)
    return tuple(sorted(found.items())), _factor(end, end)


def _factor(text: str, piece: str) -> float:
    try:
        found = float(text)
    except ValueError:
        raise ValueError(piece) from None
    if not 0 <= found <= 1000:  # NaN is neither
        raise ValueError(piece)
    return found


_ROWS = (
    Schedule("constant", lambda place, options: 1.0, knows_end=False),
    Schedule("linear", lambda place, options: 1 - place.share()),
    Schedule("cosine", _cosine),
    Schedule("cosine-with-restarts", _restarts, ("warmup", "cycles")),
    Schedule("cosine-with-min-lr", _cosine_with_least, ("warmup", "cycles", "lowest_rate")),
    Schedule("polynomial", _polynomial, ("warmup", "schedule_power")),
    Schedule("inverse-sqrt", _inverse_sqrt, ("warmup", "timescale"), knows_end=False),
    Schedule("warmup-stable-decay", _stable, ("warmup", "cycles", "decay_steps", "lowest_rate"),
             from_lowest=True),
    Schedule("piecewise-constant", _piecewise, ("rate_rules",), knows_end=False),
)  # fmt: skip
SCHEDULES: Mapping[str, Schedule] = MappingProxyType({row.name: row for row in _ROWS})
# All options that some schedule reads, in their order.
READ = tuple(dict.fromkeys(name for row in _ROWS for name in row.reads))


def reading(name: str) -> str:
    """Return a schedule that uses an option, as a person types it: the first one."""
    return next(f"`--schedule {row.name}`" for row in _ROWS if name in row.reads)


def faults(
    row: Schedule, options: ScheduleOptions, peak: float | None
) -> Iterator[tuple[str, str]]:
    """Yield what a schedule lacks that it cannot do without, as message and hint.

    Args:
        peak: The learning rate, where a person gave one.
    """
    if "decay_steps" in row.reads and not options.decay_steps:
        told = f"`--schedule {row.name}` is given without `--decay-steps`"
        yield told, "give the steps in which the rate falls at last"
    if "schedule_power" in row.reads and peak is not None and peak <= _LAST_RATE:
        told = f"`--learning-rate` is {peak:g}, and `--schedule {row.name}` ends at {_LAST_RATE:g}"
        yield told, "give a higher rate, or another schedule"
    if "rate_rules" in row.reads:
        try:
            rules_of(options.rate_rules)
        except ValueError as piece:
            told = f"`--rate-rules` has `{piece}`"
            if not options.rate_rules:
                told = f"`--schedule {row.name}` is given without `--rate-rules`"
            yield told, "give shares of the rate, each up to a step: `1:100,0.1:200,0.01`"
