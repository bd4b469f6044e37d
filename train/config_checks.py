"""What may be chosen together: settings looked through before anything is done with them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from prep.runtime import keys
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError
from train import noise_options, timestep_options, watch_options
from train.block_rates import rates_of
from train.config import AUTO, DEFAULT_STEPS, MOST_STEPS, Config
from train.loss_rows import LOSSES
from train.optimizers import OPTIMIZERS, Rate
from train.option_fields import flag, mistakes, spelled
from train.schedule_rows import READ, SCHEDULES, faults, reading


def checked(
    config: Config, own: Callable[[Config], Iterable[tuple[str, str]]] = lambda config: ()
) -> Config:
    """Return settings whose words are spelt as ours are, and whose values are within limits.

    Args:
        own: Settings -> message and hint of each fault that their method alone knows.

    Raises:
        ConfigError: A value is not; all of them are told at once.
    """
    config = spelled(replace(config, own=spelled(config.own)))
    wrong = [*mistakes(config.own), *mistakes(config), *_together(config), *own(config)]
    if wrong:
        (message, hint), *others = wrong
        raise ConfigError(message, hint, others)
    return config.settled(config.full()) if config.full() else config


def with_steps(config: Config, per_epoch: int) -> Config:
    """Return the settings with their number of steps, for epochs of so many steps.

    Raises:
        ConfigError: They are too many, or the learning rate would still rise at the end.
    """
    steps = config.epochs * per_epoch if config.epochs else config.steps or DEFAULT_STEPS
    if steps > MOST_STEPS:
        raise ConfigError(
            f"`--epochs` is {config.epochs}, which is {steps} steps",
            f"train at most {MOST_STEPS} steps",
        )
    if config.warmup >= steps:
        raise ConfigError(
            f"`--warmup` is {config.warmup}, and the run has {counted(steps, 'step')}",
            "give fewer steps to warm up, or train longer",
        )
    if config.warmup + config.decay_steps > steps:
        raise ConfigError(
            f"`--warmup` and `--decay-steps` are {config.warmup} and {config.decay_steps}, and the "
            f"run has {counted(steps, 'step')}",
            "give fewer of them, or train longer",
        )
    return replace(config, steps=steps, epochs=None)


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
    yield from _shards(config) if config.shard else ()
    yield from _unused(config)
    yield from noise_options.faults(config)
    yield from watch_options.faults(config)
    yield from timestep_options.faults(config)
    if config.ema and config.optimizer in OPTIMIZERS and config.row().modes:
        told = f"`--ema` is given, and `{config.optimizer}` averages the weights by itself"
        yield told, "leave it out, or choose another `--optimizer`"
    if config.schedule in SCHEDULES:
        yield from faults(config.schedule_row(), config, config.learning_rate)
    try:
        rates_of(config.block_rates)
    except ValueError as piece:
        told = f"`--block-rates` has `{piece}`"
        yield told, "give each block once, with a number from 0 to 100: `IN04=0.5,OUT=0`"
    if config.optimizer in OPTIMIZERS and config.row().rate is Rate.ITS_OWN:
        yield from _rates_of_its_own(config)


def _unused(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what is given and would decide nothing beside what was chosen.

    `--cycles` is older than this rule: `idle_notes` tells it.
    """
    rows: list[tuple[str, str, str]] = []  # option, what does not use it, what does
    if config.loss in LOSSES:
        if not config.loss_row().wide:
            wide = "`--loss huber` or `smooth-l1`"
            rows += [(name, "loss", wide) for name in ("huber_schedule", "huber_c", "huber_scale")]
        elif config.huber_schedule == "snr":
            rows.append(("huber_scale", "huber_schedule", "`--huber-schedule constant`"))
    if config.schedule in SCHEDULES:
        reads = (*config.schedule_row().reads, "cycles")
        rows += [(name, "schedule", reading(name)) for name in READ if name not in reads]
    for name, chosen, instead in rows:
        if getattr(config, name) != getattr(Config, name):
            idle = f"`{flag(chosen)} {getattr(config, chosen)}` does not use it"
            yield f"`{flag(name)}` is given, and {idle}", f"leave it out, or give {instead}"


def _halves(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with weights in half precision."""
    if config.full_fp16 and config.full_bf16:
        yield "`--full-fp16` and `--full-bf16` are both given", "give one of them"
    elif config.full() and config.precision not in (AUTO, config.full()):
        told = f"`--full-{config.full()}` is given, and `--precision` is {config.precision}"
        yield told, f"give `--precision {config.full()}`, or leave it out"


# Option -> the one value that weights which are split over processes can learn with.
_OF_SHARDS = {"optimizer": "adamw", "text_encoder": False, "ema": 0.0, "compile": False}


def _shards(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what weights that are split over processes cannot learn with."""
    for name, value in _OF_SHARDS.items():
        given = getattr(config, name)
        if given != value:
            typed = flag(name) if given is True else f"{flag(name)} {given}"
            hint = f"give `{flag(name)} {value}`" if isinstance(value, str) else "leave one out"
            yield f"`--shard` and `{typed}` are given, and do not go together", hint
    if config.full() or config.precision == "fp16":
        yield "`--shard` is given with weights in half precision, or fp16", "train in fp32 or bf16"


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
