"""All that a resumed run needs, whole or not at all.

A checkpoint is a folder `step-00000012` of safetensors and JSON files, and `manifest.json` with
the digest of each. It is written beside, flushed and renamed; older ones go only after that.
"""

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import safetensors_file
from prep.runtime import files
from prep.runtime.counts import counted
from prep.runtime.errors import MachineError, UserError
from prep.runtime.strict_json import strict_json

if TYPE_CHECKING:
    from torch import Tensor

# Raised where older checkpoints cannot be read any more.
FORMAT = 1
_MANIFEST = "manifest.json"
_BEFORE = "step-"


@dataclass(frozen=True)
class Checkpoint:
    """What was saved after a step.

    Attributes:
        step: Steps done.
        recipe: Of the run; see `train.run.decide`.
        weights: Value of each weight that learns.
        optimizer: Tensors of the optimizer.
        numbers: Plain numbers of the optimizer.
        machine: What may change the last bits: package versions, processes.
    """

    step: int
    recipe: str
    weights: "Mapping[str, Tensor]"
    optimizer: "Mapping[str, Tensor]"
    numbers: Mapping[str, Any]
    machine: Mapping[str, Any]


def write(folder: Path, made: Checkpoint, keep: int) -> Path:
    """Save a checkpoint, then remove all but the newest `keep`; return its folder.

    Raises:
        MachineError: The disk is full or cannot be written. Older checkpoints are untouched.
    """
    target = folder / f"{_BEFORE}{made.step:08d}"
    scratch = folder / f"{files.SCRATCH}{uuid.uuid4().hex}"
    with files.disk_errors(target):
        try:
            scratch.mkdir(parents=True)
            _fill(scratch, made)
            files.flush(scratch)
            if target.exists():  # a torn one: else the run would have gone on behind it
                _remove(target)
            scratch.replace(target)
            files.flush(folder)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    for _, old in steps(folder)[keep:]:
        _remove(old)
    return target


def steps(folder: Path) -> list[tuple[int, Path]]:
    """Return steps and folders of the checkpoints that are there, whole or not, newest first."""
    found = [(path.name.removeprefix(_BEFORE), path) for path in folder.glob(f"{_BEFORE}*")]
    return sorted(((int(name), path) for name, path in found if name.isdigit()), reverse=True)


def step_of(folder: Path) -> int:
    """Return the step that a checkpoint's folder is named by."""
    return int(folder.name.removeprefix(_BEFORE))


def newest(folder: Path, recipe: str) -> tuple[Checkpoint | None, list[str]]:
    """Return the newest checkpoint that is whole, and the names of newer ones that are not.

    Raises:
        MachineError: As `newest_place`.
    """
    path, torn = newest_place(folder, recipe)
    return (None if path is None else _read(path)), torn


def of_step(folder: Path, step: int, recipe: str) -> Checkpoint | None:
    """Return what a run saved after a step; None where it is not there any more, or not whole."""
    path = dict(steps(folder)).get(step)
    if path is None or not whole(path) or _state(path)["recipe"] != recipe:
        return None
    return _read(path)


def newest_place(folder: Path, recipe: str) -> tuple[Path | None, list[str]]:
    """Return the folder of the checkpoint that `newest` reads; no tensor is opened.

    Args:
        recipe: Of the run that wants to go on.

    Raises:
        MachineError: There are checkpoints, and none is whole, or the newest that is belongs to
            another run or was saved by another version of this program.
    """
    torn: list[str] = []
    found = steps(folder)
    for _, path in found:
        _check_format(path)
        if not whole(path):
            torn.append(path.name)
            continue
        if _state(path)["recipe"] != recipe:
            raise MachineError(
                f"`{path}` is a checkpoint of another run",
                "move it away, or choose another `--out`",
            )
        return path, torn
    if torn:
        raise MachineError(
            f"none of the {counted(len(torn), 'checkpoint')} in `{folder}` is whole",
            "delete that folder: the same command then begins again",
        )
    return None, torn


def _check_format(path: Path) -> None:
    """Raise MachineError for a checkpoint that says it has another format than ours."""
    try:
        found = json.loads((path / _MANIFEST).read_text(encoding="utf-8"))["format"]
    except (OSError, ValueError, LookupError, TypeError):
        return  # torn
    if isinstance(found, int) and found != FORMAT:
        raise MachineError(
            f"`{path}` was saved by another version of this program",
            "finish the run with that version, or begin another with `--name`",
        )


def whole(path: Path) -> bool:
    """Return whether every file of a checkpoint is the one that was written."""
    try:
        said = strict_json((path / _MANIFEST).read_text(encoding="utf-8"), _MANIFEST)
        return said["format"] == FORMAT and all(
            files.digest(files.inside(path, name)) == digest
            for name, digest in said["files"].items()
        )
    except (OSError, UserError, ValueError, LookupError, TypeError, AttributeError):
        return False


def sweep(folder: Path) -> None:
    """Remove what a killed run left half written."""
    for path in folder.glob(f"{files.SCRATCH}*"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _fill(scratch: Path, made: Checkpoint) -> None:
    digests: dict[str, str] = {}
    for name, tensors in (("weights", made.weights), ("optimizer", made.optimizer)):
        each = {word: safetensors_file.packed(tensor) for word, tensor in tensors.items()}
        file = f"{name}.safetensors"
        digests[file] = files.write_pieces(scratch / file, safetensors_file.pieces(each))
    state = {
        "step": made.step,
        "recipe": made.recipe,
        "numbers": made.numbers,
        "machine": made.machine,
    }
    digests["state.json"] = files.write_pieces(scratch / "state.json", _json(state))
    files.write_pieces(scratch / _MANIFEST, _json({"format": FORMAT, "files": digests}))


def _json(value: Any) -> Iterator[bytes]:
    yield (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _read(path: Path) -> Checkpoint:
    from safetensors.torch import load_file

    state = _state(path)
    return Checkpoint(
        step=state["step"],
        recipe=state["recipe"],
        weights=load_file(path / "weights.safetensors"),
        optimizer=load_file(path / "optimizer.safetensors"),
        numbers=state["numbers"],
        machine=state["machine"],
    )


def _state(path: Path) -> Any:
    return strict_json((path / "state.json").read_text(encoding="utf-8"), "state.json")


def _remove(path: Path) -> None:
    """Remove a checkpoint; killed in between, what is left does not look like a torn one."""
    gone = path.with_name(f"{files.SCRATCH}{uuid.uuid4().hex}")
    path.replace(gone)
    shutil.rmtree(gone, ignore_errors=True)
