"""How strongly an adapter acts in a module: the norm of what it adds to the weight, float64.

Frobenius norms, from the factors where they say it; the whole change of a LoHa is looked at a few
rows at a time. The rules are those of `train/adapters/weight_rules.py`, by which files are applied.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from train.families import peft_metadata
from train.weights.number_checks import numbers_of
from train.weights.tensor_names import ALPHA, DOWN, MID, UP, AdaptedModule
from train.weights.weight_source import WeightSource

if TYPE_CHECKING:
    from train.weights.number_words import Numbers as Array

    Arrays = Mapping[str, Array]

_ROWS = 64
_UNTOLD = ("GLoRA", "BOFT")  # what they add is made with the weight, or of many turns


def norm_of(source: WeightSource, module: AdaptedModule) -> float | None:
    """Return the norm of what a module's tensors add to its weight at a strength of 1.

    None where the tensors do not fit each other; NaN where the file alone does not say it, as of a
    GLoRA. Of a DoRA it is that of its pair, before the lengths are set; of an OFT the distance of
    its turns from none.
    """
    import numpy as np

    if not module.is_whole():
        return None
    if module.kind in _UNTOLD:
        return math.nan
    if module.kind not in _RULES:
        names = [name for role, name in module.roles.items() if role != ALPHA]
        return math.sqrt(sum(one.squares for one in numbers_of(source, names).values()))
    found = {role: source.whole(name) for role, name in module.roles.items()}
    if ALPHA not in found and (alpha := alpha_of(source, module)) is not None:
        found[ALPHA] = np.array(alpha)
    try:
        with np.errstate(all="ignore"):
            return _RULES[module.kind](found)
    except (ValueError, IndexError, np.linalg.LinAlgError):
        return None


def rank_of(source: WeightSource, module: AdaptedModule) -> int:
    """Return the inner width of a module's adapter, which divides alpha; 0 where it has none."""
    for role in ("hada_w1_b", "lokr_w2_b", "lokr_w1_b", DOWN, "a2.weight"):
        if role in module.roles:
            return _first(source, module.roles[role])
    return 0


def block_size(source: WeightSource, module: AdaptedModule) -> int:
    """Return how wide the blocks of an OFT are; 0 for other kinds."""
    name = module.roles.get("oft_blocks")
    shape = source.tensors[name].shape if name else ()
    return shape[-1] if len(shape) > 2 else 0


def alpha_of(source: WeightSource, module: AdaptedModule) -> float | None:
    """Return a module's alpha: its tensor, or what diffusers' metadata say of it.

    None where it has none, or one that is no number.
    """
    name = module.roles.get(ALPHA)
    if name is None:
        own = module.roles.get(DOWN, "").partition(".lora")[0]
        return peft_metadata.alpha_of(source.peft_config, own)
    return float(source.whole(name).reshape(-1)[0]) if source.count(name) == 1 else None


def _first(source: WeightSource, name: str) -> int:
    shape = source.tensors[name].shape
    return shape[0] if shape else 0


def _scale(found: "Arrays", rank: int) -> float:
    alpha = found.get(ALPHA)
    return (
        float(alpha.reshape(-1)[0]) / rank
        if rank and alpha is not None and alpha.size == 1
        else 1.0
    )


def _product(one: "Array", two: "Array") -> float:
    """Return the norm of the product of two matrices, by whatever is smaller than they are.

    Raises:
        ValueError: They do not fit each other.
    """
    import numpy as np

    if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[0]:
        raise ValueError
    if one.shape[1] ** 2 > one.shape[0] * two.shape[1]:
        return float(np.linalg.norm(one @ two))
    return _root(float(((one.T @ one) * (two @ two.T)).sum()))


def _root(squares: float) -> float:
    """Return the root of a sum of squares, which rounding may have left below 0; NaN stays NaN."""
    return 0.0 if squares < 0 else math.sqrt(squares)


def _flat(tensor: "Array") -> "Array":
    return tensor.reshape(len(tensor), -1)


def _lora(found: "Arrays") -> float:
    down, up = _flat(found[DOWN]), _flat(found[UP])
    scale = _scale(found, len(down))
    if MID not in found:
        return abs(scale) * _product(up, down)
    core = found[MID]
    if core.shape[:2] != (up.shape[1], down.shape[0]):
        raise ValueError
    inner, outer = down @ down.T, up.T @ up
    kernels = core.reshape(*core.shape[:2], -1)
    squares = sum(
        float((outer * (kernels[..., n] @ inner @ kernels[..., n].T)).sum())
        for n in range(kernels.shape[2])
    )
    return abs(scale) * _root(squares)


def _loha(found: "Arrays") -> float:
    import numpy as np

    one, two, three, four = (found[f"hada_w{n}_{side}"] for n in (1, 2) for side in "ab")
    scale, squares = _scale(found, len(two)), 0.0
    cores = [(found.get(f"hada_t{n}")) for n in (1, 2)]
    if cores[0] is None or cores[1] is None:
        lefts, rights = [(one, three)], [(two, four)]
    else:
        first, second = (_spread(core) for core in cores if core is not None)
        lefts = [(one.T @ first[..., n], three.T @ second[..., n]) for n in range(first.shape[2])]
        rights = [(two, four)] * len(lefts)
    for (left, other), (right, last) in zip(lefts, rights, strict=True):
        for row in range(0, len(left), _ROWS):
            rows = slice(row, row + _ROWS)
            squares += float(np.square((left[rows] @ right) * (other[rows] @ last)).sum())
    return abs(scale) * math.sqrt(squares)


def _spread(core: "Array") -> "Array":
    return core.reshape(*core.shape[:2], -1)


def _lokr(found: "Arrays") -> float:
    import numpy as np

    ranks = [found[f"lokr_w{n}_b"] for n in (2, 1) if f"lokr_w{n}_b" in found]
    scale = _scale(found, len(ranks[0]) if ranks else 0)
    norms = []
    for n in (1, 2):
        whole, core = found.get(f"lokr_w{n}"), found.get(f"lokr_t{n}")
        if whole is not None:
            norms.append(float(np.linalg.norm(whole)))
        elif core is not None:
            one, two = found[f"lokr_w{n}_a"], found[f"lokr_w{n}_b"]
            norms.append(_lora({UP: one.T, DOWN: two, MID: core}))
        else:
            norms.append(_product(found[f"lokr_w{n}_a"], found[f"lokr_w{n}_b"]))
    return abs(scale) * norms[0] * norms[1]


def _oft(found: "Arrays") -> float:
    import numpy as np

    blocks = found.get("oft_blocks", found.get("oft_diag"))
    if blocks is None or blocks.ndim != 3:
        raise ValueError
    skew = blocks - blocks.transpose(0, 2, 1)
    alpha = found.get(ALPHA)
    if alpha is not None and alpha.size == 1 and float(alpha.reshape(-1)[0]) > 0:
        most = float(alpha.reshape(-1)[0]) * blocks.shape[0] * blocks.shape[1]
        norm = float(np.linalg.norm(skew)) + 1e-8
        skew = skew * min(1.0, most / norm)
    one = np.eye(blocks.shape[1])
    return float(np.linalg.norm(np.linalg.solve(one - skew, one + skew) - one))


_RULES = {"LoRA": _lora, "DoRA": _lora, "LoHa": _loha, "LoKr": _lokr, "OFT": _oft}
