"""A small project on the disk, run in this process with a spy on every stage and model."""

import io
import json
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prep.commands import plan, run, why
from prep.engine.session import Context
from prep.models.locate import Models
from prep.pipeline import locations
from prep.pipeline.config import read_pipelines
from prep.pipeline.pipeline import Pipeline, choose
from prep.pipeline.subcommands import all_commands
from prep.runtime.console import Console
from prep.stage import Shape, Stage
from prep.stages import all_stages
from tinyworld.pictures import CORRUPT, PICTURES, encoded

STAGES = """\
pipelines:
  small:
    images: ./images
    meta: ./meta.json
    stages:
      - caption: {model: tiny, batch: 2}
      - tag: {model: tiny, batch: 2}
      - duplicates
      - edit: {rules: ./tags.rules, trigger: mascot}
      - bucket: {resolution: 128, step: 32}
      - latents: {model: tiny}
"""
FANNED = STAGES.replace("./images\n", "./raw\n").replace(
    "stages:\n",
    "stages:\n      - crop: {to: ./cut, aspect_ratio: 0.75, min_side: 64}\n"
    "      - augment: {to: ./images}\n",
)
RULES = "- drop: [no_humans]\n"
MODELS = ("caption", "score", "latents")
NAMES = ("beach 1.jpg", "cut out.png", "meadow 2.jpg", "phone photo.jpg", "snow 1.png")


def seen_files(folder: Path = Path()) -> dict[str, bytes]:
    """Return path -> bytes of every file of a folder that a person sees."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".prep" not in path.parts
    }


def drawing(name: str, seed: int = 0) -> bytes:
    """Return the bytes of one of the tiny world's pictures."""
    return encoded(next(picture for picture in PICTURES if picture.name == name), seed)


@dataclass
class Spies:
    """What was really called.

    Attributes:
        samples: Stage -> how many samples its function was given, padding left out.
        loads: Stage -> how often it opened its model.
    """

    samples: Counter[str] = field(default_factory=Counter)
    loads: Counter[str] = field(default_factory=Counter)

    def on(self, stages: Mapping[str, Stage]) -> dict[str, Stage]:
        """Return the same stages, each watched."""
        return {name: self._watched(stage) for name, stage in stages.items()}

    def models(self) -> dict[str, int]:
        """Return the samples that met a model."""
        return {name: self.samples[name] for name in MODELS if self.samples[name]}

    def maps(self) -> dict[str, int]:
        """Return the samples that met a map or a fan-out."""
        shapes = {name: stage.shape for name, stage in all_stages().items()}
        return {
            name: count
            for name, count in self.samples.items()
            if count and shapes[name] in (Shape.MAP, Shape.FAN_OUT)
        }

    def _watched(self, stage: Stage) -> Stage:
        def run(*args: Any) -> Any:
            # A batch is filled up with its last sample again: the same object, not an equal one.
            self.samples[stage.name] += len({id(one) for one in args[0]}) if stage.batch else 1
            return stage.run(*args)

        def load(*args: Any) -> Any:
            self.loads[stage.name] += 1
            return stage.load(*args) if stage.load else None

        return replace(stage, run=run, load=load if stage.load else None)


@dataclass
class Project:
    """A folder with pictures and a pipelines.yaml; the user's data folder is inside it as well.

    Attributes:
        code: Exit code of the last command.
        said: What the last command printed.
    """

    folder: Path
    code: int = 0
    said: str = ""

    def __post_init__(self) -> None:
        self.images = self.folder / "images"
        self.file = self.folder / "pipelines.yaml"
        self.home = self.folder / "home" / "prep-and-train"

    def copied(self, folder: Path) -> "Project":
        """Return a copy of the project, file times kept."""
        shutil.copytree(self.folder, folder)
        return Project(folder)

    def run(self, jobs: int = 1, accept_missing: bool = False) -> Spies:
        """Run the pipeline; return what was called."""
        spies, out = Spies(), io.StringIO()
        stages = spies.on(all_stages())
        console = Console(out=out, err=out)
        context = Context(stages, Models(self.home), console, jobs, accept_missing)
        self.code = run.run_pipeline(self._pipeline(stages), context, ())
        self.said = out.getvalue()
        return spies

    def plan(self) -> dict[str, dict[str, Any]]:
        """Return stage -> what `prep plan --json` says of it."""
        out = io.StringIO()
        context = Context(all_stages(), Models(self.home), Console(json=True, out=out, err=out))
        plan.plan_pipeline(self._pipeline(all_stages()), context)
        rows = [json.loads(line) for line in out.getvalue().splitlines()]
        return {row["stage"]: row for row in rows if "stage" in row}

    def why(self, key: str, *, inner: bool = False) -> str:
        """Return what `prep why` says of a picture; `inner`: with `-v`."""
        out = io.StringIO()
        console = Console(level=2 if inner else 1, out=out, err=out)
        context = Context(all_stages(), Models(self.home), console)
        pipeline = self._pipeline(all_stages())
        place = locations.location_of(pipeline.folders()[-1], None, pipeline)
        why.tell_why(key, place, context, pipeline)
        return out.getvalue()

    def _pipeline(self, stages: Mapping[str, Stage]) -> Pipeline:
        return choose(read_pipelines(self.file, all_commands(stages.values())), None)

    def replace(self, old: str, new: str, file: str = "pipelines.yaml") -> None:
        """Edit a text file of the project."""
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def results(self) -> dict[str, bytes]:
        """Return path -> bytes of every file outside `.prep`, and of the latents that are used."""
        found = {
            path.relative_to(self.folder).as_posix(): path.read_bytes()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file() and not {".prep", "home"} & set(path.parts)
        }
        meta = json.loads(found["meta_lat.json"])
        state = self.folder / meta["state"]
        latents = {row["latents"] for row in meta["samples"].values()}
        return found | {name: (state / name).read_bytes() for name in latents}


def new_project(folder: Path, pipelines: str = STAGES, names: tuple[str, ...] = NAMES) -> Project:
    """Write pictures and a pipelines.yaml; the first stage has not run."""
    project = Project(folder)
    pictures = folder / ("raw" if "./raw" in pipelines else "images")
    pictures.mkdir(parents=True)
    for seed, name in enumerate(names):
        (pictures / name).write_bytes(drawing(name, seed))
    project.file.write_text(pipelines)
    (folder / "tags.rules").write_text(RULES)
    return project


__all__ = [
    "CORRUPT",
    "FANNED",
    "NAMES",
    "STAGES",
    "Project",
    "Spies",
    "drawing",
    "new_project",
    "seen_files",
]
