"""Which files are pictures by their names, and which packages let more of them be read.

HEIC and JPEG XL are read where an optional package is installed; nothing of it is imported before
such a file is met. Knows no pixel.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

NAMED = {
    ".png": "PNG", ".apng": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".jpe": "JPEG",
    ".jfif": "JPEG", ".jif": "JPEG", ".pjpeg": "JPEG", ".pjp": "JPEG", ".mpo": "JPEG",
    ".webp": "WEBP", ".bmp": "BMP", ".dib": "BMP", ".gif": "GIF", ".tif": "TIFF",
    ".tiff": "TIFF", ".avif": "AVIF", ".avifs": "AVIF",
}  # fmt: skip
# Those that are told where somebody looks for pictures: the others are rare.
USUAL = (
    ".avif", ".bmp", ".gif", ".jfif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp",
)  # fmt: skip


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


def suffixes() -> frozenset[str]:
    """Return the endings, in lower case, of all pictures that can be read on this machine."""
    return frozenset(NAMED).union(*(one.suffixes for one in _EXTRAS if _installed(one)))


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
