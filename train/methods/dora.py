"""DoRA: a LoRA whose weights keep a length of their own for each input, or each output.

Programs differ in which it is. The paper, AUTOMATIC1111 and ComfyUI have one for each input; peft
and LyCORIS 4 for each output, and there ComfyUI divides by the length that the base model's weight
has, not by that of the changed one. diffusers 0.42 leaves the lengths of such files out, with a
warning.

Source: Liu et al. 2024.
"""

from dataclasses import dataclass

from train.adapters import adapter_shapes
from train.methods.adapter_method import adapter_method
from train.methods.adapter_options import AdapterOptions
from train.option_fields import option

_INPUTS = "inputs"


@dataclass(frozen=True)
class DoraOptions(AdapterOptions):
    """What a person may choose of a DoRA."""

    magnitude: str = option(
        _INPUTS, "What has a length of its own: inputs (as ComfyUI and AUTOMATIC1111 read it) or "
        "outputs (as LyCORIS 4 reads it)", words=(_INPUTS, "outputs"),
    )  # fmt: skip

    def of_inputs(self) -> bool:
        """Return whether it is the inputs."""
        return self.magnitude == _INPUTS


METHOD = adapter_method(
    "dora",
    "a DoRA",
    DoraOptions,
    lambda own: lambda shape: adapter_shapes.dora(shape, own.size_for(shape).rank, own.of_inputs()),
    said=lambda own: {"algo": "locon", "dora_wd": "True", "wd_on_output": str(not own.of_inputs())},
)
