"""What a person asked for -> what the engine is to do: one job per folder."""

import os
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.dataset import dataset_file
from prep.dataset.chain import fault_of_head, head_of
from prep.dataset.dataset_file import Dataset
from prep.engine.inventory.location import Location
from prep.engine.session import Job
from prep.engine.state.database import snapshot
from prep.images.formats import suffixes
from prep.pipeline.config import Pipeline, usual_sidecars
from prep.pipeline.named_files import file_text, resolve
from prep.pipeline.subcommands import Command, check
from prep.runtime.errors import DatasetError, UsageError
from prep.runtime.files import blocked
from prep.stage import RequestedStage, Shape


@dataclass(frozen=True)
class Given:
    """What one command line gave.

    Attributes:
        values: Params that were given as options.
        state: `--state`; None for the pipeline's, or `.prep` in the folder.
        out: `--out` of a command that begins a dataset file.
    """

    values: Mapping[str, Any]
    state: Path | None = None
    out: Path | None = None


def of_folder(command: Command, folder: Path, given: Given, pipeline: Pipeline | None) -> Job:
    """Return the job of a command on a folder of pictures."""
    _check_folder(folder)
    _check_out(given.out)
    asked = command.requests(_values(command, given, pipeline))
    location = location_of(folder, given.state, pipeline)
    meta = given.out or (pipeline.meta if pipeline else Path("meta.json"))
    return (
        Job(location, asked, meta) if command.writes_meta() else Job(location, asked, told_by=meta)
    )


def of_fan_out(
    command: Command, folders: tuple[Path, Path], given: Given, pipeline: Pipeline | None
) -> Job:
    """Return the job of a command that reads the first folder and writes the second."""
    source, out = folders
    _check_folder(source)
    if out.exists() and not out.is_dir():
        raise DatasetError(f"`{out}` is not a folder", "name a folder for the result")
    _check_apart(source, out, "name another folder for the result")
    asked = command.requests(_values(command, given, pipeline))
    location = location_of(out, given.state, pipeline)
    return Job(location, asked, source=location_of(source, None, pipeline))


def of_meta(command: Command, meta: Path, given: Given, pipeline: Pipeline | None) -> Job:
    """Return the job of a command that continues a dataset file."""
    head = head_of(meta)
    location = location_of_meta(meta, dataset_file.load(meta), given.state, pipeline)
    asked = command.requests(_values(command, given, pipeline))
    return Job(location, asked, head)


def of_pipeline(pipeline: Pipeline) -> list[Job]:
    """Return the jobs of a whole pipeline: a new one for every folder that is written."""
    _check_folder(pipeline.images)
    found: list[Job] = []
    location = location_of(pipeline.images, None, pipeline)
    asked: list[RequestedStage] = []
    for step in pipeline.steps:
        stages = step.command.requests(usual_values(pipeline, step.command) | dict(step.values))
        if step.to is None:
            asked += [one for one in stages if one.stage.name not in [a.stage.name for a in asked]]
            continue
        if asked:
            found.append(Job(location, _views_late(asked), pipeline.meta))
            asked = []
        _check_apart(
            location.root, step.to, f"write another folder after `to:` of `{step.command.name}`"
        )
        target = location_of(step.to, None, pipeline)
        found.append(Job(target, stages, source=location))
        location = target
    return [*found, Job(location, _views_late(asked), pipeline.meta)] if asked else found


def _views_late(asked: Sequence[RequestedStage]) -> tuple[RequestedStage, ...]:
    """Return the steps with each view after all that it shows: it is written once a run."""
    moved = list(asked)
    for one in asked:
        if one.stage.shape is Shape.VIEW:
            shows = {name for name, _ in one.stage.needs()}
            at = moved.index(one)
            moved.remove(one)
            last = max((n for n, a in enumerate(moved) if a.stage.writes in shows), default=-1)
            moved.insert(max(last + 1, at), one)
    return tuple(moved)


def folder_of_sheet(sheet: Path, state: Path | None) -> Path | None:
    """Return the folder of pictures that a sheet lies in; None for one that lies elsewhere.

    Where `--state` says that prep's folder is elsewhere, the pictures beside the sheet decide.
    """
    folder = sheet if sheet.is_dir() else sheet.absolute().parent
    if (folder / ".prep").is_dir():
        return folder
    around = folder.rglob("*") if state is not None else ()
    known = suffixes()
    return folder if any(path.suffix.lower() in known for path in around) else None


def known_location(folder: Path, state: Path | None, pipeline: Pipeline | None) -> Location:
    """Return where a dataset lies whose folder has to be there."""
    _check_folder(folder)
    return location_of(folder, state, pipeline)


def location_of(folder: Path, state: Path | None, pipeline: Pipeline | None) -> Location:
    """Return where a dataset lies; the state of a pipeline's first folder may be elsewhere."""
    if state is None and pipeline and pipeline.state and _same(folder, pipeline.images):
        state = pipeline.state
    where = state or folder / ".prep"
    _check_state(where, state is None)
    return Location(folder, where, pipeline.sidecars if pipeline else usual_sidecars())


