"""pipelines.yaml -> pipelines. All mistakes of the file at once, with line and nearest name."""

import os
from collections.abc import Mapping
from dataclasses import Field, dataclass, field
from pathlib import Path
from typing import Any

from prep.dataset.chain import fault_of_head
from prep.engine.inventory.declarations import Declarations
from prep.pipeline import subcommands
from prep.pipeline.named_files import file_text, path_of, resolve, text_of
from prep.pipeline.subcommands import Command
from prep.runtime import yaml_nodes
from prep.runtime.errors import ConfigError, UserError, nearest, no_such
from prep.runtime.yaml_nodes import Node, as_yaml
from prep.stages import all_stages

_KEYS = ("images", "meta", "state", "sidecars", "stages", "train")

_Mistakes = list[tuple[int, str, str | None]]


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
class Pipeline:
    """One entry of pipelines.yaml.

    Attributes:
        images: Folder that the first step reads.
        meta: The dataset file at the head of the chain.
        state: prep's folder for `images`; None for `.prep` inside.
        sidecars: Suffix of a text file beside a picture -> the field it holds.
        train: Options of the training step; None without one.
        file: The file it stands in; of each option of the training step, `lines` has the line and
            `typed` the text.
    """

    name: str
    images: Path
    meta: Path
    steps: tuple[PipelineStep, ...] = ()
    state: Path | None = None
    sidecars: Mapping[str, str] = field(default_factory=usual_sidecars)
    train: Mapping[str, Any] | None = None
    file: str = field(default="", compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)
    typed: Mapping[str, str] = field(default_factory=dict, compare=False)

    def folders(self) -> list[Path]:
        """Return every folder that it reads or writes, in order."""
        return [self.images, *(step.to for step in self.steps if step.to)]


def read_pipelines(path: Path, known: Mapping[str, Command]) -> dict[str, Pipeline]:
    """Return the pipelines of a file by name.

    Raises:
        ConfigError: There is no such file, or it has mistakes: all of them are told.
    """
    shown = os.path.relpath(path)
    text = text_of(path, shown, "write one with `prep init FOLDER`, or name it: `--pipelines FILE`")
    top = yaml_nodes.read(text, shown)
    reader = _Reader(path.absolute().parent, known, shown)
    found = reader.file(top)
    if reader.wrong:
        told = [
            (f"`{shown}` line {line}: {what}", hint) for line, what, hint in sorted(reader.wrong)
        ]
        raise ConfigError(*told[0], others=told[1:])
    return found


def choose(pipelines: Mapping[str, Pipeline], name: str | None) -> Pipeline:
    """Return the pipeline of that name, or the only one."""
    if name is None and len(pipelines) == 1:
        return next(iter(pipelines.values()))
    if name is None:
        raise ConfigError(
            "the file has several pipelines", f"name one: {', '.join(sorted(pipelines))}"
        )
    if name not in pipelines:
        raise no_such("pipeline", name, pipelines)
    return pipelines[name]


