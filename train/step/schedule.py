"""The learning rate: a function of the step alone, and where in the model a weight is."""

from collections.abc import Callable

from train.config import Config
from train.families.family import Family
from train.schedule_rows import Place


def learning_rate(step: int, peak: float, config: Config, steps: int) -> float:
    """Return the learning rate of one step.

    Args:
        step: From 0.
        peak: The learning rate at its height.
        steps: Of the whole run; a constant rate does not depend on it.

    Source:
        See `schedule_rows`. The warm-up is that of all of them.
    """
    row, warmup = config.schedule_row(), config.warmup
    if step < warmup:
        least = config.lowest_rate if row.from_lowest else 0.0
        return peak * step / warmup if not least else peak * (least + (1 - least) * step / warmup)
    place = Place(step, steps, warmup, config.cycles, config.learning_rate or peak)
    return peak * row.share(place, config)


def peak_of(
    name: str, config: Config, family: Family, share: Callable[[str, Config], float]
) -> float | None:
    """Return the learning rate of a weight at its height; None: the optimizer decides it alone.

    Args:
        name: Those of a text encoder begin with its folder and a dot.
        share: See `Method.share`.
    """
    rate = config.learning_rate
    if name.partition(".")[0] in family.encoders and config.text_encoder_learning_rate is not None:
        rate = config.text_encoder_learning_rate
    if config.block_rates and rate is not None:
        rate *= config.block_rate(family.block(name))
    return None if rate is None else rate * share(name, config)
