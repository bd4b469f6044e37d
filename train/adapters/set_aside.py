"""An adapter that is put aside for a while: the base model answers as if it had none."""

from collections.abc import Iterator
from contextlib import contextmanager

from train.families.family import Base


@contextmanager
def set_aside(base: Base) -> Iterator[None]:
    """Return a block in which no adapter of peft acts in the network and the text encoders.

    Nothing is copied, and which weights learn is afterwards what it was.
    """
    from peft.tuners.tuners_utils import BaseTunerLayer

    layers = [
        layer
        for module in (base.network, *base.encoders.values())
        for layer in module.modules()
        if isinstance(layer, BaseTunerLayer)
    ]
    learned = [(weight, weight.requires_grad) for one in layers for weight in one.parameters()]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)
        for weight, learns in learned:
            weight.requires_grad_(learns)
