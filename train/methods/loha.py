"""LoHa: the product, number by number, of two low-rank matrices is added to a weight.

Source: Hyeon-Woo et al. 2022 (FedPara), section 3; LyCORIS.
"""

from dataclasses import dataclass

from train.adapters import adapter_shapes
from train.methods.adapter_method import adapter_method
from train.methods.adapter_options import AdapterOptions
from train.option_fields import option


@dataclass(frozen=True)
class LohaOptions(AdapterOptions):
    """What a person may choose of a LoHa: a rank of r acts as one of r squared does in a LoRA."""

    rank: int = option(8, "Inner width of the adapter", least=1, most=1024)


METHOD = adapter_method(
    "loha",
    "a LoHa",
    LohaOptions,
    lambda own: lambda shape: adapter_shapes.loha(shape, own.size_for(shape).rank),
    said=lambda own: {"algo": "loha"},
)
