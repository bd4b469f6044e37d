"""The learning rate: a function of the step alone."""

import math

from train.config import Config


def learning_rate(step: int, config: Config, steps: int) -> float:
    """Return the learning rate of one step.

    Args:
        step: From 0.
        steps: Of the whole run; a constant rate does not depend on it.

    Source:
        diffusers.optimization 0.42: get_constant_schedule_with_warmup, get_cosine_schedule...,
        get_cosine_with_hard_restarts_schedule_with_warmup.
    """
    if step < config.warmup:
        return config.learning_rate * step / config.warmup
    if config.schedule == "constant":
        return config.learning_rate
    share = (step - config.warmup) / max(1, steps - config.warmup)
    waves = config.cycles if config.schedule == "cosine-with-restarts" else 1
    if share >= 1:
        return 0.0
    return config.learning_rate * 0.5 * (1 + math.cos(math.pi * (waves * share % 1)))
