"""The matrices of the published Stable Diffusion 3.5 medium by the names that diffusers gave them.

Written down from ComfyUI alone (comfy/utils.py, `MMDIT_MAP_BLOCK` and `mmdit_to_diffusers`;
comfy/lora.py, `model_lora_keys_unet` and `model_lora_keys_clip`), whose tables say which key of a
LoRA in diffusers' layout is which weight; and `mmditx.py` of the published code for the blocks.
"""

from typing import NamedTuple

_PICTURE = [f"attn.{part}" for part in ("to_q", "to_k", "to_v", "to_out.0")]
_SECOND = [f"attn2.{part}" for part in ("to_q", "to_k", "to_v", "to_out.0")]
_TEXT = [f"attn.{part}" for part in ("add_q_proj", "add_k_proj", "add_v_proj", "to_add_out")]
_NETS = ("net.0.proj", "net.2")


class MMDiTX(NamedTuple):
    """What the published config of the transformer says.

    Attributes:
        depth: Number of blocks; the last one answers for the picture alone.
        doubled: How many of them, from the first on, have a second attention of the picture.
    """

    depth: int
    doubled: int

    def modules(self, convolutions: bool) -> set[str]:
        """Return what gets an adapter; there are no convolutions among it."""
        return {f"{n}.{part}" for n in range(self.depth) for part in self._block(n)}

    def _block(self, number: int) -> list[str]:
        last = number == self.depth - 1
        text = _TEXT[:-1] if last else [*_TEXT, *(f"ff_context.{part}" for part in _NETS)]
        second = _SECOND if number < self.doubled else []
        return [*_PICTURE, *second, *text, *(f"ff.{part}" for part in _NETS)]


MEDIUM = MMDiTX(depth=24, doubled=13)
