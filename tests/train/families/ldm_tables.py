"""The modules of the published models by the names that their authors gave them, and key tables.

Written down from the published code and configs alone, none of it from this project's:
`ldm/modules/diffusionmodules/openaimodel.py` (UNetModel) with `v1-inference.yaml`,
`v2-inference.yaml` and `sd_xl_base.yaml`; transformers' CLIPTextModel; the rules by which
AUTOMATIC1111 (extensions-builtin/Lora/networks.py, `convert_diffusers_name_to_compvis`) and
ComfyUI (comfy/lora.py, `LORA_CLIP_MAP`, `model_lora_keys_unet`) look a key up.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

_ATTENTION = [f"attn{n}.{part}" for n in (1, 2) for part in ("to_q", "to_k", "to_v", "to_out.0")]
_CLIP = [f"self_attn.{part}_proj" for part in ("q", "k", "v", "out")] + ["mlp.fc1", "mlp.fc2"]
_SUFFIXES = {
    "conv1": "in_layers_2",
    "conv2": "out_layers_3",
    "time_emb_proj": "emb_layers_1",
    "conv_shortcut": "skip_connection",
}


class UNetModel(NamedTuple):
    """What the published config of a U-Net says.

    Attributes:
        depths: Blocks of a transformer on each level; 0: the level has none.
        mult: Width of each level over that of the first.
    """

    mult: tuple[int, ...]
    depths: tuple[int, ...]
    middle: int

    def modules(self, convolutions: bool) -> set[str]:
        """Return what gets an adapter: of the transformers, and with `convolutions` the rest."""
        return {name for name, kernel in self._all() if convolutions or not kernel}

    def _all(self) -> Iterator[tuple[str, bool]]:
        widths, at, last = [1], 1, len(self.mult) - 1
        wide = 1
        for level, mult in enumerate(self.mult):
            for _ in range(2):
                yield from _resnet(f"input_blocks.{at}.0", wide != mult)
                yield from _transformer(f"input_blocks.{at}.1", self.depths[level])
                wide, at = mult, at + 1
                widths.append(wide)
            if level != last:
                yield f"input_blocks.{at}.0.op", True
                at += 1
                widths.append(wide)
        for n in (0, 2):
            yield from _resnet(f"middle_block.{n}", False)
        yield from _transformer("middle_block.1", self.middle)
        at = 0
        for level in range(last, -1, -1):
            for n in range(3):
                yield from _resnet(f"output_blocks.{at}.0", True)  # what came over makes it wider
                yield from _transformer(f"output_blocks.{at}.1", self.depths[level])
                if level and n == 2:
                    yield f"output_blocks.{at}.{2 if self.depths[level] else 1}.conv", True
                at += 1


def _resnet(name: str, wider: bool) -> Iterator[tuple[str, bool]]:
    for part in ("in_layers.2", "emb_layers.1", "out_layers.3"):
        yield f"{name}.{part}", True
    if wider:
        yield f"{name}.skip_connection", True


def _transformer(name: str, depth: int) -> Iterator[tuple[str, bool]]:
    if depth:
        yield f"{name}.proj_in", False
        yield f"{name}.proj_out", False
    for block in range(depth):
        for part in (*_ATTENTION, "ff.net.0.proj", "ff.net.2"):
            yield f"{name}.transformer_blocks.{block}.{part}", False


SD = UNetModel((1, 2, 4, 4), (1, 1, 1, 0), 1)
XL = UNetModel((1, 2, 4), (0, 2, 10), 10)


def clip(layers: int) -> set[str]:
    """Return the matrices of a CLIP text encoder's layers, by transformers' names."""
    return {f"encoder.layers.{n}.{part}" for n in range(layers) for part in _CLIP}


def table(modules: set[str], before: str) -> dict[str, str]:
    """Return key -> module, as programs make it of the modules that they hold."""
    return {before + name.replace(".", "_"): name for name in modules}


def to_compvis(key: str) -> str:
    """Return what AUTOMATIC1111 makes of a key of Stable Diffusion 1.x or 2.x."""
    rules = (
        (r"lora_unet_down_blocks_(\d+)_attentions_(\d+)_(.+)", "input", "{}_1_{}", 1),
        (r"lora_unet_down_blocks_(\d+)_resnets_(\d+)_(.+)", "input", "{}_0_{}", 1),
        (r"lora_unet_up_blocks_(\d+)_attentions_(\d+)_(.+)", "output", "{}_1_{}", 0),
        (r"lora_unet_up_blocks_(\d+)_resnets_(\d+)_(.+)", "output", "{}_0_{}", 0),
    )
    for pattern, side, shape, first in rules:
        if found := re.fullmatch(pattern, key):
            level, n, rest = int(found[1]), int(found[2]), _SUFFIXES.get(found[3], found[3])
            return f"{side}_blocks_{shape.format(first + 3 * level + n, rest)}"
    if found := re.fullmatch(r"lora_unet_mid_block_attentions_0_(.+)", key):
        return f"middle_block_1_{found[1]}"
    if found := re.fullmatch(r"lora_unet_mid_block_resnets_(\d)_(.+)", key):
        return f"middle_block_{2 * int(found[1])}_{_SUFFIXES[found[2]]}"
    if found := re.fullmatch(r"lora_unet_down_blocks_(\d)_downsamplers_0_conv", key):
        return f"input_blocks_{3 + 3 * int(found[1])}_0_op"
    if found := re.fullmatch(r"lora_unet_up_blocks_(\d)_upsamplers_0_conv", key):
        level = int(found[1])
        return f"output_blocks_{2 + 3 * level}_{2 if level else 1}_conv"
    return key
