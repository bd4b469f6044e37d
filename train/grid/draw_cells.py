"""The cells of a grid that have no picture yet: drawn one by one, each kept as soon as it is there.

They are not drawn in batches: on a CPU a batch of 4 takes a quarter less time (measured with the
tiny world), and no picture of it has the bytes that it has alone or in a batch of another size.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import Any

from prep.runtime import files
from prep.runtime.console import Console, Progress
from prep.runtime.errors import ModelFileError
from train.adapters.file_kinds import put_on
from train.adapters.taken_off import taken_off
from train.families.family import Base
from train.grid.grid_exports import Broken, GridExport
from train.grid.grid_plan import GridColumn, GridPlan
from train.samples.as_trained import as_trained
from train.samples.drawer import Drawer, png
from train.samples.sampler import NotFiniteError, opened_vae

Cell = tuple[int, int]


class DrawnCells:
    """Draws what is missing; the base model is opened once, whatever is put on it.

    Attributes:
        broken: Exports that could not be put on the base model, or opened.
        failed: (row, column) of pictures that came out as no numbers.
    """

    def __init__(self, plan: GridPlan, device: str) -> None:
        self._plan, self._device = plan, device
        self.broken: list[Broken] = []
        self.failed: list[Cell] = []

    def draw(self, missing: Sequence[Cell], console: Console) -> None:
        """Draw some cells, those of a column one after the other.

        Whole models come last, each opened in turn: a machine that holds one holds them all.
        """
        columns = self._plan.columns
        with console.progress("drawing", len(missing)) as progress:
            apart = [cell for cell in missing if not _is_model(columns[cell[1]].export)]
            if apart:
                self._on_base(apart, progress)
            for cells in _together([one for one in missing if one not in apart], columns):
                column = columns[cells[0][1]]
                if (export := column.export) is not None:
                    with self._told(column):
                        self._each(cells, column, self._opened_model(export), progress)

    def _on_base(self, cells: Sequence[Cell], progress: Progress) -> None:
        """Draw the base model alone, and with each export."""
        plan = self._plan
        place = plan.place.path
        base = plan.family.load(place, self._device)
        vae = opened_vae(place, base.device)
        first = next((one.export for one in plan.columns if one.export), None)
        for own in _together(cells, plan.columns):
            export = plan.columns[own[0][1]].export
            with self._told(plan.columns[own[0][1]]), taken_off(base):
                said = export or first
                ready = as_trained(said.subject, base, place)[0] if said else base
                self._with_strengths(own, export, (ready, vae), progress)

    def _with_strengths(
        self,
        cells: Sequence[Cell],
        export: GridExport | None,
        opened: tuple[Base, Any],
        progress: Progress,
    ) -> None:
        """Draw the cells of one export at all its strengths."""
        loras = export.subject.loras if export else ()
        act = put_on(loras, opened[0], self._plan.family, self._plan.blocks)
        for number, own in groupby(cells, key=lambda cell: cell[1]):
            column = self._plan.columns[number]
            act(1.0 if column.strength is None else column.strength)
            self._each([*own], column, opened, progress)

    def _opened_model(self, export: GridExport) -> tuple[Base, Any]:
        base = self._plan.family.load(export.place, self._device)
        base = as_trained(export.subject, base, export.place)[0]
        return base, opened_vae(export.place, base.device)

    def _each(
        self,
        cells: Sequence[Cell],
        column: GridColumn,
        opened: tuple[Base, Any],
        progress: Progress,
    ) -> None:
        shown = self._plan.shown(column)
        drawer = Drawer(*opened, shown)
        for row, number in cells:
            prompt = self._plan.rows[row]
            try:
                picture = drawer.picture(prompt)
            except NotFiniteError:
                self.failed.append((row, number))
            else:
                told = shown.text(prompt, [column.strength or 0.0])
                files.write(self._plan.paths[row][number], png(picture, told))
            progress.advance()

    @contextmanager
    def _told(self, column: GridColumn) -> Iterator[None]:
        """Return a block whose errors are those of one export; without one they are raised."""
        try:
            yield
        except ModelFileError as error:
            if column.export is None:
                raise
            self.broken.append(Broken(str(column.export.path), error))


def _is_model(export: GridExport | None) -> bool:
    return export is not None and not export.subject.loras


def _together(cells: Sequence[Cell], columns: Sequence[GridColumn]) -> Iterator[list[Cell]]:
    """Yield the cells of each export, at all its strengths."""
    for _, own in groupby(cells, key=lambda cell: id(columns[cell[1]].export)):
        yield [*own]
