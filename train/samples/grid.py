"""Pictures side by side: with a word above each column and beside each row, or plain. Pillow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

_MARGIN = 8
_LINE = 18
_SIDE = 160


def grid(
    columns: Sequence[str],
    rows: Sequence[tuple[str, str]],
    pictures: "Sequence[Image.Image]",
) -> "Image.Image":
    """Return one RGB picture of all pictures, row by row, labelled.

    Cells are as large as the largest picture; labels that are too long end in dots.

    Args:
        rows: What stands beside each: a text, and a word that is below it whole.
        pictures: `len(columns)` times `len(rows)` of them.
    """
    from PIL import Image, ImageDraw, ImageFont

    width = max(one.width for one in pictures)
    height = max(one.height for one in pictures)
    size = (
        _SIDE + len(columns) * (width + _MARGIN) + _MARGIN,
        _LINE + len(rows) * (height + _MARGIN) + _MARGIN,
    )
    sheet = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    for n, label in enumerate(columns):
        left = _SIDE + _MARGIN + n * (width + _MARGIN)
        pen.text((left, 3), _cut(label, width, font), "black", font)
    for n, (text, end) in enumerate(rows):
        top = _LINE + n * (height + _MARGIN)
        for m, line in enumerate(_beside(text, end, height // _LINE, font)):
            pen.text((_MARGIN, top + m * _LINE), line, "black", font)
    for n, picture in enumerate(pictures):
        row, column = divmod(n, len(columns))
        place = (_SIDE + _MARGIN + column * (width + _MARGIN), _LINE + row * (height + _MARGIN))
        sheet.paste(picture, place)
    return sheet


def plain_grid(columns: int, pictures: "Sequence[Image.Image]") -> "Image.Image":
    """Return one RGB picture of all pictures, row by row, edge to edge, without words.

    Cells are as large as the largest picture; what is not filled is white.
    """
    from PIL import Image

    width = max(one.width for one in pictures)
    height = max(one.height for one in pictures)
    rows = -(-len(pictures) // columns)
    sheet = Image.new("RGB", (columns * width, rows * height), "white")
    for n, picture in enumerate(pictures):
        row, column = divmod(n, columns)
        sheet.paste(picture, (column * width, row * height))
    return sheet


def _cut(text: str, width: int, font: "object") -> str:
    """Return as much of a text as fits, with dots where some is missing."""
    if _length(text, font) <= width:
        return text
    while text and _length(text + "...", font) > width:
        text = text[:-1]
    return text + "..."


def _beside(text: str, end: str, most: int, font: "object") -> list[str]:
    """Return the lines of a row's label: as many of its text as there is room for, and its end."""
    width = _SIDE - _MARGIN
    lines = _lines(text, width, font)
    room = max(0, most - 1)
    if room < len(lines):
        lines = [*lines[: room - 1], _cut(" ".join(lines[room - 1 :]), width, font)][:room]
    return [*lines, end]


def _lines(text: str, width: int, font: "object") -> list[str]:
    """Return a text broken at spaces into lines that fit."""
    found: list[str] = []
    for word in text.split():
        joined = f"{found[-1]} {word}" if found else word
        if found and _length(joined, font) <= width:
            found[-1] = joined
        else:
            found.append(_cut(word, width, font))
    return found


def _length(text: str, font: "object") -> float:
    return float(font.getlength(text))  # type: ignore[attr-defined]
