"""What a person has of a run of kohya's scripts: TOML files, scripts and pasted command lines."""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prep.runtime import files
from prep.runtime.errors import ConfigError
from prep.runtime.text_files import TextError, decode
from train.kohya.pasted_command import parsed


@dataclass(frozen=True)
class KohyaRun:
    """What a person has of a run of kohya's scripts.

    Attributes:
        script: Name of the script; empty where none is named.
        options: Of the command line and the config file, the first ones count.
        dataset: Content of the dataset file; None without one.
        here: Folder that paths are relative to.
        processes: How many train together.
        launcher: Names of the other options of what starts the script.
    """

    script: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    dataset: Mapping[str, Any] | None = None
    here: Path = Path()
    processes: int = 1
    launcher: tuple[str, ...] = ()

    def only_pictures(self) -> bool:
        """Return whether nothing but a dataset file was named."""
        return self.dataset is not None and not (self.script or self.options)


def read(sources: Sequence[str]) -> KohyaRun:
    """Return what several sources say together."""
    found = KohyaRun(here=Path.cwd())
    for source in sources:
        path = Path(source)
        if " --" in source or "\n" in source:  # no file is called so
            found = _with_command(found, source)
        elif path.suffix.lower() == ".toml":
            found = _with_toml(found, path)
        else:
            found = _with_command(found, _text(path))
    for name in ("config_file", "dataset_config"):
        value = found.options.get(name)
        if isinstance(value, str):
            path = found.here / value
            found = _with_toml(found, path if path.suffix else path.with_suffix(".toml"))
    return found


def _text(path: Path) -> str:
    try:
        return decode(files.content(path, files.MOST_TABLE))
    except OSError as error:
        raise ConfigError(f"`{path}` cannot be read: {error.strerror}", "check its name") from None
    except TextError as error:
        raise ConfigError(f"`{path}` cannot be read: {error}", "save it as UTF-8") from None


def _with_command(found: KohyaRun, text: str) -> KohyaRun:
    command = parsed(text)
    return replace(
        found,
        script=command.script,
        options=dict(found.options) | dict(command.options),
        processes=command.processes,
        launcher=command.launcher,
    )


def _with_toml(found: KohyaRun, path: Path) -> KohyaRun:
    try:
        content = tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"`{path}` is not TOML: {error}", "mend the line it names") from None
    if "datasets" in content:
        if not _has_tables(content):
            hint = "write `[general]`, `[[datasets]]` and `[[datasets.subsets]]`, in such brackets"
            raise ConfigError(f"`{path}` has its tables otherwise than a dataset file", hint)
        return replace(found, dataset=content)
    flat: dict[str, Any] = {}
    for name, value in content.items():
        flat |= value if isinstance(value, dict) else {name: value}
    # What is false is as if it were not there: so it is with their switches.
    given = {name: value for name, value in flat.items() if value is not False}
    return replace(found, options=given | dict(found.options))


def _has_tables(content: Mapping[str, Any]) -> bool:
    """Return whether a dataset file has a table of what holds for all, and lists of the others."""
    general, datasets = content.get("general", {}), content["datasets"]
    if not isinstance(general, dict) or not _are_tables(datasets):
        return False
    return all(_are_tables(one.get("subsets", [])) for one in datasets)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)
