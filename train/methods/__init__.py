"""The methods of training: every module of this folder that has a `METHOD`."""

import importlib
import pkgutil
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import partial
from typing import Any

from prep.runtime.errors import ConfigError
from train import spellings
from train.config import Config
from train.config_checks import checked
from train.methods.method import Method
from train.optimizers import Rate
from train.option_fields import flag

USUAL = "lora"  # where a person names none


def all_methods() -> dict[str, Method]:
    """Return the methods by name, the usual one first, then sorted."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    records = [module.METHOD for module in modules if hasattr(module, "METHOD")]
    return {one.name: one for one in sorted(records, key=lambda one: (one.name != USUAL, one.name))}


def method_named(name: str) -> Method:
    """Return a method by its name, or by what kohya's scripts call it.

    Raises:
        ConfigError: There is none.
    """
    known = all_methods()
    spelt = {word: one for one in known.values() for word in (one.name, *one.known_as)}
    found = spelt.get(spellings.ours("method", name, spelt))
    if found is None:
        other = spellings.nearest("method", name)
        near = f"the nearest here is `{other}`; " if other else ""
        raise ConfigError(f"`--method` is `{name}`", f"{near}known: {', '.join(known)}")
    return found


def config_of(method: str = USUAL, **given: Any) -> Config:
    """Return the settings of a training; what is not given has its default.

    Args:
        given: Options that all methods share, and those of the method.

    Raises:
        ConfigError: There is no such method, or a value is out of its limits.
    """
    record = method_named(method)
    own = {name: given.pop(name) for name in own_options(record) if name in given}
    config = Config(record.name, record.options(**own), **given)
    config = checked(config, partial(_faults, record))
    if config.learning_rate is not None or config.row().rate is Rate.ITS_OWN:
        return config
    usual = config.row().usual_rate
    return replace(config, learning_rate=record.usual_rate if usual is None else usual)


def _faults(method: Method, config: Config) -> Iterator[tuple[str, str]]:
    """Yield what a method makes wrong of settings that are good alone."""
    for name in ("text_encoder", "block_rates") if not method.of_parts else ():
        if getattr(config, name):
            told = (
                f"`{flag(name)}` is given, and `train {method.name}` trains no parts of the model"
            )
            yield told, "leave it out"
    if config.shard and not method.shards:
        told = f"`--shard` is given, and `train {method.name}` trains too few weights to split"
        yield told, "leave it out: it is for `train finetune`"
    yield from method.faults(config)


def own_options(method: Method) -> tuple[str, ...]:
    """Return the names of the options that only a method has, or that it has with others."""
    kind: Any = method.options
    return tuple(item.name for item in fields(kind))
