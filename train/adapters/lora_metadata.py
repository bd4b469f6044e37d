"""What a LoRA, or a fine-tuned model, says of how it was made and is to be drawn. Text only."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prep.models import safetensors_file
from prep.models.tokenizer import CHUNKS
from train.adapters import hypernetwork_file
from train.families.weighted_words import escaped

CERTIFICATE = "prep_certificate"
MADE_FROM = "prep_made_from"  # JSON of the command, its numbers, and a row for each source
CERTIFICATES = "prep_certificates"  # JSON list of what the sources were trained on
WEIGHTED = "prep_block_weights"  # the weights of blocks, as text
# Where the folder of a fine-tuned model says what it was made of.
BORN = "prep_certificate.json"


def said(path: Path) -> Mapping[str, str]:
    """Return what an export says of itself: a file in its header, a folder in a file of its own.

    A `.ckpt` says nothing.

    Raises:
        ModelFileError: It is a damaged safetensors file, or a damaged hypernetwork.
    """
    if hypernetwork_file.fits(path):
        return hypernetwork_file.said(path)
    if path.is_file():
        return {} if path.suffix.lower() == ".ckpt" else safetensors_file.header(path).metadata
    try:
        found = json.loads((path / BORN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def certificate(told: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the certificate among a file's metadata; None where another program wrote them."""
    try:
        found = json.loads(told.get(CERTIFICATE, "null"))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and _is_whole(found) else None


def _is_whole(found: Mapping[str, Any]) -> bool:
    """Return whether a certificate has what its readers ask for: settings, and every picture."""
    samples = found.get("samples")
    return (
        isinstance(found.get("config"), dict)
        and isinstance(samples, dict)
        and all(
            isinstance(row, dict)
            and isinstance(row.get("sha256"), str)
            and type(row.get("seen")) is int
            for row in samples.values()
        )
    )


def calling_words(told: Mapping[str, str]) -> str | None:
    """Return a prompt of the words that call a LoRA; None where its metadata name none.

    Brackets are letters in it, unless they weighed words in the texts that it was trained on.
    """
    words = told.get("modelspec.trigger_phrase")
    if not words:
        return None
    born = certificate(told) or {}
    return words if born.get("config", {}).get("weighted_words") else escaped(words)


def trained_tokens(told: Mapping[str, str]) -> int:
    """Return how many tokens of a text trained at most; 0 where the metadata do not say it.

    Source: kohya-ss/sd-scripts (commit 48d368fa) writes `None` for 75.
    """
    most = told.get("ss_max_token_length", "")
    if most == "None":
        return CHUNKS[0]
    return int(most) if most.isascii() and most.isdigit() else 0


def trained_size(told: Mapping[str, str]) -> tuple[int, int]:
    """Return (width, height) px of most samples; 0 where the metadata say nothing usable."""
    width, _, height = told.get("modelspec.resolution", "").partition("x")
    sides = [int(side) for side in (width, height or width) if side.isascii() and side.isdigit()]
    good = len(sides) == 2 and all(8 <= side <= 8192 for side in sides)
    return (sides[0] // 8 * 8, sides[1] // 8 * 8) if good else (0, 0)
