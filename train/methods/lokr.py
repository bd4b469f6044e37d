"""LoKr: the Kronecker product of a small and a large matrix is added to a weight.

Source: Edalati et al. 2022 (KronA); LyCORIS.
"""

from dataclasses import dataclass

from train.adapters import adapter_shapes
from train.methods.adapter_method import adapter_method
from train.methods.adapter_options import AdapterOptions
from train.option_fields import option


@dataclass(frozen=True)
class LokrOptions(AdapterOptions):
    """What a person may choose of a LoKr.

    Attributes:
        factor: -1: sides as near to the square root as can be.
    """

    factor: int = option(
        -1, "Sides of the small matrix, at most; -1: as near to the square root as can be",
        least=-1, most=4096,
    )  # fmt: skip
    decompose_both: bool = option(
        False, "Let the small matrix be a product of rank `rank`, too, where it is large"
    )


METHOD = adapter_method(
    "lokr",
    "a LoKr",
    LokrOptions,
    lambda own: (
        lambda shape: adapter_shapes.lokr(
            shape, own.size_for(shape).rank, own.factor, own.decompose_both
        )
    ),
    said=lambda own: {
        "algo": "lokr",
        "factor": str(own.factor),
        **({"decompose_both": "True"} if own.decompose_both else {}),
    },
)
