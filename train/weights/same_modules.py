"""Modules that are one and the same under the names of two programs."""

import re
from collections.abc import Iterable

# What names of modules begin with -> the part; the first that fits counts.
_PARTS = (
    (re.compile(r"^(?:lora_te|text_encoder_?|base_model_model_text_encoder_?)2_"), "te2_"),
    (re.compile(r"^(?:lora_te1?|text_encoder|base_model_model_text_encoder)_"), "te1_"),
    (re.compile(r"^(?:lora_unet|lycoris|base_model_model|diffusion_model|unet)_"), ""),
)
_ATTENTION = re.compile(r"^(down|up)_blocks_(\d+)_attentions_(\d+)_")
_MIDDLE = re.compile(r"^mid_block_attentions_0_")


def twice(words: Iterable[str]) -> list[str]:
    """Return the modules that others of a file are already, sorted; of each the first one stays."""
    seen: set[str] = set()
    found = []
    for word in sorted(words, key=lambda one: (not one.startswith("lora_"), one)):
        name = place_of(word)
        if name in seen:
            found.append(word)
        seen.add(name)
    return sorted(found)


def place_of(word: str) -> str:
    """Return a name that a module has under the names of all programs.

    Attentions of a U-Net, as single files number them, and text encoders; others keep their own.
    """
    plain = word.replace(".", "_")
    for pattern, part in _PARTS:
        plain, changed = pattern.subn(part, plain)
        if changed:
            break
    plain = _MIDDLE.sub("middle_block_1_", plain).replace("te1_text_model_", "te1_")
    return _ATTENTION.sub(_numbered, plain).replace("te2_text_model_", "te2_")


def _numbered(found: re.Match[str]) -> str:
    """Return an attention's place as single files have it: see `ldm_names`."""
    way, level, number = found[1], int(found[2]), int(found[3])
    if way == "down":
        return f"input_blocks_{3 * level + number + 1}_1_"
    return f"output_blocks_{3 * level + number}_1_"
