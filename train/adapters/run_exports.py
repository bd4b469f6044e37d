"""The folder of a run in the place of what it made: its export, or all its exports."""

import json
from pathlib import Path
from typing import Any

from prep.runtime.errors import ModelFileError
from train.adapters.lora_metadata import BORN, MADE_FROM, WEIGHTED, said


def export_of(place: Path) -> Path:
    """Return the export of a run folder; any other place as it is.

    Raises:
        ModelFileError: The run is not finished.
    """
    name = _name_of(place)
    if name is None:
        return place
    for end in (f"{name}.safetensors", f"{name}.pt", name):
        if (place / end).exists():
            return place / end
    between = [one for one in sorted(place.glob(f"{name}-*")) if "-not-proven" not in one.name]
    raise ModelFileError(
        f"the run in `{place}` is not finished: it has no `{name}.safetensors`",
        "type its command again to finish it"
        + (f", or name an export on the way: `{between[-1]}`" if between else ""),
    )


def exports_of(place: Path) -> list[Path]:
    """Return all exports that lie in a run folder, sorted; any other place alone.

    What was made of exports, with blocks weighted or merged, is none.
    """
    name = _name_of(place)
    if name is None:
        return [place]
    found = [one for one in sorted(place.glob(f"{name}*")) if "-not-proven" not in one.name]
    able = [one for one in found if one.suffix == ".safetensors" or (one / BORN).is_file()]
    return [one for one in able if not _is_made_of_exports(one)]


def _is_made_of_exports(place: Path) -> bool:
    try:
        return bool({MADE_FROM, WEIGHTED} & said(place).keys())
    except ModelFileError:  # a damaged export is one, and is told where it is opened
        return False


def _name_of(place: Path) -> str | None:
    """Return what the exports of a run folder are called; None where it is none."""
    told = config_of_run(place)
    ours = {"name", "base", "datasets"} <= told.keys()  # else it is another's
    return str(told["name"]) if ours else None


def config_of_run(place: Path) -> dict[str, Any]:
    """Return what stands in a folder's `config.json`, perhaps another program's; else nothing."""
    try:
        found = json.loads((place / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
