"""The ways from noise to a picture that a person can name: by kohya's and the WebUIs' names."""

import importlib.util
import inspect
import warnings
from difflib import get_close_matches
from typing import Any

from prep.runtime.errors import ConfigError, nearest
from train import spellings
from train.families.family import Family
from train.families.loading import quiet
from train.families.noise_process import Process
from train.sampler_rows import DDIM, KNOWN_SAMPLERS


def named(value: str, option: str) -> str:
    """Return the name of a way as we spell it, by any spelling of it, in quotes or not.

    Args:
        option: As it was typed, for the message: `--ss`, `--sampler`.

    Raises:
        ConfigError: There is none of this name.
    """
    bare = value.strip().strip("\"'")
    word = spellings.plain(bare)
    if found := KNOWN_SAMPLERS.get(word):
        return found
    if other := spellings.nearest("sampler", bare):
        hint = f"the nearest here is `{option} {other}`"
    elif near := get_close_matches(word, KNOWN_SAMPLERS, n=1):
        hint = f"did you mean `{KNOWN_SAMPLERS[near[0]]}`?"
    else:
        hint = nearest("", dict.fromkeys(KNOWN_SAMPLERS.values()))
    raise ConfigError(f"`{option} {value}` is not known", hint)


def label(name: str, family: Family) -> str:
    """Return AUTOMATIC1111's name of a way."""
    return family.process.own_label if name == DDIM else family.process.samplers[name].label


def check(name: str, steps: int, family: Family) -> None:
    """Raise ConfigError where a model of a family cannot be drawn with, so, in so many steps."""
    known = (DDIM, *family.process.samplers)
    if name not in known:
        raise ConfigError(
            f"`{name}` is no way to draw with a model of the kind `{family.name}`",
            f"known: {', '.join(known)}",
        )
    if name == DDIM:
        return
    row = family.process.samplers[name]
    if row.package and importlib.util.find_spec(row.package) is None:
        raise ConfigError(
            f"to draw by `{name}` needs `{row.package}`, which is not installed",
            f"`pip install {row.package}`, or name another way, as `euler`",
        )
    if steps > row.most_steps:
        raise ConfigError(
            f"`{name}` cannot draw in {steps} steps", f"give 1 to {row.most_steps} steps"
        )


def opened(name: str, family: Family, process: Process, device: str, steps: int) -> Any:
    """Return a scheduler of diffusers for a process, set to a number of steps.

    Args:
        name: One that `check` lets pass, but for `DDIM`.
        process: Of a base model of the family.
    """
    import diffusers

    row = family.process.samplers[name]
    kind: Any = getattr(diffusers, row.kind)
    taken = inspect.signature(kind.__init__).parameters
    facts = {word: fact for word, fact in process.scheduler_facts().items() if word in taken}
    with quiet(), warnings.catch_warnings():
        # Of NumPy and of diffusers about its own code: nobody here can act on them.
        warnings.simplefilter("ignore")
        made: Any = kind(**{**facts, **row.more})
        made.set_timesteps(steps, device=device)
    if hasattr(made, "set_begin_index"):
        made.set_begin_index(0)  # else it looks for the first time, which may be there twice
    return made
