"""The learning rate: a function of the step alone, and where in the model a weight is."""

import math
from collections.abc import Callable

from train.config import Config
from train.families.family import Family


def learning_rate(step: int, peak: float, config: Config, steps: int) -> float:
    """Return the learning rate of one step.

    Args:
        step: From 0.
        peak: The learning rate at its height.
        steps: Of the whole run; a constant rate does not depend on it.

    Source:
        diffusers.optimization 0.42: get_constant_schedule_with_warmup, get_cosine_schedule...,
        get_cosine_with_hard_restarts_schedule_with_warmup.
    """
    if step < config.warmup:
        return peak * step / config.warmup
    if config.schedule == "constant":
        return peak
    share = (step - config.warmup) / max(1, steps - config.warmup)
    waves = config.cycles if config.schedule == "cosine-with-restarts" else 1
    if share >= 1:
        return 0.0
    return peak * 0.5 * (1 + math.cos(math.pi * (waves * share % 1)))


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
