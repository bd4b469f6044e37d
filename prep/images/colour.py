"""Which colours a picture's numbers mean, where no ICC profile says it: to an ICC profile.

The codes are those of ITU-T H.273 (cICP, nclx); gAMA and cHRM are PNG's. Arithmetic only.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass

Pair = tuple[float, float]
Matrix = list[list[float]]

_D50 = (0.9642, 1.0, 0.8249)  # the white of ICC profiles
_D65 = (0.3127, 0.3290)
_BRADFORD = [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
# H.273 table 2: code -> (white, red, green, blue) as x, y.
PRIMARIES: dict[int, tuple[Pair, Pair, Pair, Pair]] = {
    1: (_D65, (0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    4: ((0.310, 0.316), (0.67, 0.33), (0.21, 0.71), (0.14, 0.08)),
    5: (_D65, (0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    7: (_D65, (0.630, 0.340), (0.310, 0.595), (0.155, 0.070)),
    8: ((0.310, 0.316), (0.681, 0.319), (0.243, 0.692), (0.145, 0.049)),
    9: (_D65, (0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    11: ((0.314, 0.351), (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    12: (_D65, (0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
    22: (_D65, (0.630, 0.340), (0.295, 0.605), (0.155, 0.077)),
}
_NAMES = {1: "BT.709", 9: "BT.2020", 11: "DCI-P3", 12: "Display P3"}
PQ, HLG = 16, 18
_UNSAID = 2
SRGB = 0.0  # in place of an exponent: the curve of sRGB
# H.273 table 3: code -> exponent. Video's own curves count as sRGB's, as in Chromium
# (ui/gfx/color_space.cc, GetTransferFunction).
_CURVES = {1: SRGB, 4: 2.2, 5: 2.8, 6: SRGB, 8: 1.0, 13: SRGB, 14: SRGB, 15: SRGB}
# libpng corrects no gamma that is within a twentieth of the screen's (PNG_GAMMA_THRESHOLD).
_SRGB_GAMMA, _NEAR = 0.45455, 0.05


@dataclass(frozen=True)
class Space:
    """What the numbers of a picture mean.

    Attributes:
        primaries: A key of PRIMARIES, or the four points themselves.
        transfer: PQ or HLG; 0 for what `exponent` says.
        exponent: Of the curve from numbers to light, or SRGB.
        full: Black is 0 and white 255; else they are 16 and 235.
        name: As a person is told of it.
    """

    primaries: tuple[Pair, Pair, Pair, Pair]
    name: str
    transfer: int = 0
    exponent: float = SRGB
    full: bool = True

    @property
    def is_srgb(self) -> bool:
        """Whether the numbers mean what they mean without a word."""
        return self == Space(PRIMARIES[1], self.name)


def of_codes(codes: tuple[int, int, int, int], name: str, told: list[str]) -> Space | None:
    """Return the space that cICP or nclx names; None for one that says or means nothing to us.

    Args:
        codes: Primaries, transfer, matrix, full range.
        name: `cICP` or `nclx`.
        told: Grows by a sentence for codes that are not known.
    """
    if codes[:2] == (_UNSAID, _UNSAID):
        return None
    primaries, transfer = (1 if code == _UNSAID else code for code in codes[:2])
    known = transfer in _CURVES or transfer in (PQ, HLG)
    if primaries not in PRIMARIES or not known:
        told.append(f"its colour coding ({name} {codes[0]}/{codes[1]}) is unknown and ignored")
        return None
    curve = {PQ: "HDR (PQ)", HLG: "HDR (HLG)"}.get(transfer, "")
    words = " ".join(word for word in (_NAMES.get(primaries, f"{codes[0]}/{codes[1]}"), curve))
    hdr = transfer if transfer in (PQ, HLG) else 0
    said = f"{words.strip()} ({name})"
    return Space(PRIMARIES[primaries], said, hdr, _CURVES.get(transfer, SRGB), codes[3] != 0)


def of_gamma(gamma: float | None, points: Sequence[float] | None) -> Space | None:
    """Return the space of a PNG's gAMA and cHRM; None where there is neither, or nonsense.

    Args:
        gamma: The exponent from light to numbers; a gAMA near 0.45455 stands for sRGB's curve.
        points: White, red, green and blue, each x, y.
    """
    exponent = SRGB
    if gamma and abs(gamma / _SRGB_GAMMA - 1) > _NEAR:
        exponent = 1 / gamma
    primaries = PRIMARIES[1]
    if points and len(points) == 8 and all(y > 0 for y in points[1::2]):
        white, red, green, blue = (tuple(points[n : n + 2]) for n in range(0, 8, 2))
        primaries = (white, red, green, blue)  # type: ignore[assignment]
    if not gamma and not points:
        return None
    words = [f"gAMA {gamma:g}"] if gamma else []
    return Space(primaries, " and ".join(words + ["cHRM"] * bool(points)), 0, exponent)


def to_xyz(primaries: tuple[Pair, Pair, Pair, Pair]) -> Matrix:
    """Return the matrix from linear RGB to XYZ under D50, by Bradford's adaptation.

    Raises:
        ZeroDivisionError: The three points lie on one line.
    """
    white, *points = ((x / y, 1.0, (1 - x - y) / y) for x, y in primaries)
    columns = [[point[row] for point in points] for row in range(3)]
    parts = _times(_inverse(columns), white)
    plain = [[columns[row][n] * parts[n] for n in range(3)] for row in range(3)]
    there, here = _times(_BRADFORD, white), _times(_BRADFORD, _D50)
    ratio = [[here[n] / there[n] if n == row else 0.0 for n in range(3)] for row in range(3)]
    adapted = _product(_inverse(_BRADFORD), _product(ratio, _BRADFORD))
    return _product(adapted, plain)


def between(source: tuple[Pair, Pair, Pair, Pair], target: int = 1) -> Matrix:
    """Return the matrix from one linear RGB to another, sRGB's if no code is given."""
    return _product(_inverse(to_xyz(PRIMARIES[target])), to_xyz(source))


