"""A base model, folder or single file, as parts of tensors by one set of names; no weight is read.

Names are diffusers' and transformers', without `text_model.`: so a folder and a file are compared
and added tensor by tensor, whatever their layouts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prep.models import file_layouts, mmdit_names, single_file, stored_tensors
from prep.models.locate import Models
from prep.models.stored_tensors import StoredTensor
from prep.runtime.errors import ModelFileError
from train.adapters.lora_metadata import said
from train.convert.model_layouts import LAYOUTS, ModelLayout
from train.families import all_families
from train.families.detect import opened_base
from train.families.family import Family
from train.families.folder_weights import spans

_TEXT_MODEL = "text_model."
Parts = Mapping[str, Mapping[str, StoredTensor]]


@dataclass(frozen=True)
class BaseModel:
    """A base model that is read tensor by tensor.

    Attributes:
        name: As the person typed it.
        path: Its folder or file.
        parts: Folder of each part in diffusers -> its tensors.
        left: Tensors of a file that are of no part, by their names in it.
        metadata: What it says of itself.
    """

    name: str
    path: Path
    family: Family
    parts: Parts
    left: Mapping[str, StoredTensor]
    metadata: Mapping[str, str]

    def layout(self) -> ModelLayout:
        """Return how it lies in a single file."""
        return LAYOUTS[self.family.name]

    def all(self) -> dict[str, StoredTensor]:
        """Return all tensors of its parts, each behind its part's name and a slash."""
        return {
            f"{part}/{name}": one for part, each in self.parts.items() for name, one in each.items()
        }

    def precision(self) -> str:
        """Return the format's word for most of its network's numbers, as `F16`."""
        kinds = [one.dtype for one in self.parts[self.family.network].values()]
        return max(sorted(set(kinds)), key=kinds.count)


def opened(name: str, models: Models) -> BaseModel:
    """Return a base model by a person's name for it: folder, file or hub id; headers only.

    Raises:
        ModelFileError: It is missing, damaged, or of no known family.
    """
    path = Path(name).expanduser()
    if path.is_file() and _is_mmdit(path):
        return _of_file(name, path, all_families()["sd35"])
    found, family = opened_base(name, models)
    if found.path.is_file():
        return _of_file(name, found.path, family)
    return _of_folder(name, found.path, family)


def is_whole_model(path: Path) -> bool:
    """Return whether a path is a base model's folder or file, by the names of its tensors.

    Raises:
        ModelFileError: It is a damaged file.
    """
    if path.is_dir():
        return (path / "model_index.json").is_file()
    names = single_file.names(path)
    return file_layouts.layout_of(names) is not None or _is_mmdit(path)


def _is_mmdit(path: Path) -> bool:
    before = f"{mmdit_names.BEFORE}joint_blocks."
    return path.suffix.lower() in single_file.SUFFIXES and any(
        name.startswith(before) for name in single_file.names(path)
    )


def _of_file(name: str, path: Path, family: Family) -> BaseModel:
    layout, tensors = LAYOUTS[family.name], stored_tensors.stored_in(path)
    parts, used = {}, set()
    for part, mark in layout.marks.items():
        if not any(one.startswith(mark) for one in tensors):
            continue
        try:
            parts[part], names = layout.from_file(part, tensors)
        except (KeyError, IndexError) as error:
            raise ModelFileError(
                f"`{path}` cannot be read: it lacks {error}", "fetch the file again"
            ) from error
        used |= names
    left = {word: one for word, one in tensors.items() if word not in used}
    return BaseModel(name, path, family, parts, left, dict(said(path)))


def _of_folder(name: str, path: Path, family: Family) -> BaseModel:
    layout = LAYOUTS[family.name]
    parts = {}
    for part in layout.marks:
        if (path / part).is_dir():
            each = stored_tensors.of_spans(spans(path / part))
            parts[part] = {
                word.removeprefix(_TEXT_MODEL): one
                for word, one in each.items()
                if not word.endswith("position_ids")
            }
    return BaseModel(name, path, family, parts, {}, dict(said(path)))
