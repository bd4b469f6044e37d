"""The picture in docs/crops.md: shots of sprites, and photographs cut in two ways.

`python -m benchmarks.crop_sheet --shared ../shared/data --out docs/crops.png`. The commands are
typed as a person types them.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw

ROOT = Path(__file__).resolve().parents[1]
SPRITES = ("eileen happy", "lucy happy", "lucy mad", "sylvie blue smile", "sylvie green normal")
PHOTOS = (
    "dog3/00.jpg",
    "dog3/02.jpg",
    "duck_toy/01.jpg",
    "monster_toy/03.jpg",
    "monster_toy/04.jpg",
)
CELL = (150, 190)  # px: a cell's picture is at most as large
GROUND, INK = "#e8e8e4", "#333333"
_TEXT = 14


def main(arguments: Sequence[str] | None = None) -> int:
    """Type the commands, and draw the sheet."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--shared", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("crops.png"))
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        rows = [*_sprites(given.shared.resolve(), top), *_photos(given.shared.resolve(), top)]
        _drawn(rows).quantize(256).save(given.out, optimize=True)
    return 0


Cell = tuple[str, Path]


def _sprites(shared: Path, top: Path) -> list[list[Cell]]:
    """Return a row of cells for each two sprites: the picture, and its shots."""
    (top / "raw").mkdir()
    for name in SPRITES:
        shutil.copy(shared / "renpy-sprites" / f"{name}.png", top / "raw")
    cascade = shared / "lbpcascade-animeface" / "lbpcascade_animeface.xml"
    _typed(top, "faces", "raw", "--model", f"{cascade},nudenet")
    _typed(top, "crop", "raw", "shots", "--cut", "stages", "--min-side", "64")
    rows = []
    for name in SPRITES:
        made = {path.name.split("@")[1][:-4]: path for path in (top / "shots").glob(f"{name}*")}
        order = [shot for shot in ("figure", "upper", "face") if shot in made]
        rows.append([(name, top / "raw" / f"{name}.png"), *((s, made[s]) for s in order)])
    return rows


def _photos(shared: Path, top: Path) -> list[list[Cell]]:
    """Return rows of photographs, and of their crops in the middle and by saliency."""
    (top / "photos").mkdir()
    for name in PHOTOS:
        image = Image.open(shared / "photos" / name)
        image.save(top / "photos" / name.replace("/", " ").replace(".jpg", ".png"))
    ratio = ("--aspect-ratio", "0.5")
    _typed(top, "crop", "photos", "centre", *ratio)
    _typed(top, "crop", "photos", "saliency", *ratio, "--focus", "saliency")
    rows = []
    for path in sorted((top / "photos").glob("*.png")):
        each = [(how, top / how / f"{path.name}@crop.png") for how in ("centre", "saliency")]
        rows.append([(path.stem, path), *each])
    return rows


def _typed(folder: Path, *words: str) -> None:
    more = {"PYTHONPATH": str(ROOT), "XDG_DATA_HOME": str(folder / "home")}
    command = [sys.executable, "-P", "-m", "prep", *words]
    subprocess.run(command, cwd=folder, env={**os.environ, **more}, check=True)


def _drawn(rows: Sequence[Sequence[Cell]]) -> Image.Image:
    """Return the sheet: two rows of cells beside each other."""
    width, height = CELL[0] + 10, CELL[1] + _TEXT + 8
    half = 4 * width
    sheet = Image.new("RGB", (2 * half, -(-len(rows) // 2) * height), GROUND)
    pen = ImageDraw.Draw(sheet)
    for number, row in enumerate(rows):
        for place, (words, path) in enumerate(row):
            with Image.open(path) as file:
                image = file.convert("RGBA")
            image.thumbnail(CELL)
            left, top = (number % 2) * half + place * width + 5, number // 2 * height + 4
            sheet.paste("white", (left, top, left + image.width, top + image.height))
            sheet.paste(image, (left, top), image)
            pen.text((left, top + CELL[1] + 1), words, fill=INK)
    return sheet


if __name__ == "__main__":
    sys.exit(main())
