"""A hypernetwork's file: written by torch, and proved by reading it before it has its name."""

import io
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prep.runtime import files
from train.adapters import hypernetwork_file, hypernetwork_layers
from train.adapters.hypernetwork_layers import Structure
from train.export.lora_file import ProofError, proven
from train.export.rounding import rounded
from train.families.family import Base, Family

# The parts of a file that AUTOMATIC1111 lets be there (its modules/safe.py); newer versions of
# torch write others, and read files without them.
_PARTS = re.compile(r"[^/]+/(data/\d+|version|byteorder|\.data/serialization_id|data\.pkl)")
_WHEN = (1980, 1, 1, 0, 0, 0)


def write(
    path: Path, base: Base, how: tuple[Structure, str], precision: str, said: Mapping[str, str]
) -> None:
    """Publish the hypernetwork that a base model has learnt.

    Args:
        how: Its structure, and how its first weights were drawn, as the format says it.
        precision: Of the numbers: fp32, fp16 or bf16.
        said: What it says of itself.

    Raises:
        ProofError: It reads back as something else than what was trained.
        MachineError: The disk is full.
    """
    pairs = hypernetwork_layers.learning(base.network)
    tensors = {
        width: tuple(rounded(each, precision) for each in hypernetwork_file.named(pair))
        for width, pair in pairs.items()
    }
    data = _packed({**tensors, **_facts(*how, said), hypernetwork_file.SAID: dict(said)})

    def check(made: Path) -> None:
        found = hypernetwork_file.opened(made)
        if found.keys() != tensors.keys() or not all(
            _are_same(read, own)
            for width, pair in tensors.items()
            for read, own in zip(hypernetwork_file.named(found[width]), pair, strict=True)
        ):
            raise ProofError("the export reads back as other numbers", "check the disk, run again")

    proven(path, check, lambda place, proof: files.write(place, data, proof))


def _are_same(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> bool:
    return found.keys() == wanted.keys() and all(
        bool((found[name] == one).all()) for name, one in wanted.items()
    )


def _facts(structure: Structure, first: str, said: Mapping[str, str]) -> dict[str, Any]:
    """Return what stands beside the tensors, as the format has it."""
    return {
        "step": int(said.get("ss_steps", "0")),
        "name": said.get("ss_output_name", ""),
        "layer_structure": list(structure.layers),
        "activation_func": structure.activation,
        "is_layer_norm": structure.norm,
        "weight_initialization": first,
        "use_dropout": False,
        "dropout_structure": [0] * len(structure.layers),
        "activate_output": structure.last,
        "last_layer_dropout": False,
        "sd_checkpoint": said.get("ss_new_sd_model_hash", "")[:10] or None,
        "sd_checkpoint_name": said.get("ss_sd_model_name"),
        "optional_info": None,
    }


def _packed(found: Mapping[Any, Any]) -> bytes:
    """Return the bytes of a file: the same for the same numbers, with no clock in it."""
    import torch

    whole, kept = io.BytesIO(), io.BytesIO()
    torch.save(dict(found), whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(kept, "w") as target:
        for part in source.infolist():
            if _PARTS.fullmatch(part.filename):
                target.writestr(zipfile.ZipInfo(part.filename, _WHEN), source.read(part))
    return kept.getvalue()


def apply(path: Path, base: Base, family: Family) -> None:
    """Give the hypernetwork of a base model the numbers of a file."""
    found = hypernetwork_file.opened(path)
    for width, pair in hypernetwork_layers.learning(base.network).items():
        pair.load_state_dict(found[width].state_dict())
