"""One entry of pipelines.yaml: its folders, its steps, its training."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.engine.inventory.declarations import Declarations
from prep.pipeline.subcommands import Command
from prep.runtime.errors import ConfigError, no_such
from prep.runtime.yaml_nodes import Node
from prep.stages import all_stages


def usual_sidecars() -> Mapping[str, str]:
    """Return suffix -> field of the text files that stages declare."""
    return Declarations(all_stages()).sidecars


@dataclass(frozen=True)
class PipelineStep:
    """One step of a pipeline.

    Attributes:
        command: The subcommand it names.
        values: The params that the file gives, checked; paths resolved, files read.
        to: The folder that a fan-out writes.
        files: Param -> the file that it names.
    """

    command: Command
    values: Mapping[str, Any]
    to: Path | None = None
    files: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class ClassFolder:
    """A folder whose class pictures the base model draws, where it has fewer than it should.

    Attributes:
        name: As it stands in the file: below the folder of all pictures.
        options: Of `train class-pictures`.
        node: What stands in the file.
    """

    name: str
    folder: Path
    options: Mapping[str, Any]
    node: Node


@dataclass(frozen=True)
class Pipeline:
    """One entry of pipelines.yaml.

    Attributes:
        images: Folder that the first step reads.
        meta: The dataset file at the head of the chain.
        state: prep's folder for `images`; None for `.prep` inside.
        sidecars: Suffix of a text file beside a picture -> the field it holds.
        train: Options of the training step; None without one.
        also: Other pipelines whose pictures train along: they run before it.
        file: The file it stands in.
        section: The training step as it stands there.
        class_pictures: Folders that the base model fills before the first step.
    """

    name: str
    images: Path
    meta: Path
    steps: tuple[PipelineStep, ...] = ()
    state: Path | None = None
    sidecars: Mapping[str, str] = field(default_factory=usual_sidecars)
    train: Mapping[str, Any] | None = None
    also: "tuple[Pipeline, ...]" = ()
    file: str = field(default="", compare=False)
    section: Node | None = field(default=None, compare=False)
    class_pictures: tuple[ClassFolder, ...] = ()

    def parts(self) -> "tuple[Pipeline, ...]":
        """Return the pipelines whose pictures train along, and itself, in the order they run."""
        return (*self.also, self)

    def folders(self) -> list[Path]:
        """Return every folder that it reads or writes, in order."""
        return [self.images, *(step.to for step in self.steps if step.to)]

    def step(self, command: str) -> PipelineStep | None:
        """Return the step of a subcommand; None where it has none."""
        return next((step for step in self.steps if step.command.name == command), None)

    def option(self, key: str) -> Node:
        """Return an option of the training step as it stands in the file, else the whole step."""
        node = self.section or Node({}, 0)
        found: Node = node.value.get(key, node)
        return found


def choose(pipelines: Mapping[str, Pipeline], name: str | None) -> Pipeline:
    """Return the pipeline of that name, or the only one that is not a part of another."""
    parts = {part.name for one in pipelines.values() for part in one.also}
    whole = [one for one in pipelines.values() if one.name not in parts]
    if name is None and len(whole) == 1:
        return whole[0]
    if name is None:
        raise ConfigError(
            "the file has several pipelines", f"name one: {', '.join(sorted(pipelines))}"
        )
    if name not in pipelines:
        raise no_such("pipeline", name, pipelines)
    return pipelines[name]
