"""`prep init`: pipelines.yaml from a preset."""

import os
from importlib import resources
from pathlib import Path

from prep.runtime.console import Console
from prep.runtime.errors import ConfigError, nearest
from prep.runtime.files import write
from prep.runtime.yaml_nodes import quote


def write_pipelines(folder: Path, preset: str, target: Path, console: Console) -> int:
    """Write pipelines.yaml from a preset."""
    found = resources.files("prep.pipeline") / "presets"
    names = [
        entry.name.removesuffix(".yaml")
        for entry in found.iterdir()
        if entry.name.endswith(".yaml")
    ]
    if preset not in names:
        raise ConfigError(f"no preset is named `{preset}`", nearest(preset, names))
    if not folder.is_dir():
        raise ConfigError(f"the folder `{folder}` is not there", "name the folder of your pictures")
    if target.exists():
        raise ConfigError(f"`{target}` is there already", "edit it, or move it away")
    text = (found / f"{preset}.yaml").read_text(encoding="utf-8")
    shown = Path(os.path.relpath(folder)).as_posix()
    near = shown if shown.startswith(".") else f"./{shown}"
    write(target, text.replace("FOLDER", quote(near)).encode())
    console.say(f"wrote `{target}`; look at it, then type `prep plan` and `prep run`")
    return 0
