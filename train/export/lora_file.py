"""A LoRA file that WebUIs, ComfyUI and diffusers load: their names, true strength, hashes.

Source: hashes of kohya-ss/sd-scripts (commit 48d368fa).
"""

import hashlib
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prep.models import safetensors_file
from prep.runtime import files
from prep.runtime.errors import MachineError
from train.adapters.lora_layers import Pair
from train.adapters.lora_metadata import said
from train.families.family import Family

if TYPE_CHECKING:
    from torch import Tensor


def named(
    pairs: Mapping[str, Pair], alpha_of: Callable[[str], float], family: Family
) -> "dict[str, Tensor]":
    """Return a LoRA file's tensors as its family names them, float32 on the CPU.

    Args:
        alpha_of: Module -> its alpha.
    """
    found: dict[str, Tensor] = {}
    for module, pair in pairs.items():
        down, up = _plain(pair.down), _plain(pair.up)
        word, scale = family.export_name(module), alpha_of(module) / down.shape[0]
        found |= family.lora_layout.tensors(word, down, up, scale)
    return found


class ProofError(MachineError):
    """An export that was read back is not what was trained."""


def write(
    path: Path,
    tensors: "Mapping[str, Tensor]",
    metadata: Mapping[str, str],
    applied: Callable[[Path], None] = lambda _: None,
) -> None:
    """Publish a LoRA file, after it was read back and found equal to `tensors`.

    Args:
        applied: Called with the file before it gets its name; what it raises keeps it from that.

    Raises:
        ProofError: It is not what was trained; see `proven`.
        MachineError: The disk is full.
    """
    packed = {name: safetensors_file.packed(tensor) for name, tensor in tensors.items()}

    def check(made: Path) -> None:
        check_same(made, tensors)
        applied(made)

    data = safetensors_file.dump(packed, dict(metadata) | hashes(packed, metadata), align=64)
    proven(path, check, lambda place, proof: files.write(place, data, proof))


Check = Callable[[Path], None]


def proven(path: Path, check: Check, publish: Callable[[Path, Check], None]) -> None:
    """Publish an export that passes its proof; keep one that does not under another name.

    Args:
        check: The proof: what it raises keeps the export from its name.
        publish: Writes the export to a place, and asks a proof before it gets that name.

    Raises:
        ProofError: It does not pass. It is kept, and named in the message.
    """
    kept = unproven(path)
    try:
        publish(path, check)
    except ProofError as error:
        publish(kept, lambda _: None)
        raise ProofError(
            f"{error}; it is kept as `{kept}`",
            "run the same command again: nothing is trained anew, and the export is tried again",
        ) from error
    if kept.is_file():
        kept.unlink()
    elif kept.is_dir():
        shutil.rmtree(kept)


def unproven(path: Path) -> Path:
    """Return the name of an export that did not pass its proof."""
    return path.with_name(f"{path.name.removesuffix(path.suffix)}-not-proven{path.suffix}")


def hashes(
    packed: Mapping[str, safetensors_file.Packed], metadata: Mapping[str, str]
) -> dict[str, str]:
    """Return the hashes that WebUIs know a LoRA by, whatever else its metadata say.

    The model's is the SHA-256 of all bytes behind the header; the legacy one is that of 64 KiB at
    1 MiB of the file with `ss_*` metadata only, shortened to 8 digits.
    """
    few = {word: value for word, value in metadata.items() if word.startswith("ss_")}
    data = safetensors_file.dump(packed, few, align=64)
    start = 8 + int.from_bytes(data[:8], "little")
    return {
        "sshs_model_hash": hashlib.sha256(memoryview(data)[start:]).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(data[1 << 20 : (1 << 20) + (64 << 10)]).hexdigest()[:8],
    }


def recipe_of(path: Path) -> str:
    """Return the digest of the recipe that made an export; reads its header only."""
    return said(path).get("ss_session_id", "")


def steps_of(path: Path) -> int:
    """Return after how many steps an export was made; reads its header only."""
    steps = said(path).get("ss_steps", "")
    return int(steps) if steps.isdigit() else 0


def check_same(path: Path, tensors: "Mapping[str, Tensor]") -> None:
    """Raise ProofError unless a file holds exactly these tensors, bit for bit."""
    import torch
    from safetensors.torch import load_file

    found = load_file(path)
    if set(found) != set(tensors) or not all(
        torch.equal(found[name], tensor) for name, tensor in tensors.items()
    ):
        raise ProofError("the export reads back as other numbers", "check the disk, run again")


def _plain(tensor: "Tensor") -> "Tensor":
    return tensor.detach().float().cpu().contiguous()
