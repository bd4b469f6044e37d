"""The pictures of a sheet: drawn one after the other, each kept as soon as it is there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prep.runtime import files
from prep.runtime.console import Console
from train.samples.drawer import Drawer, png
from train.samples.prompts import Prompt
from train.samples.sampler import NotFiniteError

if TYPE_CHECKING:
    from PIL import Image


class SheetColumn(NamedTuple):
    """A column of a sheet.

    Attributes:
        label: What the names of its pictures' files say.
        strength: Of the LoRAs; with 0 the base model is itself.
        title: What stands above it.
    """

    label: str
    strength: float
    title: str


@dataclass
class Cells:
    """The pictures of a sheet, row by row.

    Attributes:
        each: Folder that gets every picture alone too, as soon as it is drawn, or None.
        grid: How many pictures stand side by side on a plain grid; 0 for a labelled sheet.
        pictures: Those that are drawn; None for one that came out as no numbers.
        text: What the sheet's file says: that of its first row, at all strengths.
    """

    rows: Sequence[Prompt]
    columns: Sequence[SheetColumn]
    each: Path | None = None
    grid: int = 0
    pictures: "list[Image.Image | None]" = field(default_factory=list)
    text: str = ""

    @property
    def most(self) -> int:
        """How many pictures the sheet has place for."""
        return len(self.rows) * len(self.columns)

    def names(self) -> list[str]:
        """Return the names of the files of the pictures alone, row by row."""
        return [f"{self._name(n)}.png" for n in range(self.most)]

    def draw(self, drawer: Drawer, act: Callable[[float], None], console: Console) -> None:
        """Draw all pictures.

        Args:
            act: Called with the strength of a column before its picture.

        Raises:
            NotFiniteError: No picture that is more than the base model's came out as numbers.
        """
        broken: NotFiniteError | None = None
        self.text = drawer.shown.text(self.rows[0], [one.strength for one in self.columns])
        with console.progress("drawing", self.most) as progress:
            for prompt in self.rows:
                for column in self.columns:
                    act(column.strength)
                    try:
                        self._add(drawer, prompt, column)
                    except NotFiniteError as error:
                        broken = error
                        self.pictures.append(None)
                    progress.advance()
        width = len(self.columns)
        shown = (one for n, one in enumerate(self.pictures) if width == 1 or n % width)
        if broken and not any(shown):
            raise broken

    def failed(self) -> list[tuple[str, Prompt]]:
        """Return name and prompt of each picture that came out as no numbers."""
        width = len(self.columns)
        return [
            (self._name(n), self.rows[n // width])
            for n, one in enumerate(self.pictures)
            if one is None
        ]

    def sheet(self) -> bytes:
        """Return the sheet, or the plain grid, as a PNG; white where there is no picture."""
        from PIL import Image

        from train.samples.grid import grid, plain_grid

        sizes = [(row.width, row.height) for row in self.rows for _ in self.columns]
        drawn = [*self.pictures, *[None] * (self.most - len(self.pictures))]
        shown = [
            one or Image.new("RGB", size, "white") for one, size in zip(drawn, sizes, strict=True)
        ]
        if self.grid:
            return png(plain_grid(self.grid, shown), self.text)
        labels = [column.title for column in self.columns]
        return png(grid(labels, [_row(row) for row in self.rows], shown), self.text)

    def _add(self, drawer: Drawer, prompt: Prompt, column: SheetColumn) -> None:
        picture = drawer.picture(prompt)
        if self.each:
            told = drawer.shown.text(prompt, [column.strength])
            files.write(self.each / f"{self._name(len(self.pictures))}.png", png(picture, told))
        self.pictures.append(picture)

    def _name(self, number: int) -> str:
        row, column = divmod(number, len(self.columns))
        return f"{row:03d} {self.columns[column].label}"


def label(prompt: Prompt) -> str:
    """Return what stands beside a row of a sheet."""
    return " / ".join(_row(prompt))


def _row(prompt: Prompt) -> tuple[str, str]:
    """Return what a row shows, and the end of its label, which is never cut."""
    without = f" / not: {prompt.negative}" if prompt.negative else ""
    return f"{prompt.text}{without}", f"seed {prompt.seed}"
