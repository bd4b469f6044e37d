"""Endings of pictures, and the formats that a package adds."""

import io
import struct
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from PIL import Image

from prep import formats
from prep.images import Unreadable, opened

Prep = Callable[..., Any]
Draw = Callable[..., Path]
HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"
JXL = b"\xff\x0a" + bytes(30)
EXTRAS = [
    ("pillow_heif", "pillow-heif", "HEIC", HEIC),
    ("pillow_jxl", "pillow-jxl-plugin", "JPEG XL", JXL),
]


@pytest.mark.parametrize("ending", [".jpe", ".mpo", ".jif", ".pjp"])
def test_other_endings_of_jpeg(prep: Prep, draw: Draw, ending: str) -> None:
    """Case B1: a JPEG under any of its endings is a picture, with its sidecar."""
    draw("raw/a.jpg").rename(f"raw/a{ending}")
    tagged = prep("tag", "raw", "--model", "tiny")

    assert tagged.code == 0
    assert tagged.out.endswith("  1 picture: 1 good, 0 left out, 0 failed\n")
    assert Path("raw/a.txt").exists()


def test_a_picture_of_several_pictures(prep: Prep, home: Path) -> None:
    """Case B1: an MPO and an APNG under their own endings are read as their first picture."""
    frames = [Image.new("RGB", (40, 30), color) for color in ("red", "blue")]
    (home / "raw").mkdir()
    frames[0].save("raw/a.mpo", save_all=True, append_images=frames[1:])
    frames[0].save("raw/b.apng", "PNG", save_all=True, append_images=frames[1:])

    assert prep("edit", "raw").out.endswith("  2 pictures: 2 good, 0 left out, 0 failed\n")
    for name in ("a.mpo", "b.apng"):
        decoded = opened(Path("raw") / name)
        assert decoded.image.size == (40, 30)
        assert decoded.image.getpixel((20, 15))[0] > 250  # type: ignore[index]


@pytest.mark.parametrize(("module", "package", "name", "data"), EXTRAS)
def test_without_its_package_a_format_is_named_with_it(
    monkeypatch: pytest.MonkeyPatch, module: str, package: str, name: str, data: bytes
) -> None:
    """Case B1: what a package would read says which one, under any file name."""
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(Unreadable) as caught:
        opened(io.BytesIO(data))

    assert caught.value.why == (
        f"{name} is not opened: `pip install {package}` reads it, or save it as PNG or JPEG"
    )


@pytest.mark.parametrize("ending", [".heic", ".heif", ".hif", ".jxl", ".HEIC"])
def test_without_its_package_a_file_is_no_picture(
    monkeypatch: pytest.MonkeyPatch, prep: Prep, draw: Draw, ending: str
) -> None:
    """Case B1: the line on other files says what to install; the exit code is that of the rest."""
    for module, *_ in EXTRAS:
        monkeypatch.setitem(sys.modules, module, None)
    draw("raw/a.png")
    Path(f"raw/b{ending}").write_bytes(HEIC)
    package = formats.package_for(ending.lower())
    told = prep("edit", "raw")

    assert package in ("pillow-heif", "pillow-jxl-plugin")
    assert told.code == 0
    assert (
        "  1 other file is not a picture that can be read: "
        f"1 {ending.lower()} (`pip install {package}` reads it)\n"
    ) in told.out