def usual_values(pipeline: Pipeline, command: Command) -> dict[str, Any]:
    """Return the params that follow from the whole pipeline where a person gives none.

    Where `.txt` files hold sentences, sentences train.
    """
    sentences = pipeline.sidecars.get(".txt") == "caption"
    return {"text": "caption"} if sentences and command.writes_meta() else {}


def text_of(pipeline: Pipeline) -> str:
    """Return what trains of a pipeline's pictures: tags, caption or both."""
    for step in pipeline.steps:
        if step.command.writes_meta():
            return str(
                (usual_values(pipeline, step.command) | dict(step.values)).get("text", "tags")
            )
    return "tags"


def location_of_meta(
    meta: Path, found: Dataset, state: Path | None, pipeline: Pipeline | None
) -> Location:
    """Return where the dataset of a dataset file lies.

    Raises:
        DatasetError: There is no such folder; or only the file says that prep's folder is
            elsewhere, and that folder has no record of the file: it came with data.
    """
    root = Path(os.path.normpath(meta.parent / found.root))
    _check_folder(root)
    usual = location_of(root, state, pipeline)
    if state is not None or found.state is None:
        return usual
    said = Path(os.path.normpath(meta.parent / found.state))
    location = location_of(root, said, pipeline)
    if _same(said, usual.state) or _knows(location, meta):
        return location
    shown = os.path.relpath(said)
    raise DatasetError(
        f"`{meta}` says that prep keeps its state in `{shown}`, which has no record of this file",
        f"if that is right, say so: `--state {shlex.quote(shown)}`",
    )


def _knows(location: Location, meta: Path) -> bool:
    """Return whether the ledger of a place says that prep wrote a dataset file."""
    ledger = snapshot(location.state)
    try:
        return location.name(meta) in ledger.outputs()
    finally:
        ledger.close()


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    """Return what lies in a folder; nothing where it is not there or cannot be read."""
    with suppress(OSError), os.scandir(folder) as entries:
        return list(entries)
    return []


def _check_state(state: Path, usual: bool) -> None:
    """Refuse a state folder in which something would be written elsewhere, through a link or pipe.

    Args:
        state: The folder, there or not.
        usual: No person named it, so that it may have come with the pictures.
    """
    shown = os.path.relpath(state)
    if usual and state.is_symlink():
        to = os.path.relpath(state.parent / state.readlink())
        raise DatasetError(
            f"`{shown}` is a link, and prep would write where it leads",
            f"remove it, or name the folder: `--state {shlex.quote(to)}`",
        )
    for entry in _entries(state):
        plain = entry.is_file(follow_symlinks=False) or entry.is_dir(follow_symlinks=False)
        if not plain:
            what = "a link" if entry.is_symlink() else "a pipe, socket or device"
            raise DatasetError(
                f"`{shown}{os.sep}{entry.name}` is {what}, and prep would write to it",
                "remove it, then run the same command again",
            )


def _values(command: Command, given: Given, pipeline: Pipeline | None) -> dict[str, Any]:
    """Return the params that hold: option over pipelines.yaml over default."""
    here = Path.cwd()
    params = command.params()
    values: dict[str, Any] = {}
    for name, value in given.values.items():
        if params[name].metadata["path"]:
            values[name] = resolve(value, here)
        elif params[name].metadata["file"]:
            values[name] = file_text(value, here)
        else:
            values[name] = value
    check(command, values)
    steps = [s for s in pipeline.steps if s.command.name == command.name] if pipeline else []
    found = dict(steps[0].values if steps else {}) | values
    return usual_values(pipeline, command) | found if pipeline else found


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "is not there"
        raise DatasetError(
            f"the folder `{folder}` {what}", "name the folder that holds the pictures"
        )


def _check_out(out: Path | None) -> None:
    """Refuse names of which no dataset file can be made, and places where none can be."""
    fault = fault_of_head(out) if out is not None else ""
    if fault:
        raise UsageError(f"`--out` is `{out}`, which {fault}", "give a name like `meta.json`")
    if out is not None and not out.exists() and (error := blocked(out, "file: `--out FILE`")):
        raise error


def _check_apart(source: Path, out: Path, hint: str) -> None:
    """Refuse folders of which one holds the other: what is written would be read again."""
    read, written = source.resolve(), out.resolve()
    shown, other = os.path.relpath(source), os.path.relpath(out)
    if read == written:
        raise DatasetError(f"`{shown}` cannot be read and written at once", hint)
    if written.is_relative_to(read):
        raise DatasetError(f"`{other}` lies inside `{shown}`, which is read", hint)
    if read.is_relative_to(written):
        raise DatasetError(f"`{shown}` lies inside `{other}`, which is written", hint)


def _same(one: Path, other: Path) -> bool:
    return one.resolve() == other.resolve()
