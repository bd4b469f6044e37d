"""What Pillow does not tell of an AVIF: its colour coding and where its pictures' data lie.

ISO/IEC 14496-12 (boxes), 23008-12 (items and their properties); a broken box counts as absent.
"""

from collections.abc import Iterator

# Boxes within the `meta` box that hold more than their own boxes: bytes to skip.
_FULL = 4


def boxes(data: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yield (type, begin, end) of the content of each box between two places."""
    while begin + 8 <= end:
        size, start = int.from_bytes(data[begin : begin + 4], "big"), begin + 8
        if size == 1:
            size, start = int.from_bytes(data[start : start + 8], "big"), start + 8
        last = end if size == 0 else begin + size
        if last < start or last > end:
            return
        yield data[begin + 4 : begin + 8], start, last
        begin = last


def coding(data: bytes) -> tuple[int, int, int, int] | None:
    """Return (primaries, transfer, matrix, full range) of the first picture; None without."""
    meta = _meta(data)
    if b"iprp" not in meta:
        return None
    parts = {name: (begin, end) for name, begin, end in boxes(data, *meta[b"iprp"])}
    if b"ipco" not in parts or b"ipma" not in parts:
        return None
    properties = list(boxes(data, *parts[b"ipco"]))
    for place in _properties(data, parts[b"ipma"], _primary(data, meta)):
        name, begin, end = properties[place - 1] if 0 < place <= len(properties) else (b"", 0, 0)
        if name == b"colr" and data[begin : begin + 4] == b"nclx" and end - begin >= 11:
            numbers = [_number(data, begin + 4 + 2 * n, 2) for n in range(3)]
            return numbers[0], numbers[1], numbers[2], data[begin + 10] >> 7
    return None


def picture_data(data: bytes) -> list[tuple[int, int]]:
    """Return (begin, end) of every piece of coded picture in the file, thumbnails included."""
    meta = _meta(data)
    if b"iloc" not in meta or b"iinf" not in meta:
        return []
    coded = set(_items(data, meta[b"iinf"]))
    return [(start, stop) for item, start, stop in _extents(data, *meta[b"iloc"]) if item in coded]


def _meta(data: bytes) -> dict[bytes, tuple[int, int]]:
    for name, begin, end in boxes(data, 0, len(data)):
        if name == b"meta":
            return {kind: (first, last) for kind, first, last in boxes(data, begin + _FULL, end)}
    return {}


def _primary(data: bytes, meta: dict[bytes, tuple[int, int]]) -> int:
    begin, _ = meta.get(b"pitm", (0, 0))
    return _number(data, begin + _FULL, 4 if data[begin] else 2) if begin else 0


def _properties(data: bytes, ipma: tuple[int, int], item: int) -> list[int]:
    """Return the places, from 1, of an item's properties."""
    at, end = ipma
    wide_item, wide_place = data[at] > 0, data[at + 3] & 1
    count, at = _number(data, at + 4, 4), at + 8
    for _ in range(count):
        size = 4 if wide_item else 2
        if at + size >= end:
            break
        found, links, at = _number(data, at, size), data[at + size], at + size + 1
        width = 2 if wide_place else 1
        if found == item:
            mask = 0x7FFF if wide_place else 0x7F
            return [_number(data, at + width * n, width) & mask for n in range(links)]
        at += width * links
    return []


def _items(data: bytes, iinf: tuple[int, int]) -> Iterator[int]:
    """Yield the numbers of the items that are coded by AV1."""
    begin, end = iinf
    for name, at, _ in boxes(data, begin + _FULL + (4 if data[begin] else 2), end):
        size = 2 if data[at] < 3 else 4
        if name == b"infe" and data[at + 6 + size : at + 10 + size] == b"av01":
            yield _number(data, at + 4, size)


def _extents(data: bytes, begin: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Yield (item, begin, end) of what lies in the file itself."""
    version, sizes, at = data[begin], _number(data, begin + 4, 2), begin + 6
    offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    wide = 4 if version == 2 else 2
    count, at = _number(data, at, wide), at + wide
    for _ in range(count):
        if at >= end:
            return
        item, at = _number(data, at, wide), at + wide
        here = version == 0 or _number(data, at, 2) & 15 == 0
        at += 2 + (2 if version else 0)  # and the data reference
        start, at = _number(data, at, base), at + base
        for _ in range(_number(data, at, 2)):
            if at + 2 >= end:
                return
            at += index if version else 0
            place, size = _number(data, at + 2, offset), _number(data, at + 2 + offset, length)
            at += offset + length
            if here:
                yield item, start + place, start + place + size if size else len(data)
        at += 2


def _number(data: bytes, at: int, size: int) -> int:
    return int.from_bytes(data[at : at + size], "big")