def profile(space: Space) -> bytes:
    """Return an ICC profile (4.3, matrix and curve) of a space that is not HDR.

    Raises:
        ZeroDivisionError, struct.error: Its points are those of no space.
    """
    matrix = to_xyz(space.primaries)
    if space.exponent == SRGB:
        numbers = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
        curve = struct.pack(">4sIHH5i", b"para", 0, 3, 0, *map(_fixed, numbers))
    else:
        curve = struct.pack(">4sIHHi", b"para", 0, 0, 0, _fixed(space.exponent))
    text = struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", 2, 28) + b"\0-"
    tags = [(b"desc", text), (b"cprt", text), (b"wtpt", _xyz(_D50))]
    for place, letter in enumerate("rgb"):
        column = [matrix[row][place] for row in range(3)]
        tags.append((f"{letter}XYZ".encode(), _xyz(column)))
        tags.append((f"{letter}TRC".encode(), curve))
    return _packed(tags)


def _packed(tags: list[tuple[bytes, bytes]]) -> bytes:
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += name + struct.pack(">II", at + len(body), len(content))
        body += content + bytes(-len(content) % 4)
    head = struct.pack(
        ">I4xI4s4s4s12s4s28x12s", at + len(body), 0x04300000, b"mntr", b"RGB ", b"XYZ ", bytes(12),
        b"acsp", _xyz(_D50)[8:],
    )  # fmt: skip
    return head.ljust(128, b"\0") + table + body


def _xyz(values: Sequence[float]) -> bytes:
    return struct.pack(">4sI3i", b"XYZ ", 0, *map(_fixed, values))


def _fixed(value: float) -> int:
    return round(value * 65536)


def _times(matrix: Matrix, vector: Sequence[float]) -> list[float]:
    return [sum(a * b for a, b in zip(row, vector, strict=True)) for row in matrix]


def _product(left: Matrix, right: Matrix) -> Matrix:
    return [[sum(a * right[k][n] for k, a in enumerate(row)) for n in range(3)] for row in left]


def _inverse(m: Matrix) -> Matrix:
    def minor(row: int, column: int) -> float:
        a, b = (n for n in range(3) if n != row)
        c, d = (n for n in range(3) if n != column)
        return m[a][c] * m[b][d] - m[a][d] * m[b][c]

    cofactors = [[minor(r, c) * (-1) ** (r + c) for c in range(3)] for r in range(3)]
    whole = sum(a * b for a, b in zip(m[0], cofactors[0], strict=True))
    return [[cofactors[c][r] / whole for c in range(3)] for r in range(3)]
