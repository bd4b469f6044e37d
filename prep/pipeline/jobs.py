"""What a person asked for -> what the engine is to do: one job per folder."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.dataset import dataset_file
from prep.dataset.file_names import fault_of_head, head_of
from prep.engine.session import Job
from prep.pipeline.locations import check_folder, location_of, location_of_meta
from prep.pipeline.named_files import file_text, resolve
from prep.pipeline.pipeline import Pipeline
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
    check_folder(folder)
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
    check_folder(source)
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
    check_folder(pipeline.images)
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


def usual_values(pipeline: Pipeline, command: Command) -> dict[str, Any]:
    """Return the params that follow from the whole pipeline where a person gives none.

    Where `.txt` files hold sentences, sentences train; what trains holds for every command.
    """
    sentences = pipeline.sidecars.get(".txt") == "caption"
    if command.writes_meta():
        return {"text": "caption"} if sentences else {}
    return {"text": text_of(pipeline)} if "text" in command.params() else {}


def text_of(pipeline: Pipeline) -> str:
    """Return what trains of a pipeline's pictures: tags, caption or both."""
    for step in pipeline.steps:
        if step.command.writes_meta():
            return str(
                (usual_values(pipeline, step.command) | dict(step.values)).get("text", "tags")
            )
    return "tags"


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
    if pipeline is None:
        return values
    step = pipeline.step(command.name)
    return usual_values(pipeline, command) | dict(step.values if step else {}) | values


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
