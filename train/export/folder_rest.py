"""What a diffusers folder holds beside networks: index, tokenizers, schedule."""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prep.models import file_layouts
from prep.models.file_layouts import Layout
from train.families.diffusion_process import Diffusion
from train.families.family import Base
from train.families.noise_process import Process

_INDEX = "model_index.json"
_SCHEDULE = "scheduler/scheduler_config.json"


def write(folder: Path, base: Base, source: Path, layout: Layout | None) -> None:
    """Write index, tokenizers and schedule as the source has them, or as they ship for its kind.

    Args:
        source: The base model's folder or file.
        layout: Of a source that is a file.
    """
    parts = (base.part, *base.encoders, *base.frozen, "vae")
    written = (*parts, *base.tokenizers, "scheduler")
    if source.is_dir():
        for name in (*base.tokenizers, "scheduler"):
            copy(source / name, folder / name)
        (folder / _INDEX).write_bytes(_index((source / _INDEX).read_bytes(), written))
        return
    if layout is None:
        raise ValueError("a single file of a kind that has no layout")
    shipped = file_layouts.shipped(layout.name)
    (folder / "scheduler").mkdir()
    (folder / _INDEX).write_bytes(_index((shipped / _INDEX).read_bytes(), written))
    (folder / _SCHEDULE).write_bytes(_schedule((shipped / _SCHEDULE).read_bytes(), base.process))
    for name, tokenizer in base.tokenizers.items():
        tokenizer.save_pretrained(str(folder / name))


def _index(data: bytes, written: Iterable[str]) -> bytes:
    """Return an index of the parts that are written: any other would be missing."""
    index: dict[str, Any] = json.loads(data)
    others = [
        name
        for name, value in index.items()
        if isinstance(value, list) and name not in written and value != [None, None]
    ]
    if not others:
        return data
    index |= {name: [None, None] for name in others}
    if "safety_checker" in others:
        index["requires_safety_checker"] = False
    return _bytes(index)


def _schedule(data: bytes, process: Process) -> bytes:
    """Return the config of a scheduler, with what the process of this very model has otherwise."""
    config: dict[str, Any] = json.loads(data)
    found = config | {"prediction_type": process.prediction.value}
    if isinstance(process, Diffusion) and process.ends_in_noise():
        found |= {"rescale_betas_zero_snr": True, "timestep_spacing": "trailing"}
    return data if found == config else _bytes(found)


def _bytes(config: Mapping[str, Any]) -> bytes:
    return (json.dumps(config, indent=2, sort_keys=True) + "\n").encode()


def copy(source: Path, target: Path) -> None:
    """Copy a folder's files; a full disk is told as that, not as a list of what was not copied."""
    for file in sorted(source.rglob("*")):
        if file.is_file():
            place = target / file.relative_to(source)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, place)
