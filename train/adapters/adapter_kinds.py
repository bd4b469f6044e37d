"""The kinds of adapters beside LoRA that a file can hold: by names and shapes alone."""

from collections.abc import Mapping
from math import prod
from typing import NamedTuple

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

_ANY = 0  # stands for a number of inputs that the tensors do not say


class AdapterKind(NamedTuple):
    """What a module's tensors are.

    Attributes:
        name: As people call it.
        outputs: Of the module.
        inputs: Of the module, times the pixels of its kernel; 0 where they do not say it.
    """

    name: str
    outputs: int
    inputs: int

    def fits(self, shape: Shape) -> bool:
        """Return whether a module's weight of a shape is one that they change."""
        return self.outputs == shape[0] and self.inputs in (_ANY, prod(shape[1:]))


# Endings of the names of all tensors that are read, beside those of a LoRA in kohya's layout.
LORA = ("lora_down.weight", "lora_up.weight")
_HADA = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b", "hada_t1", "hada_t2")
_LOKR = ("lokr_w1", "lokr_w1_a", "lokr_w1_b", "lokr_w2", "lokr_w2_a", "lokr_w2_b", "lokr_t2")
_OFT = ("oft_blocks", "rescale")
MAGNITUDE, ALPHA = "dora_scale", "alpha"
# Of each kind the tensors that it may have.
_OWN: Mapping[str, tuple[str, ...]] = {
    "LoHa": (*_HADA, MAGNITUDE),
    "LoKr": (*_LOKR, MAGNITUDE),
    "OFT": _OFT,
    "DoRA": (*LORA, MAGNITUDE),
}
ENDINGS = frozenset(ending for own in _OWN.values() for ending in own)


def whole_kind(shapes: Shapes) -> AdapterKind | None:
    """Return what kind of adapter beside LoRA a module's tensors are, if they are a whole one.

    Args:
        shapes: By the endings of the names, without alpha; none may be there that is not read.
    """
    for name, own in _OWN.items():
        if own[0] not in shapes and (name != "LoKr" or not shapes.keys() & set(_LOKR)):
            continue
        found = _SIZES[name](shapes) if shapes.keys() <= set(own) else None
        if found is None or not _has_magnitude(shapes, found, needed=name == "DoRA"):
            return None
        return AdapterKind(name, *found)
    return None


def _has_magnitude(shapes: Shapes, size: tuple[int, int], needed: bool) -> bool:
    """Return whether a magnitude, if there is one, is of the outputs or of the inputs."""
    if MAGNITUDE not in shapes:
        return not needed
    shape = shapes[MAGNITUDE]
    if len(shape) not in (2, 4) or prod(shape[2:]) != 1:
        return False
    of_outputs = shape[:2] == (size[0], 1)
    return of_outputs or (shape[0] == 1 and shape[1] > 0 and size[1] % shape[1] == 0)


def _product(one: Shape | None, two: Shape | None) -> tuple[int, int] | None:
    """Return the shape of the product of two matrices."""
    if one is None or two is None or not len(one) == len(two) == 2 or one[1] != two[0]:
        return None
    return one[0], two[1]


def _core(core: Shape | None, one: Shape | None, two: Shape | None) -> tuple[int, int] | None:
    """Return outputs and inputs of a kernel in Tucker's form."""
    if core is None or one is None or two is None:
        return None
    if (len(core), len(one), len(two)) != (4, 2, 2):
        return None
    return (one[1], two[1] * prod(core[2:])) if core[:2] == (one[0], two[0]) else None


def _loha(shapes: Shapes) -> tuple[int, int] | None:
    one, two, three, four, core, other = map(shapes.get, _HADA)
    if core is None and other is None:
        first, second = _product(one, two), _product(three, four)
    else:
        first, second = _core(core, one, two), _core(other, three, four)
    return first if first == second else None


def _lokr(shapes: Shapes) -> tuple[int, int] | None:
    first, one, two, second, three, four, core = map(shapes.get, _LOKR)
    left = first if first is not None else _product(one, two)
    if second is not None:
        right = (second[0], prod(second[1:])) if len(second) in (2, 4) else None
    else:
        right = _core(core, three, four) if core is not None else _product(three, four)
    if left is None or right is None or len(left) != 2:
        return None
    return left[0] * right[0], left[1] * right[1]


def _oft(shapes: Shapes) -> tuple[int, int] | None:
    blocks = shapes["oft_blocks"]
    if len(blocks) != 3 or blocks[1] != blocks[2]:  # BOFT has four axes
        return None
    size = blocks[0] * blocks[1]
    rescale = shapes.get("rescale")
    return (size, _ANY) if rescale is None or prod(rescale) == size else None


def _dora(shapes: Shapes) -> tuple[int, int] | None:
    down, up = map(shapes.get, LORA)
    if down is None or up is None or not (len(down) in (2, 4) and len(up) in (2, 4)):
        return None
    return (up[0], prod(down[1:])) if down[0] == up[1] and prod(up[2:]) == 1 else None


_SIZES = {"LoHa": _loha, "LoKr": _lokr, "OFT": _oft, "DoRA": _dora}
