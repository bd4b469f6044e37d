"""A LoRA's pair of less rank: singular values, without the matrix that the pair makes.

up = Q R and down^T = P S, so that up down = Q (R S^T) P^T: only the small matrix in the middle is
taken apart. Everything is computed in float64.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

_LEAST = 1e-12  # singular values below so much of the largest one are rounding
_FLOAT32 = 1e-7  # the same where they are roots of eigenvalues
_SMALL = 1 << 18  # numbers of a matrix that is taken apart as it stands
_PIECE = 1024  # columns that are float64 at once


@dataclass(frozen=True)
class Cut:
    """How much of a matrix is kept.

    Attributes:
        rank: At most so many singular values; None for as many as `energy` asks for.
        energy: The share of the squared Frobenius norm that is kept at least, in (0, 1]; None for
            as much as fits the rank.
        of_kernels: The rank of kernels of more than one pixel, where it is another.
    """

    rank: int | None = None
    energy: float | None = None
    of_kernels: int | None = None

    def most(self, shape: tuple[int, ...]) -> int:
        """Return the largest rank that a weight, (out, in) or (out, in, height, width), gets."""
        is_kernel = len(shape) == 4 and shape[2:] != (1, 1)
        given = self.of_kernels if is_kernel and self.of_kernels is not None else self.rank
        sides = min(shape[0], prod(shape[1:]))
        return sides if given is None else min(given, sides)

    def count(self, values: "Tensor", shape: tuple[int, ...]) -> int:
        """Return how many of some singular values, the largest first, are kept; at least one."""
        import torch

        most = min(self.most(shape), len(values))
        real = int((values > _LEAST * values[0]).sum()) if values[0] > 0 else 1
        if self.energy is None:
            return max(1, min(most, len(values)))
        shares = torch.cumsum(values.square(), 0) / values.square().sum().clamp_min(1e-300)
        enough = int((shares < self.energy * (1 - 1e-12)).sum()) + 1
        return max(1, min(most, enough, real))


class LessRank(NamedTuple):
    """A pair that was cut.

    Attributes:
        down: Shape (rank, in, ...), float32.
        up: Shape (out, rank, ...), float32; up times down, with a scale of 1, is what is kept.
        energy: The share of the squared Frobenius norm that is kept; 1 of zeros.
    """

    down: "Tensor"
    up: "Tensor"
    energy: float


def of_pair(down: "Tensor", up: "Tensor", scale: float, cut: Cut) -> LessRank:
    """Return a pair of less rank that adds nearly what a pair adds.

    Args:
        down: Shape (rank, in) or (rank, in, height, width).
        up: Shape (out, rank) or (out, rank, 1, 1).
    """
    import torch

    shape = (up.shape[0], *down.shape[1:])
    q, r = torch.linalg.qr(up.flatten(1).double() * scale)
    p, s = torch.linalg.qr(down.flatten(1).double().T)
    left, values, right = torch.linalg.svd(r @ s.T, full_matrices=False)
    return _cut((q @ left, values, right @ p.T), shape, cut)


def of_matrix(whole: "Tensor", cut: Cut) -> LessRank:
    """Return the pair nearest to a matrix or kernel, (out, in) or (out, in, height, width).

    Of a large matrix A the singular vectors are those of A A^T or of A^T A, summed in float64:
    that is many times as fast, and as exact for singular values above 1e-7 of the largest, which
    is the rounding of the float32 that they come from.
    """
    import torch

    flat = whole.flatten(1)
    if flat.numel() <= _SMALL:
        parts = torch.linalg.svd(flat.double(), full_matrices=False)
        return _cut(parts, tuple(whole.shape), cut)
    tall = flat.shape[0] > flat.shape[1]
    rows = flat.T if tall else flat
    square = torch.zeros(len(rows), len(rows), dtype=torch.float64)
    for piece in _pieces(rows):
        wide = piece.double()
        square.addmm_(wide, wide.T)
    found, vectors = torch.linalg.eigh(square)
    values = found.flip(0).clamp_min(0).sqrt()
    rank = min(cut.count(values, tuple(whole.shape)), int((values > _FLOAT32 * values[0]).sum()))
    left = vectors.flip(1)[:, : max(1, rank)]
    right = torch.cat([left.T @ piece.double() for piece in _pieces(rows)], dim=1)
    energy = values[: len(right)].square().sum() / values.square().sum()
    up, down = (right.T, left.T) if tall else (left, right)
    root = values[: len(right)].clamp_min(1e-300).sqrt()
    pair = (up / root, down * root[:, None]) if tall else (up * root, down / root[:, None])
    return _shaped(*pair, tuple(whole.shape), energy.item())


def _pieces(rows: "Tensor") -> "Iterator[Tensor]":
    for start in range(0, rows.shape[1], _PIECE):
        yield rows[:, start : start + _PIECE]


def _cut(parts: "tuple[Tensor, Tensor, Tensor]", shape: tuple[int, ...], cut: Cut) -> LessRank:
    left, values, right = parts
    rank, whole = cut.count(values, shape), values.square().sum().item()
    root = values[:rank].sqrt()
    energy = values[:rank].square().sum().item() / whole if whole else 1.0
    return _shaped(left[:, :rank] * root, root[:, None] * right[:rank], shape, energy)


def _shaped(up: "Tensor", down: "Tensor", shape: tuple[int, ...], energy: float) -> LessRank:
    up, down = _signed(up, down)
    ones = [1] * (len(shape) - 2)
    return LessRank(
        down.reshape(len(down), *shape[1:]).float().contiguous(),
        up.reshape(shape[0], len(down), *ones).float().contiguous(),
        energy,
    )


def _signed(up: "Tensor", down: "Tensor") -> "tuple[Tensor, Tensor]":
    """Return both with the signs by which the largest number of each column of `up` is positive.

    Singular vectors are determined but for their signs, which libraries choose otherwise.
    """
    import torch

    places = up.abs().argmax(0)
    signs = torch.sign(up[places, torch.arange(up.shape[1])])
    signs[signs == 0] = 1
    return up * signs, down * signs[:, None]
