"""Which family of base models a LoRA is for: by its names, its metadata, its widths."""

import re
from collections.abc import Mapping
from pathlib import Path

from prep.runtime.errors import ModelFileError, no_such
from train.families import all_families
from train.families.family import Family

# What `ss_base_model_version` begins with. Source: kohya-ss/sd-scripts (commit 48d368fa).
_VERSIONS = {"sd_v1": "sd15", "sd_v2": "sd2", "sdxl_": "sdxl", "sd3": "sd35"}
# What `modelspec.architecture` begins with. Source: Stability-AI/ModelSpec.
_ARCHITECTURES = {
    "stable-diffusion-v1": "sd15", "stable-diffusion-v2": "sd2", "stable-diffusion-xl": "sdxl",
    "stable-diffusion-v3": "sd35", "stable-diffusion-3": "sd35",
}  # fmt: skip
# What only names of one family have.
_NAMES = {
    "sd35": re.compile(r"^(transformer\.|lora_transformer_)|joint_blocks"),
    "sdxl": re.compile(
        r"^(lora_te2_|text_encoder_2\.|text_encoders\.clip_g|lora_unet_(in|out)put_blocks_)"
        r"|[._]transformer_blocks[._][1-9]|^lora_unet_middle_block"
    ),
    "sd2": re.compile(r"^text_encoders\.clip_h"),
}
_FOREIGN = re.compile(r"(double|single)_blocks|single_transformer_blocks|lora_te3?_layers_")
# How wide the texts' states are that a network reads.
_WIDTHS = {768: "sd15", 1024: "sd2", 2048: "sdxl"}
_READS = re.compile(r"attn2[._]to_[kv]\.(lora_down|lora_A|lora\.down)")


def family_of(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    metadata: Mapping[str, str],
    wish: str | None = None,
) -> Family:
    """Return the family of a LoRA.

    Args:
        shapes: Of its tensors.
        wish: As a person names it.

    Raises:
        ConfigError: No family is named so.
        ModelFileError: It is of another family than these, or nothing tells its family.
    """
    families = all_families()
    if wish is not None:
        if wish not in families:
            raise no_such("family", wish, families)
        return families[wish]
    if any(_FOREIGN.search(name) for name in shapes):
        raise ModelFileError(
            f"`{path}` is a LoRA for a model of a kind that is not known here",
            f"known: {', '.join(families)}",
        )
    found = _by_names(shapes) or _by_metadata(metadata) or _by_widths(shapes)
    if found is None:
        raise ModelFileError(
            f"`{path}` does not say for which family of base models it is",
            f"say it: `--family`, one of {', '.join(families)}",
        )
    return families[found]


def _by_names(names: Mapping[str, object]) -> str | None:
    return next((family for family, known in _NAMES.items() if any(map(known.search, names))), None)


def _by_metadata(metadata: Mapping[str, str]) -> str | None:
    for word, known in (
        ("ss_base_model_version", _VERSIONS),
        ("modelspec.architecture", _ARCHITECTURES),
    ):
        said = metadata.get(word, "").lower()
        for before, family in known.items():
            if said.startswith(before):
                return family
    return None


def _by_widths(shapes: Mapping[str, tuple[int, ...]]) -> str | None:
    wide = {shape[1] for name, shape in shapes.items() if _READS.search(name) and len(shape) > 1}
    found = {_WIDTHS[width] for width in wide if width in _WIDTHS}
    return found.pop() if len(found) == 1 else None
