"""Alphas of a LoRA by diffusers' names: in the file's metadata, as peft's config.

Source: diffusers 0.42.1, loaders/lora_base.py, `LORA_ADAPTER_METADATA_KEY`; peft 0.21,
`LoraConfig.alpha_pattern`.
"""

import json
from collections.abc import Mapping
from typing import Any

ADAPTER = "lora_adapter_metadata"
_TEXT_MODEL = "text_model."


def alpha_of(config: Mapping[str, Any], module: str) -> float | None:
    """Return the alpha of a module; None where the config does not say it: it is the rank.

    Args:
        config: As `config_in` returns it.
        module: By diffusers' name behind its part's folder.
    """
    part, _, inner = module.partition(".")
    patterns = config.get(f"{part}.alpha_pattern", {})
    usual = config.get(f"{part}.lora_alpha")
    found = patterns.get(inner.removeprefix(_TEXT_MODEL), usual)
    return float(found) if isinstance(found, int | float) else None


def config_in(metadata: Mapping[str, str]) -> dict[str, Any]:
    """Return the config among a file's metadata, without marks of names; empty where none is."""
    try:
        found = json.loads(metadata.get(ADAPTER, "{}"))
    except ValueError:
        return {}
    if not isinstance(found, dict):
        return {}
    return {
        word: {n.lstrip("^").removeprefix(_TEXT_MODEL): one for n, one in value.items()}
        if word.endswith("_pattern") and isinstance(value, dict)
        else value
        for word, value in found.items()
    }
