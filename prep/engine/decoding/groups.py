"""Which pictures a decoder is asked for at a time: small files together, any other one alone.

To ask for one and to hear of it takes as long as decoding a small picture does.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.engine.decoding.outcome import DecodedPicture, Failure, Part

_MOST_BYTES = 128 << 10  # of the files of a group


@dataclass
class AskedPicture:
    """A picture on its way through a decoder.

    Attributes:
        key: What it is called by who asked for it.
        path: Its file.
        fit: Steps of `prep.images.fitting` that it goes through.
        parts: From what is known of it, which parts are to be written as files.
        number: Its place in the order; see `Memory.number`.
        result: What becomes of it.
        deaths: How many decoders died of it.
    """

    key: Any
    path: Path
    fit: Sequence[Any]
    parts: Callable[[DecodedPicture], Sequence[Part]] | None = None
    number: int = 0
    result: "Future[DecodedPicture | Failure]" = field(default_factory=Future)
    deaths: int = 0


def grouped(pictures: Iterable[AskedPicture]) -> Iterator[list[AskedPicture]]:
    """Yield pictures in groups, in their order; one of which parts are written is alone."""
    group: list[AskedPicture] = []
    size = 0
    for one in pictures:
        more = _MOST_BYTES if one.parts else _size(one.path)
        if group and size + more > _MOST_BYTES:
            yield group
            group, size = [], 0
        group.append(one)
        size += more
        if size == _MOST_BYTES:  # what comes after it is not read before its time
            yield group
            group, size = [], 0
    if group:
        yield group


def _size(path: Path) -> int:
    """Return the size of a file in bytes; of one that cannot be looked at, as of a large one."""
    try:
        return min(os.stat(path).st_size, _MOST_BYTES)
    except OSError:
        return _MOST_BYTES
