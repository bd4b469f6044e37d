"""What a grid consists of: rows, columns, and the key of each cell. Nothing is loaded."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from prep.models.locate import FoundModel
from prep.runtime import files
from train.adapters.file_kinds import kind_of
from train.families.family import Family
from train.grid.grid_exports import GridExport
from train.samples.picture_text import Shown, ShownLora, is_drawn
from train.samples.prompts import Prompt
from train.samples.subject import Subject

# Raised where the same prompt on the same weights is drawn otherwise.
_DRAWING = 1
CELLS = "cells"  # folder of the pictures


class GridColumn(NamedTuple):
    """A column of a grid.

    Attributes:
        export: None for the base model alone.
        strength: Of the export; None where it has none.
        label: The same in fewer words, where they are enough.
        layer: Clip skip.
        prediction: What the base model predicts, by an export's metadata; empty for its own.
    """

    export: GridExport | None
    strength: float | None = None
    label: str = ""
    layer: int = 1
    prediction: str = ""

    @property
    def name(self) -> str:
        """The name of its checkpoint."""
        return self.export.title if self.export else "base model"

    @property
    def title(self) -> str:
        """What stands above it."""
        name = self.label or self.name
        return name if self.strength in (None, 1) else f"{name} x {self.strength:g}"


@dataclass(frozen=True)
class GridPlan:
    """A grid that is to be drawn.

    Attributes:
        place: The base model's files.
        rows: Prompts, each with its seed and sampler.
        folder: Of the grid; pictures lie in its folder `cells`.
        blocks: See `Wish.block_weights`.
    """

    place: FoundModel
    base_digest: str
    family: Family
    rows: Sequence[Prompt]
    columns: Sequence[GridColumn]
    folder: Path
    blocks: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def paths(self) -> list[list[Path]]:
        """The file of each cell's picture, row by row."""
        return [
            [self.folder / CELLS / f"{self._key(row, column)}.png" for column in self.columns]
            for row in self.rows
        ]

    def missing(self) -> list[tuple[int, int]]:
        """Return (row, column) of each cell without its picture, column by column.

        One that stands there twice is there once.
        """
        found = {
            self.paths[row][column]: (row, column)
            for column in reversed(range(len(self.columns)))
            for row in reversed(range(len(self.rows)))
        }
        absent = [place for path, place in found.items() if not is_drawn(path)]
        return sorted(absent, key=lambda place: (place[1], place[0]))

    def shown(self, column: GridColumn) -> Shown:
        """Return what the pictures of a column say of themselves beside their prompts."""
        base = self.place.ask.name
        export = column.export
        if export is None or not export.subject.loras:
            model = export.subject.model if export else base
            return Shown(self.family, _plain(model), (), column.layer)
        loras = [
            ShownLora(name, own, kind_of(path).digest(path), kind_of(path).word)
            for path, name, own in export.subject.shown()
            if kind_of(path).word
        ]
        return Shown(self.family, _plain(base), loras, column.layer, self.blocks)

    def _key(self, row: Prompt, column: GridColumn) -> str:
        """Return the digest of all that decides a cell's picture."""
        export = column.export
        whole = export is not None and not export.subject.loras
        acts = export is not None and not whole
        own = export.subject.loras[0][1] if export and export.subject.loras else 0.0
        facts = {
            "drawing": _DRAWING,
            "family": self.family.name,
            "base": "" if whole else self.base_digest,
            "export": export.digest if export else "",
            "strength": (column.strength or 0.0) * own,
            "blocks": dict(self.blocks) if acts else {},
            "clip_skip": column.layer,
            "prediction": column.prediction,
            "prompt": asdict(replace(row, own_seed=False)),
        }
        return files.digest_bytes(files.canonical(facts).encode())[:32]


def _plain(model: str) -> str:
    return Subject(model=model).name