class _Reader:
    """Collects the mistakes of one file while it is read."""

    def __init__(self, folder: Path, known: Mapping[str, Command], name: str) -> None:
        self.folder, self.known, self.name = folder, known, name
        self.wrong: _Mistakes = []

    def file(self, top: Node) -> dict[str, Pipeline]:
        self._only(top, ("pipelines",), "the file")
        entries = top.value.get("pipelines")
        if entries is None or not isinstance(entries.value, dict) or not entries.value:
            self.wrong.append((top.line, "it names no pipelines", "begin with `pipelines:`"))
            return {}
        return {name: self.pipeline(name, node) for name, node in entries.value.items()}

    def pipeline(self, name: str, node: Node) -> Pipeline:
        if not isinstance(node.value, dict):
            self.wrong.append((node.line, f"pipeline `{name}` is empty", "give it `images:`"))
            return Pipeline(name, self.folder, self.folder / "meta.json")
        self._only(node, _KEYS, f"pipeline `{name}`")
        keys: dict[str, Node] = node.value
        if "images" not in keys:
            self.wrong.append(
                (node.line, f"pipeline `{name}` names no folder", "add `images: ./images`")
            )
        sidecars = self._text(keys["sidecars"], "sidecars") if "sidecars" in keys else "tags"
        choices = {"tags": usual_sidecars(), "caption": {".txt": "caption"}}
        if sidecars not in choices:
            self.wrong.append(
                (keys["sidecars"].line, f"`sidecars` is `{sidecars}`", "write tags or caption")
            )
        return Pipeline(
            name=name,
            images=self._path(keys.get("images"), "images", "."),
            meta=self._path(keys.get("meta"), "meta", "meta.json"),
            steps=tuple(self._steps(keys["stages"])) if "stages" in keys else (),
            state=self._path(keys["state"], "state", "") if "state" in keys else None,
            sidecars=choices.get(sidecars, choices["tags"]),
            train=self._train(keys["train"]) if "train" in keys else None,
            file=self.name,
            lines=yaml_nodes.lines(keys["train"]) if "train" in keys else {},
            typed=yaml_nodes.typed_texts(keys["train"]) if "train" in keys else {},
        )

    def _steps(self, node: Node) -> list[PipelineStep]:
        if not isinstance(node.value, list):
            self.wrong.append((node.line, "`stages` is not a list", "write `- tag: {}`"))
            return []
        steps: list[PipelineStep] = []
        for item in node.value:
            step = self._step(item)
            if step is not None and step.command.name in [known.command.name for known in steps]:
                what = f"`{step.command.name}` appears twice"
                self.wrong.append((item.line, what, "give each stage one line"))
            elif step is not None:
                steps.append(step)
        return steps

    def _step(self, node: Node) -> PipelineStep | None:
        given = node.value
        if isinstance(given, dict) and len(given) == 1:
            ((name, params),) = given.items()
        elif isinstance(given, str):
            name, params = given, Node({}, node.line)
        else:
            self.wrong.append(
                (node.line, "a stage has one name", "write `- tag: {threshold: 0.4}`")
            )
            return None
        command = self.known.get(name)
        if command is None or " " in name:
            names = [known for known in self.known if " " not in known]
            self.wrong.append((node.line, f"no stage is named `{name}`", nearest(name, names)))
            return None
        return self._asked(command, params)

    def _asked(self, command: Command, node: Node) -> PipelineStep:
        items: dict[str, Node] = node.value if isinstance(node.value, dict) else {}
        if node.value is not None and not isinstance(node.value, dict):
            self.wrong.append(
                (node.line, f"`{command.name}` needs params", "write `{name: value}`")
            )
        to = items.get("to") if command.fans_out() else None
        if command.fans_out() and to is None:
            what = f"`{command.name}` writes pictures and names no folder"
            self.wrong.append((node.line, what, "add `to: ./images`"))
        params, values = command.params(), {}
        for name, child in items.items():
            if name == "to" and command.fans_out():
                continue
            if name not in params:
                self.wrong.append((child.line, *subcommands.unknown_param(command, name)))
                continue
            values[name] = self._value(params[name], child)
        files = {
            name: self.folder / Path(items[name].raw).expanduser()
            for name in values
            if params[name].metadata["file"] and items[name].raw
        }
        return PipelineStep(command, values, self._path(to, "to", "") if to else None, files)

    def _value(self, item: "Field[Any]", node: Node) -> Any:
        value = node.value
        if not self._is_one(item.name, node):
            return item.default
        if item.type is str and isinstance(value, int | float) and not isinstance(value, bool):
            value = node.raw
        if item.type is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        found = subcommands.mistake(item, value)
        if found is not None:
            quoted = item.type is str and node.raw and not isinstance(value, str)
            hint = f'put it in quotes: "{node.raw}"' if quoted else found[1]
            what = found[0].replace(f"`{as_yaml(value)}`", f"`{node.raw}`")  # as it was typed
            self.wrong.append((node.line, what, hint))
            return item.default
        if item.metadata["path"]:
            return resolve(value, self.folder)
        if item.metadata["file"]:
            try:
                return file_text(value, self.folder)
            except UserError as error:
                self.wrong.append((node.line, str(error), error.hint))
                return ""
        return value

    def _is_one(self, name: str, node: Node) -> bool:
        """Note a key without a value, or with several; return whether it has one."""
        if node.value is None:
            self.wrong.append((node.line, f"`{name}` has no value", "write one, or leave it out"))
        elif isinstance(node.value, dict | list):
            self.wrong.append((node.line, f"`{name}` has several values", "write one"))
        return node.value is not None and not isinstance(node.value, dict | list)

    def _train(self, node: Node) -> dict[str, Any]:
        keys: dict[str, Node] = node.value if isinstance(node.value, dict) else {}
        if "method" not in keys:
            self.wrong.append((node.line, "`train` names no method", "add `method: lora`"))
            return {}
        for name, child in keys.items():
            self._is_one(name, child)
        # A number as it was typed: `1e-4` is not made `0.0001`, nor the name `1.50` made `1.5`.
        numbers = {name: child.raw for name, child in keys.items() if type(child.value) is float}
        values: dict[str, Any] = yaml_nodes.plain(node) | numbers
        if "base" in values:
            values["base"] = resolve(str(values["base"]), self.folder)
        for name in ("prompts", "resume"):
            if name in values:
                values[name] = (self.folder / str(values[name])).as_posix()
        values.setdefault("out", "runs")
        values["out"] = (self.folder / str(values["out"])).as_posix()
        return values

    def _only(self, node: Node, known: tuple[str, ...], where: str) -> None:
        for name, child in node.value.items():
            if name not in known:
                self.wrong.append(
                    (child.line, f"{where} has no key `{name}`", nearest(name, known))
                )

    def _text(self, node: Node, name: str) -> str:
        if isinstance(node.value, str):
            return node.value
        self.wrong.append(
            (node.line, f"`{name}` is `{node.raw}`", f'put it in quotes: "{node.raw}"')
        )
        return ""

    def _path(self, node: Node | None, name: str, default: str) -> Path:
        text = self._text(node, name) if node is not None else default
        line = node.line if node is not None else 0
        try:
            path = Path(os.path.normpath(path_of(text, self.folder)))
        except ConfigError as error:
            self.wrong.append((line, str(error), error.hint))
            return self.folder
        if name == "meta" and (fault := fault_of_head(path)):
            what = f"`meta` is `{text}`, which {fault}"
            self.wrong.append((line, what, "give a name like `meta.json`"))
        return path
