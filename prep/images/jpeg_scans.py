"""Decode a JPEG and see whether its data reaches to the last block of every scan.

libjpeg fills what is missing with grey and only warns, and Pillow drops the warning. So the data
is handed to the decoder scan by scan, and at each end a few zero bytes, one at a time: a decoder
that is done with a scan looks for the next marker and takes each byte at once; one that still
wants blocks waits until it has eight. A picture of one scan is told simpler: its last row is out.
The extra bytes change no pixel of a whole picture: decoders skip what stands before a marker.
"""

from typing import Any

from prep.images.jpeg_segments import Scan, scans

# A run of zero bytes this long is a hole, unless the coding makes it probable.
HOLE = 256
# What a decoder may want beyond the end of a whole scan; files that lack a byte or two are common.
_SLACK = 8
# So many bytes taken one by one show a decoder that looks for a marker.
_TAKEN = 24


class DamagedError(Exception):
    """Part of the picture's data is missing; the text says how, after "the JPEG is damaged: "."""


def load(image: Any, data: bytes) -> None:
    """Read the pixels of an opened JpegImageFile from the file's bytes, as its `load` does.

    Raises:
        DamagedError: A scan ends before its last block, or a hole is in it.
        OSError: Whatever Pillow says of a file that it cannot decode.
    """
    try:
        parts = scans(data)
    except (IndexError, ValueError):
        parts = []
    if not parts or len(image.tile) != 1:
        image.load()
        return
    feed = _Feed(image, data)
    try:
        for scan, following in zip(parts, [*parts[1:], None], strict=True):
            _check_holes(feed, scan)
            feed.until(scan.end)
            if not feed.at_end_of(scan):
                raise DamagedError("the data for part of it is missing")
            _check_gap(data, scan.end, following.begin if following else _end_mark(data, scan.end))
        feed.until(len(data))
    finally:
        feed.close()
    if feed.failed or not feed.done:
        image.load()
    image.tile, image.readonly = [], 0


def _check_holes(feed: "_Feed", scan: Scan) -> None:
    """Raise DamagedError for a run of zero bytes that no picture gives."""
    hole = feed.data.find(bytes(HOLE), scan.begin, scan.end)
    if hole < 0:
        return
    if not feed.data[hole : scan.end].strip(b"\0"):
        feed.until(hole)
        if feed.passes_over(min(hole + _SLACK + 2 * _TAKEN, scan.end)):  # a camera's padding
            return
    if scan.flat:
        # Zeros in place of other data code more blocks than that did: some data is left over.
        feed.until(scan.end - 4 * _TAKEN)
        if not feed.passes_over(scan.end - _SLACK):
            return
    raise DamagedError(f"a run of zero bytes at byte {hole} of the file")


def _check_gap(data: bytes, begin: int, end: int) -> None:
    """Raise DamagedError for zeros between two scans, where headers stand."""
    hole = data.find(bytes(HOLE), begin, end)
    if hole >= 0:
        raise DamagedError(f"a run of zero bytes at byte {hole} of the file")


def _end_mark(data: bytes, at: int) -> int:
    return max(data.find(b"\xff\xd9", at), at)


class _Feed:
    """Pillow's JPEG decoder, given the file's bytes piece by piece.

    Attributes:
        done: All rows are written.
        failed: The decoder gave up.
    """

    def __init__(self, image: Any, data: bytes) -> None:
        from PIL import Image

        image.load_prepare()
        name, extents, _, arguments = image.tile[0]
        self.data, self.done, self.failed = data, False, False
        # Not public, and what every plugin of Pillow is built on: (mode, name, arguments, extra).
        self._decoder = Image._getdecoder(image.mode, name, arguments, image.decoderconfig)
        self._decoder.setimage(image.im, extents)
        self._at, self._kept = 0, b""

    def until(self, end: int) -> None:
        """Hand over the bytes up to a place in the file."""
        if end > self._at:
            self._give(self._kept + self.data[self._at : end])
            self._at = end

    def passes_over(self, end: int) -> bool:
        """Hand over the bytes up to `end` one by one; return whether they were not wanted."""
        taken = longest = 0
        for place in range(self._at, end):
            self.until(place + 1)
            if self._kept != b"\xff":  # that one waits for its second byte in any case
                taken = 0 if self._kept else taken + 1
            longest = max(longest, taken)
        return self.done or longest >= _TAKEN

    def at_end_of(self, scan: Scan) -> bool:
        """Return whether the decoder, given a scan's data, wants no more of it."""
        taken = 0
        for count in range(_SLACK + _TAKEN):
            if self.done or self.failed or (count >= _SLACK and not taken):
                break
            self._give(self._kept + b"\0")
            taken = 0 if self._kept else taken + 1
        if self.done or self.failed or scan.only or taken < _TAKEN:
            return self.done or self.failed
        return scan.restart is None or not self._restarts(scan.restart)

    def _restarts(self, number: int) -> bool:
        """Return whether it was waiting for this restart marker, and goes on with data."""
        self._give(self._kept + bytes([0xFF, 0xD0 + number]))
        for _ in range(8):
            self._give(self._kept + b"\0")
            if self._kept:
                return True
        return False

    def close(self) -> None:
        """Free the decoder."""
        self._decoder.cleanup()

    def _give(self, piece: bytes) -> None:
        if self.done or self.failed:
            return
        used, error = self._decoder.decode(piece)
        if used < 0:
            self.done, self.failed = error >= 0, error < 0
        self._kept = piece[max(0, used) :]
