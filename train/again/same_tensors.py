"""Whether two exports hold the same numbers, and how alike their changes are if not.

The change of a LoRA, or what is like one, is compared by the products of its pairs; all else by
its tensors as they are.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import safetensors_file
from prep.runtime.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

_PAIRS = ((".lora_down.weight", ".lora_up.weight"), (".lora_A.weight", ".lora_B.weight"))
_ALPHA, _MAGNITUDE = ".alpha", ".dora_scale"


@dataclass(frozen=True)
class TensorMatch:
    """What a comparison found.

    Attributes:
        first: Name of the first tensor that differs, by name; empty where all are equal.
        differing: How many differ, or are in one of both alone.
        count: How many there are.
        cosine: Between the two changes; 1 for equal ones.
    """

    first: str
    differing: int
    count: int
    cosine: float


def tensor_match(one: Path, other: Path) -> TensorMatch:
    """Compare two exports, files or folders, tensor by tensor.

    Raises:
        ModelFileError: One of them has no safetensors files, or is damaged.
    """
    a, b = places_of(one), places_of(other)
    names = sorted({*a, *b})
    wrong = [name for name in names if not _equal(a, b, name)]
    return TensorMatch(wrong[0] if wrong else "", len(wrong), len(names), _cosine(a, b, wrong))


def places_of(place: Path) -> dict[str, Path]:
    """Return the file of each tensor of an export; names of a folder have that of the part.

    Raises:
        ModelFileError: It has no safetensors files, or one is damaged.
    """
    if place.is_file():
        files = {"": place}
    else:
        each = sorted(place.rglob("*.safetensors"))
        files = {f"{path.parent.relative_to(place).as_posix()}/": path for path in each}
    if place.suffix == ".pt" or not files:
        raise ModelFileError(
            f"the tensors of `{place}` cannot be compared", "name an export in safetensors files"
        )
    return {
        before + name: path
        for before, path in files.items()
        for name in safetensors_file.header(path).tensors
    }


def _read(places: Mapping[str, Path], name: str) -> "Tensor":
    from safetensors import safe_open

    plain = name if name in safetensors_file.header(places[name]).tensors else _within(name)
    opened: Any = safe_open
    with opened(places[name], framework="pt") as file:
        found: Tensor = file.get_tensor(plain)
        return found


def _within(name: str) -> str:
    return name.rpartition("/")[2]


def _equal(one: Mapping[str, Path], other: Mapping[str, Path], name: str) -> bool:
    import torch

    if name not in one or name not in other:
        return False
    a, b = _read(one, name), _read(other, name)
    return a.dtype == b.dtype and torch.equal(a, b)


def _cosine(a: Mapping[str, Path], b: Mapping[str, Path], wrong: list[str]) -> float:
    """Return the cosine between two changes, computed in float64; 0 where one of them is none."""
    if not wrong:
        return 1.0
    both = sorted(a.keys() & b.keys())
    across, own, others = (sum(_products(one, two, both)) for one, two in ((a, b), (a, a), (b, b)))
    return across / math.sqrt(own * others) if own > 0 and others > 0 else 0.0


def _products(
    one: Mapping[str, Path], two: Mapping[str, Path], names: list[str]
) -> Iterator[float]:
    """Yield inner products, whose sum is that of the two changes."""
    known = set(names)
    pairs = {
        name: name.removesuffix(down) + up
        for name in names
        for down, up in _PAIRS
        if name.endswith(down) and name.removesuffix(down) + up in known
    }
    for down, up in pairs.items():
        yield _of_pair(one, two, (down, up))
    done = {*pairs, *pairs.values()}
    for name in names:
        if name not in done and not name.endswith((_ALPHA, _MAGNITUDE)):
            a, b = _read(one, name).double(), _read(two, name).double()
            yield float((a * b).sum()) if a.shape == b.shape else 0.0


def _of_pair(one: Mapping[str, Path], two: Mapping[str, Path], names: tuple[str, str]) -> float:
    """Return the inner product of two products of up and down weights, neither of them formed."""
    down, up = names
    a, b = (_read(each, down).double().flatten(1) for each in (one, two))
    c, d = (_read(each, up).double().flatten(1) for each in (one, two))
    if a.shape[1] != b.shape[1] or c.shape[0] != d.shape[0]:
        return 0.0
    scale = _scale(one, down, len(a)) * _scale(two, down, len(b))
    return float(((c.T @ d) * (a @ b.T)).sum()) * scale


def _scale(places: Mapping[str, Path], down: str, rank: int) -> float:
    alpha = next((down.removesuffix(end) + _ALPHA for end, _ in _PAIRS if down.endswith(end)), "")
    return float(_read(places, alpha)) / rank if alpha in places else 1.0
