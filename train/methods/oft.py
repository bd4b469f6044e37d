"""OFT: the outputs of a weight are turned, block by block, and nothing else is changed.

Source: Qiu et al. 2023; LyCORIS, `diag-oft`.
"""

from dataclasses import dataclass
from functools import partial

from train.adapters import adapter_shapes
from train.methods.adapter_method import adapter_method
from train.methods.adapter_options import TargetOptions
from train.option_fields import option


@dataclass(frozen=True)
class OftOptions(TargetOptions):
    """What a person may choose of an OFT."""

    block_size: int = option(
        8, "How many outputs turn together, at most: the largest that divides them", least=2,
        most=1024,
    )  # fmt: skip


METHOD = adapter_method(
    "oft",
    "an OFT",
    OftOptions,
    lambda own: partial(adapter_shapes.oft, width=own.block_size),
    said=lambda own: {"algo": "diag-oft"},
    width=lambda own: own.block_size,
)
