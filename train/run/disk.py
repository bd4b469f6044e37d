"""What a run takes of the disk, and whether it is there. Headers only, no weight is read."""

import tempfile
from pathlib import Path

from prep.models import safetensors_file
from prep.runtime.errors import MachineError
from prep.runtime.files import blocked, free_bytes, nearest_there
from train.export.rounding import BYTES
from train.families.family import Family
from train.families.folder_weights import spans
from train.run.decide import Run

MB = 1_000_000


def disk(run: Run) -> dict[str, int]:
    """Return the bytes of an export, of a checkpoint, and of all that a run keeps at once.

    Nothing where the shapes of the base model's weights cannot be read without opening it.
    """
    shapes = _shapes(run.found.path, run.family)
    if not shapes:
        return {}
    learn, written = run.method.sizes(run.config, run.family, shapes)
    every = run.config.save_every_steps or (run.config.save_every_epochs or 0) * run.per_epoch
    exports = 1 + (run.steps // every if every else 0)
    kept = run.config.keep + 1  # an old one goes only when the new one is whole
    export_bytes = BYTES[run.config.save_precision] * written
    each = BYTES[run.config.full() or "fp32"]
    averaged = BYTES["fp32"] * learn if run.config.ema else 0
    whole = round(each * learn * (1 + run.config.row().kept)) + averaged
    most = exports * export_bytes + kept * whole
    return {"export": export_bytes, "checkpoint": whole, "most": most}


def _shapes(place: Path, family: Family) -> dict[str, dict[str, tuple[int, ...]]]:
    """Return the shapes of network, text encoders and VAE by diffusers' names; headers only."""
    if place.is_dir():
        frozen = (part for part in family.frozen if (place / part).is_dir())
        parts = (family.network, *family.encoders, *frozen, "vae")
        found = {part: spans(place / part) for part in parts}
        return {part: {n: at.shape for n, (at, _) in one.items()} for part, one in found.items()}
    if place.suffix.lower() != ".safetensors" or family.layout is None:
        return {}
    tensors = safetensors_file.header(place).tensors
    whole = {name: at.shape for name, at in tensors.items()}
    return {part: family.layout.shapes(part, whole) for part in family.layout.parts()}


def check_room(run: Run) -> None:
    """Raise MachineError where a run would fill the disk before it ends."""
    sizes = disk(run)
    need = sizes.get("most", 0) - _kept(run.folder)
    left = free_bytes(run.folder)
    if need > left:
        raise MachineError(
            f"the run needs {need / MB:.1f} MB on the disk of `{run.folder}`, and "
            f"{left / MB:.1f} MB are free",
            "free some space, keep fewer exports and checkpoints, or name another disk: "
            "`--out FOLDER`",
        )


def check_writable(folder: Path) -> None:
    """Raise MachineError where a run folder, there or not yet, could not be written.

    A file without a name is made and gone again: permissions alone do not tell it for every user
    and every file system.
    """
    if (found := blocked(folder, "folder: `--out FOLDER`")) is not None:
        raise found
    there = nearest_there(folder)
    try:
        with tempfile.TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise MachineError(
            f"`{there}` cannot be written: {error.strerror or error}",
            "make it writable, or name another folder: `--out FOLDER`",
        ) from None


def _kept(folder: Path) -> int:
    """Return the bytes that a run folder has already."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
