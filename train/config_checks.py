"""What may be chosen together: settings looked through before anything is done with them."""

from collections.abc import Iterator
from dataclasses import replace

from prep.runtime import keys
from prep.runtime.errors import ConfigError
from train.block_rates import rates_of
from train.config import AUTO, Config
from train.optimizers import OPTIMIZERS, Rate
from train.option_fields import flag, mistakes, spelled


def checked(config: Config) -> Config:
    """Return settings whose words are spelt as ours are, and whose values are within limits.

    Raises:
        ConfigError: A value is not; all of them are told at once.
    """
    config = spelled(replace(config, own=spelled(config.own)))
    wrong = [*mistakes(config.own), *mistakes(config), *_together(config)]
    if wrong:
        (message, hint), *others = wrong
        raise ConfigError(message, hint, others)
    return config.settled(config.full()) if config.full() else config


def _together(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with settings that are good alone."""
    if config.epochs is not None and config.steps is not None:
        yield "`--epochs` and `--steps` are both given", "give one of them"
    if config.name is not None and keys.fault_everywhere(config.name):
        yield f"`--name` is `{config.name}`", "give a file's name: no `/`, no leading dot"
    if config.text_encoder_learning_rate is not None and not config.text_encoder:
        told = "`--text-encoder-learning-rate` is given, and the text encoder does not learn"
        yield told, "let it learn: `--text-encoder`, or leave the rate out"
    yield from _halves(config)
    try:
        rates_of(config.block_rates)
    except ValueError as piece:
        told = f"`--block-rates` has `{piece}`"
        yield told, "give each block once, with a number from 0 to 100: `IN04=0.5,OUT=0`"
    if config.optimizer in OPTIMIZERS and config.row().rate is Rate.ITS_OWN:
        yield from _rates_of_its_own(config)


def _halves(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with weights in half precision."""
    if config.full_fp16 and config.full_bf16:
        yield "`--full-fp16` and `--full-bf16` are both given", "give one of them"
    elif config.full() and config.precision not in (AUTO, config.full()):
        told = f"`--full-{config.full()}` is given, and `--precision` is {config.precision}"
        yield told, f"give `--precision {config.full()}`, or leave it out"


def _rates_of_its_own(config: Config) -> Iterator[tuple[str, str]]:
    """Yield the settings of a learning rate that the optimizer decides alone."""
    for name in (
        "learning_rate",
        "text_encoder_learning_rate",
        "block_rates",
        "warmup",
        "schedule",
    ):
        if getattr(config, name) != getattr(Config, name):
            told = f"`{flag(name)}` is given, and `{config.optimizer}` decides its steps alone"
            yield told, "leave it out, or choose another `--optimizer`"
