"""How a LoRA file names the weights of a module, and says how strongly they act."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class LoraLayout:
    """Endings of the names of a module's tensors.

    Attributes:
        down: Of the down weight, shape (rank, in).
        up: Of the up weight, shape (out, rank).
        alpha: Of the scale times rank; a file without it has a scale of 1.
        scaled: Whether readers ask for a scale of 1: the up weight is multiplied by the scale that
            was trained with, and there is no alpha. To the bit that is what was trained where the
            scale is a power of two, as 1 and 1/16 are.
    """

    down: str
    up: str
    alpha: str = ".alpha"
    scaled: bool = False

    def endings(self) -> tuple[str, str, str]:
        """Return all three."""
        return self.down, self.up, self.alpha

    def tensors(self, word: str, down: "Tensor", up: "Tensor", scale: float) -> "dict[str, Tensor]":
        """Return a module's tensors by name.

        Args:
            word: The module's name in the file.
            scale: up @ down times this is added to the module's own weight.
        """
        import torch

        if self.scaled:
            return {word + self.down: down, word + self.up: up * scale}
        alpha = torch.tensor(scale * down.shape[0], dtype=torch.float32)
        return {word + self.down: down, word + self.up: up, word + self.alpha: alpha}

    def read(self, word: str, tensors: "Mapping[str, Tensor]") -> "tuple[Tensor, Tensor, float]":
        """Return a module's down and up weight and its scale.

        Raises:
            KeyError: One of the two weights is not there.
        """
        down, up = tensors[word + self.down], tensors[word + self.up]
        alpha = tensors.get(word + self.alpha)
        known = alpha is not None and alpha.numel() == 1
        return down, up, alpha.item() / down.shape[0] if known else 1.0  # type: ignore[union-attr]


# Source: kohya-ss/sd-scripts (commit 48d368fa), networks/lora.py.
KOHYA = LoraLayout(".lora_down.weight", ".lora_up.weight")
# Source: diffusers 0.42.1, loaders/lora_pipeline.py, SD3LoraLoaderMixin, which knows no other names
# and no alpha; ComfyUI, comfy/lora.py, `model_lora_keys_unet` and `model_lora_keys_clip`.
DIFFUSERS = LoraLayout(".lora_A.weight", ".lora_B.weight", scaled=True)


def layout_of(names: Iterable[str]) -> LoraLayout:
    """Return the layout of a file by the names of its tensors; kohya's where it is not known."""
    found = any(n.startswith("transformer.") and n.endswith(DIFFUSERS.down) for n in names)
    return DIFFUSERS if found else KOHYA
