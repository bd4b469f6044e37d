"""What was put on a base model is taken off again: it is the one that was opened."""

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from train.families.family import Base


@contextmanager
def taken_off(base: Base) -> Iterator[None]:
    """Return a block after which a base model is what it was before; no weight is read again.

    Files of any kind can be put on within it. Layers that took the place of others, hooks, and
    readers of new words are gone afterwards; the weights themselves are never touched by those.
    """
    modules = [
        module
        for part in (base.network, *base.encoders.values(), *base.frozen.values())
        for module in part.modules()
    ]
    before = [(module, _parts(module)) for module in modules]
    readers = dict(base.tokenizers)
    try:
        yield
    finally:
        for module, parts in before:
            vars(module).clear()
            vars(module).update(parts)
        base.tokenizers.clear()
        base.tokenizers.update(readers)


def _parts(module: Any) -> dict[str, Any]:
    """Return what a module is made of: tables of its layers, weights and hooks are copied.

    A model's config, a dict of a class of its own, is not.
    """
    return {
        name: one.copy() if type(one) in (dict, OrderedDict) else one
        for name, one in vars(module).items()
    }
