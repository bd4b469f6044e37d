"""A picture's file -> pixels, or PNG files of parts of it. Runs in a decoding process.

Its bytes are held while it is decoded: what was decoded is then what was digested, and damage can
be looked for. Imports no stage and no ledger.
"""

import errno
import hashlib
import io
import os
import stat
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, BinaryIO, NamedTuple, cast

from prep.engine.decoding.memory import RESULT_BYTES
from prep.images import (
    decoding_cost,
    fitting,
    orientation,
    picture_file,
    pixel_steps,
    unreadable,
)

if TYPE_CHECKING:
    from PIL import Image

_TRIES = 3
_PAUSE_S = 0.1
_OPAQUE = ("JPEG", "MPO")
_PASSING = (errno.EIO, errno.ESTALE, errno.EINTR)

Fits = Sequence[Sequence[Any]]


class Source(NamedTuple):
    """The bytes of a file, of one moment, and their SHA-256, in hexadecimal."""

    data: bytes
    sha256: str


class UprightPicture(NamedTuple):
    """A picture, upright RGB, with what is told of it."""

    image: "Image.Image"
    told: Mapping[str, Any]


def cost(path: str, fit: Fits = ()) -> tuple[int, int]:
    """Return how many bytes of memory it takes to decode a picture, and how many the result takes.

    Both are 0 where there is no picture to decode.
    """
    try:
        with _open(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = picture_file.header(file)
            taken = decoding_cost.cost(image) + os.fstat(file.fileno()).st_size
            return taken, RESULT_BYTES * fitting.pixels_after(image.size, fit)
    except Exception:  # hostile files raise nearly every class; whoever decodes it says why
        return 0, 0


@contextmanager
def shown(path: str, fit: Fits = ()) -> Iterator[tuple[UprightPicture, Source]]:
    """Decode a picture's file; its bytes are held until the end of the block.

    Args:
        path: The file.
        fit: Steps that it will go through: they may say that its alpha is wanted, or that it is a
            mask.

    Raises:
        images.Unreadable: For whatever is wrong with the file, unstable for one that changed
            while it was read, and unlike for a mask that is not as large as its picture.
        MemoryError: It takes more than the process may have.
    """
    found = _source(path)
    try:
        first = fit[0][0] if fit else ""
        alpha, mask = first == fitting.ALPHA_OF, first == fitting.MASK_OF
        stream = io.BytesIO(found.data)
        picture = picture_file.opened(stream, Path(path).name, alpha=alpha, opaque=mask)
    except unreadable.Unreadable as error:
        if error.args == unreadable.NO_MEMORY:
            raise MemoryError from None
        raise
    for size, file in fitting.wanted_sizes(picture.image.size, fit):
        _check_as_large(size, file)
    told = {
        "sha256": found.sha256,
        "format": picture.format,
        "whole": picture.image.size,
        "warnings": picture.warnings,
    }
    yield UprightPicture(picture.image, told), found


def _check_as_large(size: tuple[int, int], path: str) -> None:
    """Raise unless the picture that a mask of some size lies over is as large."""
    try:
        with _open(path) as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = picture_file.header(file)
            wanted = image.size[::-1] if orientation.lies(image) else image.size
    except (OSError, unreadable.Unreadable):
        raise unreadable.Unreadable("missing", f"its picture `{path}` cannot be read") from None
    if size != wanted:
        (width, height), (wide, high) = size, wanted
        sizes = f"it is {width}x{height} px, and the picture {wide}x{high}"
        raise unreadable.Unreadable("unlike", sizes)


def fitted(picture: UprightPicture, fit: Fits) -> UprightPicture:
    """Return a picture with the steps of `prep.images.fitting` done; its size is told."""
    image = fitting.fitted(picture.image, fit)
    return UprightPicture(image, {**picture.told, "size": image.size})


def write_part(picture: UprightPicture, source: Source, part: Mapping[str, Any]) -> dict[str, Any]:
    """Write a part of a picture as PNG, or its whole file as it is; return its SHA-256.

    Args:
        part: `to`: the file, which nobody reads yet. `steps`: those of `prep.images.pixel_steps`
            that are done to the picture; None for a copy of the file.

    Raises:
        OSError: The disk does not take it.
    """
    with Path(part["to"]).open("wb") as file:
        into = _Digested(file)
        if part["steps"] is None:
            into.write(source.data)
        else:
            alpha = partial(_alpha, picture, source)
            image = pixel_steps.done(picture.image, part["steps"], alpha=alpha)
            picture_file.write_png(image, cast("BinaryIO", into))
        file.flush()
        os.fsync(file.fileno())
        if os.fstat(file.fileno()).st_size != into.size:
            raise OSError(errno.EIO, "the disk took only a part of it")
    return {"sha256": into.state.hexdigest()}


def _alpha(picture: UprightPicture, source: Source) -> "Image.Image | None":
    """Return the alpha of a picture as grey RGB; None where its format has none."""
    if picture.told["format"] in _OPAQUE:
        return None
    return picture_file.opened(io.BytesIO(source.data), alpha=True).image


def read(path: str) -> bytes:
    """Return a file's bytes, all of one moment.

    Raises:
        images.Unreadable: missing, not-a-file, io-error, resource-limit, or unstable for a file
            that changed while it was read, three times.
    """
    return _source(path).data


def _source(path: str) -> Source:
    """Read a file whose bytes are of one moment, at the third attempt if need be."""
    why = _unstable()
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S * attempt)
        try:
            with _open(path) as file:
                found = _once(file)
        except (FileNotFoundError, NotADirectoryError):
            raise unreadable.Unreadable("missing", "the file is gone") from None
        except OSError as error:
            why = unreadable.Unreadable("io-error", error.strerror or str(error))
            if error.errno not in _PASSING:
                break
            continue
        if found is not None:
            return found
    raise why


def _open(path: str) -> BinaryIO:
    """Open a regular file; waiting for nothing and nobody."""
    # Without O_NONBLOCK, opening a fifo would wait for its writer for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise unreadable.Unreadable("not-a-file", "a folder, pipe or device, not a file")
    return open(descriptor, "rb")


def _once(file: BinaryIO) -> Source | None:
    """Return a file's bytes and their digest, or None where it changed meanwhile."""
    before = os.fstat(file.fileno())
    if before.st_size > picture_file.MAX_BYTES:
        limit = f"{before.st_size} bytes, at most {picture_file.MAX_BYTES} are read"
        raise unreadable.Unreadable("resource-limit", limit)
    data = file.read(before.st_size + 1)
    after = os.fstat(file.fileno())
    if _moment(before) != _moment(after) or len(data) != after.st_size:
        return None
    return Source(data, hashlib.sha256(data).hexdigest())


def _moment(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _unstable() -> unreadable.Unreadable:
    return unreadable.Unreadable("unstable", "it changes while it is read")


class _Digested(io.RawIOBase):
    """A file that is written once, from its beginning; `state` has the digest of it all."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self.state, self.size = file, hashlib.sha256(), 0

    def write(self, data: Any) -> int:
        """Write some bytes."""
        self._count(data)
        return self._file.write(data)

    def _count(self, data: Any) -> int:
        self.state.update(data)
        self.size += len(data)
        return len(data)
