"""What the metadata of a LoRA, or of a model, say of how it was made. Text only."""

import json
from collections.abc import Mapping
from typing import Any

from train.families.weighted_words import escaped

CERTIFICATE = "prep_certificate"


def certificate(said: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the certificate among a file's metadata; None where another program wrote them."""
    try:
        found = json.loads(said.get(CERTIFICATE, "null"))
    except ValueError:
        return None
    return found if isinstance(found, dict) and "samples" in found else None


def calling_words(said: Mapping[str, str]) -> str | None:
    """Return a prompt of the words that call a LoRA; None where its metadata name none.

    Brackets are letters in it, unless they weighed words in the texts that it was trained on.
    """
    words = said.get("modelspec.trigger_phrase")
    if not words:
        return None
    born = certificate(said) or {}
    return words if born.get("config", {}).get("weighted_words") else escaped(words)


def trained_size(said: Mapping[str, str]) -> tuple[int, int]:
    """Return (width, height) px as metadata say it; 512 where they say nothing usable."""
    width, _, height = said.get("modelspec.resolution", "").partition("x")
    sides = [int(side) for side in (width, height or width) if side.isascii() and side.isdigit()]
    good = len(sides) == 2 and all(8 <= side <= 8192 for side in sides)
    return (sides[0] // 8 * 8, sides[1] // 8 * 8) if good else (512, 512)
