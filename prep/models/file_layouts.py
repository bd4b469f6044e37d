"""How each kind of base model lies in one file (LDM layout): marks, text encoders, settings.

Names and shapes, no weights. What such a file leaves out, the settings of its parts and the words
of its tokenizers, ships with the package (`prep/models/configs`).
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.abc import Traversable
from typing import TYPE_CHECKING, Any

from prep.models import ldm_names, open_clip_names

if TYPE_CHECKING:
    from torch import Tensor

VAE = "a VAE"
OTHER = "a file of weights of another kind"
_TEXT_MODEL = "text_model."


@dataclass(frozen=True)
class Layout:
    """One kind of base model in a single file.

    Attributes:
        name: Of its folder of settings in `configs`.
        told: What it is, in a person's words.
        ups: See `ldm_names.to_ldm`.
        encoders: Folder of a text encoder in diffusers -> what its tensors begin with.
        padding: Folder of a tokenizer -> its token of padding, where it is not CLIP's own.
        unused: Number of the layer of its text encoder that readers of single files ask for and
            never use: diffusers' model ends before it.
        telling: A tensor that tells by its spread what a model predicts; empty where all predict
            noise that do not say otherwise.
    """

    name: str
    told: str
    ups: tuple[bool, ...]
    encoders: Mapping[str, str]
    padding: Mapping[str, str]
    unused: int | None = None
    telling: str = ""

    def parts(self) -> tuple[str, ...]:
        """Return the folders of its parts in diffusers."""
        return ("unet", *self.encoders, "vae")

    def mark(self, part: str) -> str:
        """Return what the names of a part's tensors begin with."""
        return self.encoders.get(part) or ldm_names.PARTS[part]

    def is_open_clip(self, part: str) -> bool:
        """Return whether a part is a text encoder with open_clip's names."""
        return self.mark(part).endswith(".model.")

    def settings(self, part: str) -> dict[str, Any]:
        """Return the settings of a part at its real size, as they ship with the package."""
        place = shipped(self.name) / part
        name = "scheduler_config.json" if part == "scheduler" else "config.json"
        found: dict[str, Any] = json.loads((place / name).read_text(encoding="utf-8"))
        return found

    def to_file(self, part: str, tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return a part's tensors as a single file holds them.

        Args:
            tensors: By diffusers' or transformers' names.
        """
        before = self.mark(part)
        if self.is_open_clip(part):
            own = open_clip_names.to_open_clip(tensors) | self._unused(part, tensors)
            return {before + name: tensor for name, tensor in own.items()}
        if part in self.encoders:
            import torch

            plain = {name.removeprefix(_TEXT_MODEL): tensor for name, tensor in tensors.items()}
            # Older readers ask for them.
            plain["embeddings.position_ids"] = torch.arange(77)[None]
            return {f"{before}{_TEXT_MODEL}{name}": tensor for name, tensor in plain.items()}
        return {
            ldm_names.to_ldm(part, name, self.ups): (
                tensor[..., None, None] if ldm_names.is_flat(part, name) else tensor
            )
            for name, tensor in tensors.items()
        }

    def _unused(self, part: str, tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
        """Return what readers of open_clip's encoders ask for and never use.

        Source: kohya-ss/sd-scripts (commit 48d368fa), library/model_util.py, which fills it so.
        """
        import torch

        like = next(iter(tensors.values()))
        found = {"logit_scale": torch.ones((), dtype=like.dtype, device=like.device)}
        if self.unused is None:
            return found
        own = open_clip_names.to_open_clip(tensors)
        last, more = f".{self.unused - 1}.", f".{self.unused}."
        found |= {name.replace(last, more): one for name, one in own.items() if last in name}
        width = len(own["ln_final.weight"])
        return found | {"text_projection": torch.ones(width, width).to(like)}

    def shapes(self, part: str, found: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """Return the shapes of a part's tensors by diffusers' names; needs no torch.

        Args:
            found: Shapes of all tensors of a file.
        """
        before = self.mark(part)
        own = {
            name.removeprefix(before): shape
            for name, shape in found.items()
            if name.startswith(before) and self.is_used(part, name)
        }
        if self.is_open_clip(part):
            return open_clip_names.shapes_from_open_clip(own)
        if part in self.encoders:
            return {name.removeprefix(_TEXT_MODEL): shape for name, shape in own.items()}
        return {ldm_names.from_ldm(part, before + n, self.ups): s for n, s in own.items()}

    def is_used(self, part: str, name: str) -> bool:
        """Return whether diffusers' part has a tensor of a file; training code left others.

        Args:
            name: In the file.
        """
        own = name.removeprefix(self.mark(part))
        if part == "vae":
            return own.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv."))
        if self.unused is not None and part in self.encoders:
            return not own.startswith(("text_projection", f"transformer.resblocks.{self.unused}."))
        return not own.endswith("position_ids")


SD15 = Layout(
    "sd15",
    "a Stable Diffusion 1.x model",
    ldm_names.SD_UPS,
    {"text_encoder": "cond_stage_model.transformer."},
    {},
)
SD2 = Layout(
    "sd2",
    "a Stable Diffusion 2.x model",
    ldm_names.SD_UPS,
    {"text_encoder": "cond_stage_model.model."},
    {"tokenizer": "!"},
    unused=23,
    telling="model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias",
)
SDXL = Layout(
    "sdxl",
    "a Stable Diffusion XL model",
    ldm_names.XL_UPS,
    {
        "text_encoder": "conditioner.embedders.0.transformer.",
        "text_encoder_2": "conditioner.embedders.1.model.",
    },
    {"tokenizer_2": "!"},
)
LAYOUTS = (SD15, SD2, SDXL)


def layout_of(known: Collection[str]) -> Layout | None:
    """Return the layout of a whole base model with tensors of these names; None for another."""

    def has(before: str) -> bool:
        return any(name.startswith(before) for name in known)

    return next(
        (
            one
            for one in LAYOUTS
            if has(one.mark("unet")) and all(has(before) for before in one.encoders.values())
        ),
        None,
    )


def what(found: Collection[str]) -> str:
    """Return what a file with tensors of these names is, in a person's words."""

    def has(*before: str) -> bool:
        return any(name.startswith(before) for name in found)

    if any(".lora_" in name or ".lora_A" in name for name in found):
        return "a LoRA"
    if layout := layout_of(found):
        return layout.told
    if has(f"{ldm_names.PARTS['unet']}joint_blocks."):
        return "a Stable Diffusion 3 model"
    if has("conditioner.embedders.0.model."):
        return "a Stable Diffusion XL refiner"
    if has("encoder.down.0.", "first_stage_model.encoder.down.0."):
        return VAE
    return OTHER


def shipped(name: str) -> Traversable:
    """Return the folder of settings that ships for a kind of base model, `sd15` and others."""
    return resources.files("prep.models") / "configs" / name
