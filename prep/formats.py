"""Which files are pictures by their names, and which packages let more of them be read.

HEIC and JPEG XL are read where an optional package is installed; nothing of it is imported before
such a file is met. Knows no pixel.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import find_spec

NAMED = {
    ".png": "PNG", ".apng": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG",
    ".jfif": "JPEG", ".jif": "JPEG", ".pjpeg": "JPEG", ".pjp": "JPEG", ".mpo": "JPEG",
    ".webp": "WEBP", ".bmp": "BMP", ".dib": "BMP", ".gif": "GIF", ".tif": "TIFF",
    ".tiff": "TIFF", ".avif": "AVIF", ".avifs": "AVIF",
}  # fmt: skip
# Those that are told where somebody looks for pictures: the others are rare.
_USUAL = (
    ".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpeg", ".jpg", ".jxl", ".png", ".tif",
    ".tiff", ".webp",
)  # fmt: skip
# What Pillow reads only where it was built with a library -> the module that has it.
_BUILT_IN = {".avif": "_avif", ".webp": "_webp"}


@dataclass(frozen=True)
class _Extra:
    """A format that a package adds.

    Attributes:
        name: As a person knows the format.
        pillow: As Pillow calls it once the package is registered.
        module: What is imported.
        package: What is installed.
    """

    name: str
    pillow: str
    module: str
    package: str
    suffixes: tuple[str, ...]


_EXTRAS = (
    _Extra("HEIC", "HEIF", "pillow_heif", "pillow-heif",
           (".heic", ".heif", ".hif", ".heics", ".heifs")),
    _Extra("JPEG XL", "JXL", "pillow_jxl", "pillow-jxl-plugin", (".jxl",)),
)  # fmt: skip
# How files begin that are pictures to a person; not all of them are opened.
_BEGINNINGS = (
    ("JPEG", 0, b"\xff\xd8\xff"), ("PNG", 0, b"\x89PNG\r\n\x1a\n"), ("GIF", 0, b"GIF8"),
    ("BMP", 0, b"BM"), ("TIFF", 0, b"II*\0"), ("TIFF", 0, b"MM\0*"), ("WEBP", 8, b"WEBP"),
    ("TIFF", 0, b"II+\0"), ("TIFF", 0, b"MM\0+"), ("EPS", 0, b"%!PS"), ("PSD", 0, b"8BPS"),
    ("EPS", 0, b"\xc5\xd0\xd3\xc6"), ("PDF", 0, b"%PDF"), ("FITS", 0, b"SIMPLE  ="),
    ("DDS", 0, b"DDS "), ("ICO", 0, b"\0\0\1\0"), ("JPEG 2000", 4, b"jP  "),
    ("JPEG 2000", 0, b"\xff\x4f\xff\x51"), ("JPEG XL", 0, b"\xff\x0a"), ("JPEG XL", 4, b"JXL "),
)  # fmt: skip


def suffixes() -> frozenset[str]:
    """Return the endings, in lower case, of all pictures that can be read on this machine."""
    return frozenset(NAMED).union(*(one.suffixes for one in _EXTRAS if _installed(one)))


def usual_suffixes() -> tuple[str, ...]:
    """Return the usual endings of the pictures that this installation can open, sorted."""
    known = suffixes()
    return tuple(one for one in _USUAL if one in known and _built_in(one))


def _built_in(suffix: str) -> bool:
    """Return whether Pillow, which is not imported for that, was built to read a format."""
    pillow, module = find_spec("PIL"), _BUILT_IN.get(suffix)
    places = pillow.submodule_search_locations if pillow else None
    return module is None or PathFinder.find_spec(f"PIL.{module}", places) is not None


def meant_by(suffix: str) -> str:
    """Return the format that a file's ending says, in any case of letters; empty for no picture."""
    low = suffix.lower()
    more = next((one.name for one in _EXTRAS if low in one.suffixes), "")
    return NAMED.get(low, more)


def package_for(suffix: str) -> str:
    """Return the package that would let files of a suffix be read; empty where none would."""
    lacking = (one for one in _EXTRAS if suffix in one.suffixes and not _installed(one))
    return next((one.package for one in lacking), "")


def package_of(name: str) -> str:
    """Return the package that reads a format, by the name that a person knows; empty for none."""
    return next((one.package for one in _EXTRAS if one.name == name), "")


def registered(name: str) -> str:
    """Let Pillow know a format that a package adds; return Pillow's word for it, "" without it."""
    extra = next((one for one in _EXTRAS if one.name == name and _installed(one)), None)
    if extra is None:
        return ""
    module = import_module(extra.module)
    if extra.module == "pillow_heif":  # the other one does it when it is imported
        module.register_heif_opener()
    return extra.pillow


def known_as(pillow: str) -> str:
    """Return a format of Pillow's as a person knows it; an MPO is several JPEG in one file."""
    more = {one.pillow: one.name for one in _EXTRAS} | {"MPO": "JPEG"}
    return more.get(pillow, pillow)


def _installed(extra: _Extra) -> bool:
    return find_spec(extra.module) is not None


def by_beginning(head: bytes) -> str | None:
    """Return the format that a file's first 64 bytes or more are of; None where none is known."""
    for name, at, beginning in _BEGINNINGS:
        if head[at:].startswith(beginning):
            return name
    if head[4:8] == b"ftyp":  # the brand decides, and it may stand among the compatible ones
        brands = head[8:64]
        if b"avif" in brands or b"avis" in brands:
            return "AVIF"
        return "HEIC" if b"hei" in brands or b"mif1" in brands else None
    return "SVG" if b"<svg" in head else None
