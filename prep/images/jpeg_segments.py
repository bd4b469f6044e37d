"""The marker segments of a JPEG, and where the coded data of each of its scans lies."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_RESTART = re.compile(rb"\xff[\xd0-\xd7]")
_SEQUENTIAL, _DHT, _SOS, _EOI, _DRI = (0xC0, 0xC1), 0xC4, 0xDA, 0xD9, 0xDD
ARITHMETIC = (0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)


@dataclass(frozen=True)
class Scan:
    """Where one scan's coded data lies in a file.

    Attributes:
        begin, end: Its first byte, and the marker after it.
        flat: Zero bits code blocks that repeat their neighbour: long runs of zero bytes are then
            what a picture of one colour gives.
        only: It holds all of the picture.
        restart: The number of the restart marker that may come next; None where there are none.
    """

    begin: int
    end: int
    flat: bool
    only: bool
    restart: int | None


@dataclass
class _Tables:
    """The Huffman tables known so far: (class, number) -> the symbol coded by zero bits."""

    first: dict[int, int] = field(default_factory=dict)

    def read(self, segment: bytes) -> None:
        at = 0
        while at + 17 <= len(segment):
            count = sum(segment[at + 1 : at + 17])
            if count and at + 17 < len(segment):
                self.first[segment[at]] = segment[at + 17]
            at += 17 + count

    def flat(self, header: bytes) -> bool:
        """Return whether zero bits change nothing in the scan with this SOS header."""
        count = header[0]
        low, high, bits = header[1 + 2 * count : 4 + 2 * count]
        if low == 0 and bits >> 4:
            return True  # refined DC values are bare bits
        for place in range(count):
            table = header[2 + 2 * place]
            if low == 0 and self.first.get(table >> 4, -1) != 0:
                return False
            # Symbols without a value are the end of this block, or of a run of blocks.
            symbol = self.first.get(0x10 | (table & 15), -1)
            if high > 0 and (symbol & 15 or symbol == 0xF0 or symbol < 0):
                return False
        return True


@dataclass(frozen=True)
class Segment:
    """A marker segment of a JPEG.

    Attributes:
        marker: The marker's second byte.
        body: What the segment holds, its length left out.
        end: The first byte after it; a scan's data stands there.
        following: The marker after it and after the scan's data; None at the end of the file.
    """

    marker: int
    body: bytes
    end: int
    following: int | None


def segments(data: bytes) -> Iterator[Segment]:
    """Yield the segments of the first picture in the file, up to its end mark."""
    found = _MARKER.search(data, 2)
    while found:
        marker, at = data[found.end() - 1], found.end()
        if marker == _EOI:
            return
        length = int.from_bytes(data[at : at + 2], "big") if marker not in (0x01, 0xD8) else 0
        found = _MARKER.search(data, at + length)
        place = found.start() if found else None
        yield Segment(marker, data[at + 2 : at + length], at + length, place)


def scans(data: bytes) -> list[Scan]:
    """Return the scans of the first picture in the file, in order; see `Scan`.

    None where a decoder wants all data at once (arithmetic coding), or where no marker follows:
    a file that was cut, which every decoder tells.

    Raises:
        IndexError, ValueError: A header is broken.
    """
    tables, found, layers, restarting = _Tables(), [], 0, False
    for segment in segments(data):
        if segment.marker == _DHT:
            tables.read(segment.body)
        elif segment.marker in _SEQUENTIAL:
            layers = segment.body[5]
        elif segment.marker == _DRI:
            restarting = any(segment.body)
        elif segment.marker in ARITHMETIC:
            return []
        elif segment.marker == _SOS:
            if segment.following is None:
                return []
            begin, end = segment.end, segment.following
            last = _RESTART.findall(data, begin, end)[-1:] if restarting else []
            restart = (last[0][1] + 1) % 8 if last else 0
            found.append(
                Scan(
                    begin, end, tables.flat(segment.body), segment.body[0] == layers,
                    restart if restarting else None,
                )
            )  # fmt: skip
    return found
