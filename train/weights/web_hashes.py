"""The hashes that WebUIs know a file of adapters by, computed while it is written.

They stand in the header, before the numbers that they are of: their places are kept free until all
is written. What they are of: `train.export.lora_file.hashes`.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from prep.runtime import files

Pieces = Iterator[bytes | memoryview]
HASHES = ("sshs_model_hash", "sshs_legacy_hash")  # among metadata
_BLANK = dict(zip(HASHES, ("0" * 64, "0" * 8), strict=True))
_START, _END = 1 << 20, (1 << 20) + (64 << 10)  # of a file what the older hash is of


def write(
    scratch: Path, pieces: Callable[[Mapping[str, str]], Pieces], metadata: Mapping[str, str]
) -> bool:
    """Write a file with its hashes; return whether it reads back as what was written.

    Args:
        scratch: Nobody reads it yet.
        pieces: Metadata -> the file that says them, its whole header first; no other piece depends
            on them.
        metadata: Hashes among them are left out.

    Raises:
        MachineError: The disk is full.
    """
    said = {word: one for word, one in metadata.items() if word not in HASHES}
    few = {word: one for word, one in said.items() if word.startswith("ss_")}
    sums = _Sums(bytes(next(pieces(few))))
    if files.write_pieces(scratch, sums.seen(pieces(said | _BLANK))) != files.digest(scratch):
        return False
    with scratch.open("r+b") as file:
        file.write(next(pieces(said | sums.hashes())))
    return True


class _Sums:
    """The two hashes of the pieces of a file: of all numbers, and of a part of it.

    The part is that of the same numbers behind another header.
    """

    def __init__(self, header: bytes) -> None:
        self._whole, self._part = hashlib.sha256(), hashlib.sha256(header[_START:_END])
        self._at = len(header)

    def seen(self, pieces: Pieces) -> Pieces:
        """Yield the pieces of a file as they are; its header, the first, counts for nothing."""
        yield next(pieces)
        for piece in pieces:
            self._whole.update(piece)
            self._part.update(piece[max(_START - self._at, 0) : max(_END - self._at, 0)])
            self._at += len(piece)
            yield piece

    def hashes(self) -> dict[str, str]:
        """Return them, by their words among the metadata."""
        found = (self._whole.hexdigest(), self._part.hexdigest()[:8])
        return dict(zip(HASHES, found, strict=True))
