"""The text of the pipelines.yaml that a run of kohya's scripts becomes."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from prep.runtime.yaml_nodes import quote
from train.kohya.kohya_folders import KohyaFolder

_PATHS = ("out", "prompts")


class Places(NamedTuple):
    """Where paths are from.

    Attributes:
        here: Folder that a person's paths are relative to.
        target: Folder that the file will lie in.
    """

    here: Path
    target: Path

    def path(self, name: str) -> str:
        """Return a person's path as it stands in the file: relative where it is below it."""
        whole, top = (self.here / name).absolute(), self.target.absolute()
        if not whole.is_relative_to(top):
            return whole.as_posix()
        return f"./{Path(os.path.relpath(whole, top)).as_posix()}"

    def model(self, name: str) -> str:
        """Return a base model as it stands there: a path where there is one, else its hub id."""
        return self.path(name) if (self.here / name).exists() else name


def pipelines_text(
    folders: Sequence[KohyaFolder], values: Mapping[str, Any], vae: str, places: Places
) -> str:
    """Return the file: a pipeline for each folder; the first one trains, the others with it.

    Args:
        values: Settings of the training.
        vae: What makes the latents.
    """
    lines = ["# What `train import` made of kohya's options.", "pipelines:"]
    names = _names(folders)
    for number, (name, folder) in enumerate(zip(names, folders, strict=True)):
        said: dict[str, Any] = {"text": folder.text, "repeats": folder.repeats}
        said |= {"concepts": dict(folder.concepts)} if folder.concepts else {}
        alpha = ", alpha_mask: true" if folder.alpha_mask else ""
        lines += [
            f"  {name}:",
            f"    images: {quote(places.path(folder.images))}",
            f"    meta: ./{name}.json",
            "    stages:",
            f"      - edit: {json.dumps(said, ensure_ascii=False)}",
            f"      - bucket: {json.dumps(dict(folder.bucket))}",
            f"      - latents: {{model: {quote(places.model(vae))}{alpha}}}",
        ]
        if number == 0:
            lines += [f"    also: [{', '.join(names[1:])}]"] if names[1:] else []
            lines += ["    train:", *(f"      {one}" for one in _train(values, places))]
    return "\n".join(lines) + "\n"


def _names(folders: Sequence[KohyaFolder]) -> list[str]:
    """Return a name for each folder: its own, made plain, each one once."""
    found: list[str] = []
    for folder in folders:
        own = folder.images.replace("\\", "/").rstrip("/").rpartition("/")[2]
        plain = "".join(char if char.isalnum() and char.isascii() else "-" for char in own)
        name = plain.strip("-").lower() or "images"
        while name in found:
            name += "-2"
        found.append(name)
    return found


def _train(values: Mapping[str, Any], places: Places) -> list[str]:
    lines = []
    for name, value in values.items():
        if name == "base":
            told = quote(places.model(str(value)))
        else:
            told = (
                quote(places.path(str(value)))
                if name in _PATHS
                else json.dumps(value, ensure_ascii=False)
            )
        lines.append(f"{name}: {told}")
    return lines
