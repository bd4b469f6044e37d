"""What a file says of itself without a person's words: no caption, path or name, digests only."""

import json
from collections.abc import Mapping
from typing import Any

from prep.runtime import files
from train.adapters.lora_metadata import CERTIFICATE

# Fields whose text is of a program, and none of a person.
_PROGRAMS = frozenset({
    "ss_base_model_version", "ss_network_module", "ss_optimizer", "ss_lr_scheduler",
    "ss_mixed_precision", "ss_loss_type", "ss_resolution", "ss_huber_schedule",
    "modelspec.architecture", "modelspec.implementation", "modelspec.implementation_version",
    "modelspec.prediction_type", "modelspec.resolution", "modelspec.sai_model_spec",
    "prep_version", "prep_base_digest", "sshs_model_hash", "sshs_legacy_hash", "ss_session_id",
    "ss_sd_model_hash", "ss_new_sd_model_hash", "ss_vae_hash", "ss_new_vae_hash",
})  # fmt: skip
_SETTINGS = frozenset(
    {"method", "optimizer", "schedule", "precision", "loss", "timesteps", "targets"}
)


def digest(text: str) -> str:
    """Return what stands in the place of a person's words: who has them finds them by it."""
    return f"sha256 {files.digest_bytes(text.encode(errors='surrogatepass'))[:12]}"


def hidden(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return metadata with digests in the place of all that a person may have written.

    Numbers, switches and what programs write stay; the certificate is left out.
    """
    return {
        word: value if word in _PROGRAMS or _is_plain(value) else digest(value)
        for word, value in metadata.items()
        if word != CERTIFICATE
    }


def hidden_certificate(born: Mapping[str, Any]) -> dict[str, Any]:
    """Return a certificate of digests and numbers: pictures by the digests of their files alone."""
    settings = {
        word: value if word in _SETTINGS or not isinstance(value, str) else digest(value)
        for word, value in born["config"].items()
        if not isinstance(value, list | dict)
    }
    kept = {word: born.get(word) for word in ("base_digest", "recipe", "program", "held_out")}
    rows = [
        {word: row[word] for word in ("sha256", "seen", "mask") if word in row}
        for row in born["samples"].values()
    ]
    return {**kept, "config": settings, "samples": rows}


def _is_plain(value: str) -> bool:
    """Return whether a text is a number, a switch or nothing."""
    try:
        return isinstance(json.loads(value.lower()), int | float | None)
    except ValueError:
        return value in ("", "None")