@pytest.mark.parametrize(
    ("module", "ending", "kind"), [("pillow_heif", ".heic", "HEIF"), ("pillow_jxl", ".jxl", "JXL")]
)
def test_with_its_package_a_format_is_read(
    prep: Prep, home: Path, module: str, ending: str, kind: str
) -> None:
    """Case B1: HEIC and JPEG XL are pictures like others, turned as they say, in every process."""
    pytest.importorskip(module)
    word = {"HEIF": "HEIC", "JXL": "JPEG XL"}[kind]
    assert formats.registered(word) == kind
    left = Image.new("RGB", (40, 20), "blue")
    left.paste((255, 0, 0), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6  # the left side is up, but of JPEG XL EXIF says nothing
    (home / "raw").mkdir()
    left.save(f"raw/a{ending}", kind, exif=exif.tobytes())
    Path("raw/b.jpg").write_bytes(Path(f"raw/a{ending}").read_bytes())

    decoded = opened(Path(f"raw/a{ending}"))
    told = prep("tag", "raw", "--model", "tiny", "--jobs", 2)

    size = (20, 40) if kind == "HEIF" else (40, 20)
    assert (decoded.format, decoded.warnings, decoded.image.size) == (word, (), size)
    red, _, blue = decoded.image.getpixel((10, 8))  # type: ignore[misc]
    assert red > 200 > 60 > blue
    assert opened(Path("raw/b.jpg")).warnings == (f"is named as JPEG and holds {word}",)
    assert told.code == 0
    assert told.out.endswith("  2 pictures: 2 good, 0 left out, 0 failed\n")


def _sketch() -> Image.Image:
    """Return a picture whose corners differ: red, green, blue, black."""
    image = Image.new("RGB", (64, 32))
    for at, colour in (((0, 0), "red"), ((32, 0), "lime"), ((0, 16), "blue")):
        image.paste(colour, (*at, at[0] + 32, at[1] + 16))
    return image


def _corners(data: bytes) -> str:
    """Return the corners of a picture as it is read, row by row."""
    shown = opened(io.BytesIO(data)).image
    width, height = shown.size
    names = {(1, 0, 0): "r", (0, 1, 0): "g", (0, 0, 1): "b", (0, 0, 0): "k"}
    places = [(x, y) for y in (3, height - 4) for x in (3, width - 4)]
    pixels = [shown.getpixel(place) for place in places]
    return "".join(names[tuple(value > 128 for value in pixel)] for pixel in pixels)  # type: ignore[index, union-attr]


def _exif(turn: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = turn
    return exif.tobytes()


def _turned_jxl(turn: int) -> bytes:
    """Return a JPEG XL codestream that says how it is turned (ISO/IEC 18181-1, ImageMetadata).

    Pillow's plugin writes metadata of all defaults, one bit: it becomes the same with a turn.
    """
    stream = io.BytesIO()
    _sketch().save(stream, "JXL", quality=95)
    data = stream.getvalue()
    bits = [byte >> at & 1 for byte in data[2:] for at in range(8)]
    at = 9  # behind the sizes
    assert bits[at : at + 2] == [1, 1]
    turns = [(turn - 1) >> n & 1 for n in range(3)]
    head = [*bits[:at], 0, 1, *turns, *[0] * 6, 1, 0, 0, 1, 1, 1, 0, 0, 1]
    head += [0] * (-len(head) % 8)
    bits = head + bits[(at + 9) // 8 * 8 :]
    return data[:2] + bytes(
        sum(bit << n for n, bit in enumerate(bits[at : at + 8])) for at in range(0, len(bits), 8)
    )


def _boxed(codestream: bytes, exif: bytes) -> bytes:
    """Return a JPEG XL file with boxes: the codestream and EXIF data."""
    boxes = (
        (b"JXL ", b"\r\n\x87\n"),
        (b"ftyp", b"jxl \0\0\0\0jxl "),
        (b"Exif", bytes(4) + exif.removeprefix(b"Exif\0\0")),
        (b"jxlc", codestream),
    )
    return b"".join(struct.pack(">I", 8 + len(body)) + kind + body for kind, body in boxes)


TURNS = {1: "rgbk", 3: "kbgr", 6: "brkg", 8: "gkrb"}


@pytest.mark.parametrize("turn", TURNS)
def test_a_heic_is_turned_once(turn: int) -> None:
    """Case G: a HEIC photograph is upright by `irot`, whatever its EXIF says as well."""
    pytest.importorskip("pillow_heif").register_heif_opener()
    stream = io.BytesIO()
    _sketch().save(stream, "HEIF", quality=95, exif=_exif(turn))

    assert _corners(stream.getvalue()) == TURNS[turn]


@pytest.mark.parametrize("turn", TURNS)
def test_a_jpeg_xl_is_turned_once(turn: int, tmp_path: Path) -> None:
    """Case G: JPEG XL is upright by its codestream; EXIF turns it only where a JPEG is inside."""
    pytest.importorskip("pillow_jxl")
    codestream = _turned_jxl(turn)
    _sketch().save(tmp_path / "a.jpg", quality=95, subsampling=0, exif=_exif(turn))
    with Image.open(tmp_path / "a.jpg") as photograph:
        photograph.save(tmp_path / "a.jxl", lossless_jpeg=True)

    assert _corners(codestream) == TURNS[turn]
    assert _corners(_boxed(codestream, _exif(turn))) == TURNS[turn]
    assert _corners(_boxed(_turned_jxl(1), _exif(turn))) == TURNS[1]
    assert _corners((tmp_path / "a.jxl").read_bytes()) == TURNS[turn]


def _endings(prep: Prep) -> list[str]:
    """Return the endings that are told where a folder has no pictures."""
    hint = prep("edit", "raw").err.splitlines()[1]
    return hint.partition("pictures end in ")[2].split(", ")


def test_the_endings_that_are_told_are_those_that_can_be_opened(
    prep: Prep, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case B1: with its package an ending is told, without it is not; AVIF and WebP as built."""
    (home / "raw").mkdir()
    for module, *_ in EXTRAS:
        monkeypatch.setitem(sys.modules, module, None)
    bare = _endings(prep)
    for module, *_ in EXTRAS:
        fake = ModuleType(module)
        fake.__spec__ = ModuleSpec(module, None)
        monkeypatch.setitem(sys.modules, module, fake)
    full = _endings(prep)
    monkeypatch.setattr(formats, "_BUILT_IN", {".avif": "_nothing", ".webp": "_webp"})

    assert set(full) - set(bare) == {".heic", ".heif", ".jxl"}
    assert set(full) <= formats.suffixes()
    assert full == sorted(full)
    assert set(full) - set(_endings(prep)) == {".avif"}
