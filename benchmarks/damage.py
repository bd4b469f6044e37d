"""How many damaged pictures are refused: holes of zeros, and cuts that were made to look whole.

`python -m benchmarks.damage FOLDER [COUNT]` saves the pictures of a folder in each format at
900x800 px, damages COUNT copies (300) of each kind, and prints and writes (`damage.json`) how many
are refused, how many show the same pixels, how many are taken with other pixels. A sound picture
that is refused ends it.
"""

import io
import json
import random
import sys
from pathlib import Path
from typing import Any

from PIL import Image

from prep.images.picture_file import opened
from prep.images.unreadable import Unreadable

FORMS: dict[str, tuple[str, dict[str, Any]]] = {
    "JPEG": ("JPEG", {"quality": 85}),
    "JPEG, progressive": ("JPEG", {"quality": 85, "progressive": True}),
    "PNG": ("PNG", {}),
    "WebP": ("WEBP", {"quality": 85}),
    "WebP, lossless": ("WEBP", {"lossless": True, "method": 2}),
    "AVIF": ("AVIF", {"quality": 75, "speed": 9}),
    "GIF": ("GIF", {}),
    "TIFF, LZW": ("TIFF", {"compression": "tiff_lzw"}),
    "TIFF, Deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "TIFF, PackBits": ("TIFF", {"compression": "packbits"}),
    "TIFF, JPEG": ("TIFF", {"compression": "jpeg"}),
    "TIFF, Zstandard": ("TIFF", {"compression": "zstd"}),
}


def main(folder: Path, count: int) -> int:
    """Print and write the table; return 0."""
    paths = [p for p in sorted(folder.rglob("*")) if p.suffix in (".jpg", ".png")]
    pictures = [opened(path).image.resize((900, 800)) for path in paths]
    table = {name: damaged(pictures, name, count) for name in FORMS}
    Path("damage.json").write_text(json.dumps(table, indent=1) + "\n")
    for name, kinds in table.items():
        print(f"{name:<20}", *(f"{kind} {found}" for kind, found in kinds.items()))
    return 0


def damaged(pictures: list[Image.Image], name: str, count: int) -> dict[str, dict[str, int]]:
    """Return kind of damage -> what came of it -> how often."""
    form, options = FORMS[name]
    chance = random.Random(name)
    files = [encoded(picture, form, options) for picture in pictures]
    sound = [opened(io.BytesIO(data)).image.tobytes() for data in files]
    table = {kind: dict.fromkeys(("refused", "same", "taken"), 0) for kind in ("holes", "cuts")}
    for turn in range(count):
        place = turn % len(files)
        data = files[place]
        length = min(int(2 ** chance.uniform(9, 16)), len(data) // 2)
        at = chance.randrange(len(data) - length)
        hole = data[:at] + bytes(length) + data[at + length :]
        cut = ended(data, form, int(len(data) * chance.uniform(0.1, 0.9)))
        for kind, tried in (("holes", hole), ("cuts", cut)):
            table[kind][outcome(tried, sound[place])] += 1
    return table


def encoded(picture: Image.Image, form: str, options: dict[str, Any]) -> bytes:
    """Return a picture as a file."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


def outcome(data: bytes, pixels: bytes) -> str:
    """Return what came of a damaged file."""
    try:
        return "same" if opened(io.BytesIO(data)).image.tobytes() == pixels else "taken"
    except Unreadable:
        return "refused"


def ended(data: bytes, form: str, length: int) -> bytes:
    """Return the beginning of a file, made to look whole."""
    cut = data[:length]
    if form in ("JPEG", "PNG", "GIF"):
        return cut + {"JPEG": b"\xff\xd9", "PNG": data[-12:], "GIF": b"\0;"}[form]
    if form == "WEBP":
        cut += bytes(len(cut) % 2)
        sizes = [(len(cut) - n).to_bytes(4, "little") for n in (8, 20)]
        return cut[:4] + sizes[0] + cut[8:16] + sizes[1] + cut[20:]
    return cut + bytes(len(data) - len(cut))  # the rest was reserved, and never written


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 300))
