"""What a file that was made of others says of them: names, weights, recipes, certificates."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from train.adapters.lora_metadata import CERTIFICATE, CERTIFICATES, MADE_FROM
from train.families.family import Family

# What is true of the export of a run, and of nothing that was made of it and others.
OF_A_RUN = (CERTIFICATE, "ss_session_id", "ss_steps", "sshs_model_hash", "sshs_legacy_hash")
_MOST_TEXT = 16 << 20
# What a LoRA that was made of others has of the first of them.
_KEPT = ("ss_base_model_version", "ss_sd_model_name", "ss_v2", "ss_clip_skip", "prep_base_digest")
_TRIGGER = "modelspec.trigger_phrase"


def source(path: Path, metadata: Mapping[str, str], weight: float | None = None) -> dict[str, Any]:
    """Return the row of a source: its name, weight, and what it is known by."""
    row: dict[str, Any] = {"name": path.name}
    if weight is not None:
        row["weight"] = weight
    known = {"recipe": "ss_session_id", "hash": "sshs_model_hash"}
    return row | {word: metadata[key] for word, key in known.items() if metadata.get(key)}


def made(command: str, rows: Sequence[Mapping[str, Any]], **numbers: Any) -> dict[str, str]:
    """Return what says how something was made; numbers that are None are left out."""
    given = {word: one for word, one in numbers.items() if one is not None}
    return {
        MADE_FROM: json.dumps({"command": command, **given, "sources": list(rows)}, sort_keys=True)
    }


def certificates(each: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Return the certificates of several sources; nothing where there are none, or too much."""
    found = [one[CERTIFICATE] for one in each if one.get(CERTIFICATE)]
    text = json.dumps(found)
    return {CERTIFICATES: text} if found and len(text) <= _MOST_TEXT else {}


def of_new_lora(
    out: Path,
    family: Family,
    sources: Sequence[Mapping[str, str]],
    ranks: Mapping[str, int],
    alphas: Mapping[str, float],
) -> dict[str, str]:
    """Return what readers of a LoRA look for, for one that was made of others.

    Args:
        sources: The metadata of the others.
        ranks: Of its modules; so are `alphas`.
    """
    first = sources[0] if sources else {}
    found = {word: first[word] for word in _KEPT if first.get(word)}
    found.setdefault("ss_base_model_version", family.base_version)
    found |= sizes(ranks, alphas)
    words = [one[_TRIGGER] for one in sources if one.get(_TRIGGER)]
    if words:
        found[_TRIGGER] = ", ".join(dict.fromkeys(words))
    architecture = first.get("modelspec.architecture", f"{family.architecture}/lora")
    return found | {
        "ss_network_module": "networks.lora",
        "ss_output_name": out.stem,
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.architecture": architecture,
        "modelspec.title": out.stem,
    }


def sizes(ranks: Mapping[str, int], alphas: Mapping[str, float]) -> dict[str, str]:
    """Return rank and alpha as kohya's tools write them: `Dynamic` where modules have several."""
    found = {}
    for word, each in (("ss_network_dim", ranks), ("ss_network_alpha", alphas)):
        several = set(each.values())
        found[word] = f"{several.pop():g}" if len(several) == 1 else "Dynamic"
    return found
