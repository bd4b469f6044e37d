"""Endings of pictures, and the formats that a package adds."""

import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from io import BytesIO
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
        opened(BytesIO(data))

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
    exif[0x0112] = 6  # the left side is up
    (home / "raw").mkdir()
    left.save(f"raw/a{ending}", kind, exif=exif.tobytes())
    Path("raw/b.jpg").write_bytes(Path(f"raw/a{ending}").read_bytes())

    decoded = opened(Path(f"raw/a{ending}"))
    told = prep("tag", "raw", "--model", "tiny", "--jobs", 2)

    assert (decoded.format, decoded.warnings, decoded.image.size) == (word, (), (20, 40))
    red, _, blue = decoded.image.getpixel((10, 8))  # type: ignore[misc]
    assert red > 200 > 60 > blue
    assert opened(Path("raw/b.jpg")).warnings == (f"is named as JPEG and holds {word}",)
    assert told.code == 0
    assert told.out.endswith("  2 pictures: 2 good, 0 left out, 0 failed\n")


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
