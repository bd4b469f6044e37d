"""pipelines.yaml -> pipelines. All mistakes of the file at once, with line and nearest name."""

import os
from collections.abc import Mapping
from dataclasses import Field, replace
from pathlib import Path
from typing import Any

from prep.dataset.file_names import fault_of_head
from prep.pipeline import subcommands
from prep.pipeline.named_files import file_text, path_of, resolve, text_of
from prep.pipeline.pipeline import ClassFolder, Pipeline, PipelineStep, usual_sidecars
from prep.pipeline.subcommands import Command
from prep.runtime import yaml_nodes
from prep.runtime.errors import ConfigError, UserError, nearest
from prep.runtime.text_files import FileText
from prep.runtime.yaml_nodes import Node, as_yaml

_KEYS = ("images", "meta", "state", "sidecars", "class_pictures", "stages", "also", "train")


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
    if reader.mistakes:
        told = [
            (f"`{shown}` line {line}: {what}", hint) for line, what, hint in sorted(reader.mistakes)
        ]
        raise ConfigError(*told[0], others=told[1:])
    return found


class _Reader:
    """Collects the mistakes of one file while it is read."""

    def __init__(self, folder: Path, known: Mapping[str, Command], name: str) -> None:
        self.folder, self.known, self.name = folder, known, name
        self.mistakes: list[tuple[int, str, str | None]] = []

    def wrong(self, node: Node, what: str, hint: str | None) -> None:
        self.mistakes.append((node.line, what, hint))

    def file(self, top: Node) -> dict[str, Pipeline]:
        self._only(top, ("pipelines",), "the file")
        entries = top.value.get("pipelines")
        if entries is None or not isinstance(entries.value, dict) or not entries.value:
            self.wrong(top, "it names no pipelines", "begin with `pipelines:`")
            return {}
        found = {name: self.pipeline(name, node) for name, node in entries.value.items()}
        return {
            name: replace(one, also=self._also(entries.value[name], found, name))
            for name, one in found.items()
        }

    def _also(self, node: Node, found: Mapping[str, Pipeline], own: str) -> tuple[Pipeline, ...]:
        """Return the pipelines that another one names as trained along with it."""
        child = node.value.get("also") if isinstance(node.value, dict) else None
        names = child.value if child is not None else []
        if not isinstance(names, list):
            self.wrong(node if child is None else child, "`also` is not a list", "write `[name]`")
            return ()
        for one in names:
            if one.value == own or one.value not in found:
                others = [name for name in found if name != own]
                self.wrong(one, f"no other pipeline is named `{one.raw}`", nearest(one.raw, others))
        return tuple(found[one.value] for one in names if one.value in found and one.value != own)

    def pipeline(self, name: str, node: Node) -> Pipeline:
        if not isinstance(node.value, dict):
            self.wrong(node, f"pipeline `{name}` is empty", "give it `images:`")
            return Pipeline(name, self.folder, self.folder / "meta.json")
        self._only(node, _KEYS, f"pipeline `{name}`")
        keys: dict[str, Node] = node.value
        if "images" not in keys:
            self.wrong(node, f"pipeline `{name}` names no folder", "add `images: ./images`")
        sidecars = self._text(keys["sidecars"], "sidecars") if "sidecars" in keys else "tags"
        choices = {"tags": usual_sidecars(), "caption": {".txt": "caption"}}
        if sidecars not in choices:
            self.wrong(keys["sidecars"], f"`sidecars` is `{sidecars}`", "write tags or caption")
        return Pipeline(
            name=name,
            images=self._path(keys, "images", "."),
            meta=self._path(keys, "meta", "meta.json"),
            steps=tuple(self._steps(keys["stages"])) if "stages" in keys else (),
            state=self._path(keys, "state") if "state" in keys else None,
            sidecars=choices.get(sidecars, choices["tags"]),
            train=self._train(keys["train"]) if "train" in keys else None,
            file=self.name,
            section=keys.get("train"),
            class_pictures=tuple(self._class_folders(keys)),
        )

    def _class_folders(self, keys: Mapping[str, Node]) -> list[ClassFolder]:
        """Return what stands below `class_pictures`: a folder below `images`, and its settings."""
        node = keys.get("class_pictures")
        if node is None:
            return []
        images = self._path(keys, "images", ".")
        if not isinstance(node.value, dict):
            self.wrong(
                node, "`class_pictures` names no folder", "write `reg/1_a girl: {count: 200}`"
            )
            return []
        found = []
        for name, child in node.value.items():
            folder = Path(os.path.normpath(images / name))
            if not isinstance(child.value, dict | None):
                self.wrong(child, f"`{name}` needs settings", "write `{count: 200}`")
            elif folder == images or not folder.is_relative_to(images):
                self.wrong(child, f"`{name}` is no folder below `images`", "write `reg/1_a girl`")
            else:
                found.append(ClassFolder(name, folder, self._settings(child), child))
        return found

    def _settings(self, node: Node) -> dict[str, Any]:
        """Return settings of the `train` program: numbers as they were typed."""
        keys: dict[str, Node] = node.value or {}
        for name, child in keys.items():
            self._is_one(name, child)
        values = {name: child.raw for name, child in keys.items()}
        if "base" in values:
            values["base"] = resolve(values["base"], self.folder)
        return values

    def _steps(self, node: Node) -> list[PipelineStep]:
        if not isinstance(node.value, list):
            self.wrong(node, "`stages` is not a list", "write `- tag: {}`")
            return []
        steps: list[PipelineStep] = []
        for item in node.value:
            step = self._step(item)
            if step is not None and step.command.name in [known.command.name for known in steps]:
                what = f"`{step.command.name}` appears twice"
                self.wrong(item, what, "give each stage one line")
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
            self.wrong(node, "a stage has one name", "write `- tag: {threshold: 0.4}`")
            return None
        command = self.known.get(name)
        if command is None or " " in name:
            names = [known for known in self.known if " " not in known]
            self.wrong(node, f"no stage is named `{name}`", nearest(name, names))
            return None
        return self._asked(command, params)

    def _asked(self, command: Command, node: Node) -> PipelineStep:
        items: dict[str, Node] = node.value if isinstance(node.value, dict) else {}
        if node.value is not None and not isinstance(node.value, dict):
            self.wrong(node, f"`{command.name}` needs params", "write `{name: value}`")
        to = items.get("to") if command.fans_out() else None
        if command.fans_out() and to is None:
            what = f"`{command.name}` writes pictures and names no folder"
            self.wrong(node, what, "add `to: ./images`")
        params, values = command.params(), {}
        for name, child in items.items():
            if name == "to" and command.fans_out():
                continue
            if name not in params:
                self.wrong(child, *subcommands.unknown_param(command, name))
                continue
            values[name] = self._value(params[name], child)
        files = {
            name: self.folder / Path(items[name].raw).expanduser()
            for name in values
            if params[name].metadata["file"] and items[name].raw
        }
        return PipelineStep(command, values, self._path(items, "to") if to else None, files)

    def _value(self, item: "Field[Any]", node: Node) -> Any:
        value = node.value
        if item.metadata["file"] and isinstance(value, dict):
            return FileText(yaml_nodes.flow(node), item.name)
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
            self.wrong(node, what, hint)
            return item.default
        return self._named(item, node, value)

    def _named(self, item: "Field[Any]", node: Node, value: Any) -> Any:
        """Return what a value names: a path, the text of a file, or nothing but itself."""
        if item.metadata["path"]:
            return resolve(value, self.folder)
        if item.metadata["file"]:
            try:
                return file_text(value, self.folder)
            except UserError as error:
                self.wrong(node, str(error), error.hint)
                return ""
        return value

    def _is_one(self, name: str, node: Node) -> bool:
        """Note a key without a value, or with several; return whether it has one."""
        if node.value is None:
            self.wrong(node, f"`{name}` has no value", "write one, or leave it out")
        elif isinstance(node.value, dict | list):
            self.wrong(node, f"`{name}` has several values", "write one")
        return node.value is not None and not isinstance(node.value, dict | list)

    def _train(self, node: Node) -> dict[str, Any]:
        keys: dict[str, Node] = node.value if isinstance(node.value, dict) else {}
        if "method" not in keys:
            self.wrong(node, "`train` names no method", "add `method: lora`")
            return {}
        for name, child in keys.items():
            self._is_one(name, child)
        # A number as it was typed: `1e-4` is not made `0.0001`, nor the name `1.50` made `1.5`.
        numbers = {name: child.raw for name, child in keys.items() if type(child.value) is float}
        values: dict[str, Any] = yaml_nodes.plain(node) | numbers
        if "base" in values:
            values["base"] = resolve(str(values["base"]), self.folder)
        for name in ("held_out_data", "prompts", "resume", "start_from"):
            if name in values:
                values[name] = (self.folder / str(values[name])).as_posix()
        values.setdefault("out", "runs")
        values["out"] = (self.folder / str(values["out"])).as_posix()
        return values

    def _only(self, node: Node, known: tuple[str, ...], where: str) -> None:
        for name, child in node.value.items():
            if name not in known:
                self.wrong(child, f"{where} has no key `{name}`", nearest(name, known))

    def _text(self, node: Node, name: str) -> str:
        if isinstance(node.value, str):
            return node.value
        self.wrong(node, f"`{name}` is `{node.raw}`", f'put it in quotes: "{node.raw}"')
        return ""

    def _path(self, keys: Mapping[str, Node], name: str, default: str = "") -> Path:
        node = keys.get(name, Node(default, 0))
        text = self._text(node, name)
        try:
            path = Path(os.path.normpath(path_of(text, self.folder)))
        except ConfigError as error:
            self.wrong(node, str(error), error.hint)
            return self.folder
        if name == "meta" and (fault := fault_of_head(path)):
            what = f"`meta` is `{text}`, which {fault}"
            self.wrong(node, what, "give a name like `meta.json`")
        return path
