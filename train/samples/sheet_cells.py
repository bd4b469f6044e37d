"""The pictures of a labelled sheet: drawn one after the other, each kept as soon as it is there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prep.runtime import files
from prep.runtime.console import Console
from train.samples.drawer import Drawer, png
from train.samples.prompts import Prompt
from train.samples.sampler import NotFiniteError

if TYPE_CHECKING:
    from PIL import Image


@dataclass
class Cells:
    """The pictures of a sheet, row by row, the base model's first in each.

    Attributes:
        each: Folder that gets every picture alone too, as soon as it is drawn, or None.
        pictures: Those that are drawn; None for one that came out as no numbers.
    """

    rows: Sequence[Prompt]
    strengths: Sequence[float]
    each: Path | None
    pictures: "list[Image.Image | None]" = field(default_factory=list)

    @property
    def most(self) -> int:
        """How many pictures the sheet has place for."""
        return len(self.rows) * len(self._columns())

    def draw(self, drawer: Drawer, scales: Mapping[str, float], console: Console) -> None:
        """Draw all pictures.

        Raises:
            NotFiniteError: No picture of the LoRA came out as numbers.
        """
        from train.adapters.applied import set_strength

        broken: NotFiniteError | None = None
        with console.progress("drawing", self.most) as progress:
            for prompt in self.rows:
                for strength in (0.0, *self.strengths):
                    set_strength(drawer.base, scales, strength)
                    try:
                        self._add(drawer.picture(prompt))
                    except NotFiniteError as error:
                        broken = error
                        self.pictures.append(None)
                    progress.advance()
        width = len(self._columns())
        if broken and not any(one for n, one in enumerate(self.pictures) if n % width):
            raise broken

    def failed(self) -> list[tuple[str, Prompt]]:
        """Return name and prompt of each picture that came out as no numbers."""
        width = len(self._columns())
        return [
            (self._name(n), self.rows[n // width])
            for n, one in enumerate(self.pictures)
            if one is None
        ]

    def sheet(self) -> bytes:
        """Return the labelled sheet as a PNG; white where there is no picture."""
        from PIL import Image

        from train.samples.grid import grid

        columns = self._columns()
        sizes = [(row.width, row.height) for row in self.rows for _ in columns]
        drawn = [*self.pictures, *[None] * (self.most - len(self.pictures))]
        shown = [
            one or Image.new("RGB", size, "white") for one, size in zip(drawn, sizes, strict=True)
        ]
        return png(grid(columns, [label(row) for row in self.rows], shown))

    def _add(self, picture: "Image.Image") -> None:
        if self.each:
            files.write(self.each / f"{self._name(len(self.pictures))}.png", png(picture))
        self.pictures.append(picture)

    def _columns(self) -> list[str]:
        return ["base model", *(f"strength {strength:g}" for strength in self.strengths)]

    def _name(self, number: int) -> str:
        row, column = divmod(number, len(self._columns()))
        return f"{row:03d} {self._columns()[column]}"


def label(prompt: Prompt) -> str:
    """Return what stands beside a row of a sheet."""
    without = f" / not: {prompt.negative}" if prompt.negative else ""
    return f"{prompt.text}{without} / seed {prompt.seed}"
