"""What an adapter changes of a weight, by the rules of the programs that read its file.

The tensors of a module go by the endings of their names in a file, `hada_w1_a` and so on.

Source: LyCORIS 4.1.3 (lycoris/modules); ComfyUI, comfy/weight_adapter; DoRA: Liu et al. 2024,
equation 5; OFT: Qiu et al. 2023, section 3.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    Tensors = Mapping[str, Tensor]


def change(tensors: "Tensors", weight: "Tensor") -> "Tensor":
    """Return what a module's tensors add to its weight at a strength of 1, in the weight's shape.

    Another strength adds so many times as much, of every kind.

    Args:
        weight: Of the base model, (out, in) or (out, in, height, width), float32.
    """
    if "oft_blocks" in tensors:
        return turned(tensors, weight) - weight
    whole = added(tensors, scale_of(tensors)).reshape(weight.shape)
    if "dora_scale" not in tensors:
        return whole
    magnitude = tensors["dora_scale"].reshape(_magnitude_shape(tensors["dora_scale"], weight))
    found = weight + whole
    return found * stretch(magnitude, found) - weight


def scale_of(tensors: "Tensors") -> float:
    """Return alpha over rank; 1 without alpha, and of two whole factors of a LoKr."""
    rank = rank_of(tensors)
    alpha = tensors.get("alpha")
    return alpha.item() / rank if rank and alpha is not None else 1.0


def rank_of(tensors: "Tensors") -> int:
    """Return the inner width that divides alpha; 0 where nothing does."""
    for name in ("hada_w1_b", "lokr_w2_b", "lokr_w1_b", "lora_down.weight"):
        if name in tensors:
            return int(tensors[name].shape[0])
    return 0


def added(tensors: "Tensors", scale: float) -> "Tensor":
    """Return what a LoHa, a LoKr or a pair of a LoRA adds to a weight, (out, ...)."""
    if "hada_w1_a" in tensors:
        return _hadamard(tensors, scale)
    if "lora_up.weight" in tensors:
        up, down = tensors["lora_up.weight"], tensors["lora_down.weight"]
        return up.flatten(1) @ down.flatten(1) * scale
    return _kronecker(tensors, scale)


def _hadamard(tensors: "Tensors", scale: float) -> "Tensor":
    """Return the product, number by number, of two products.

    peft's function computes both anew in its backward pass, in place of keeping them.
    """
    import torch
    from peft.tuners.loha import layer

    one, two = (tensors[f"hada_w1_{part}"] for part in "ab")
    three, four = (tensors[f"hada_w2_{part}"] for part in "ab")
    by = torch.tensor(scale)
    multiply: Any = layer.make_weight
    multiply_cores: Any = layer.make_weight_cp
    if "hada_t1" in tensors:
        first, second = tensors["hada_t1"], tensors["hada_t2"]
        whole: Tensor = multiply_cores(first, one, two, second, three, four, by)
    else:
        whole = multiply(one, two, three, four, by)
    return whole


def _kronecker(tensors: "Tensors", scale: float) -> "Tensor":
    """Return the Kronecker product of two factors, each whole or a product itself."""
    import torch

    first = tensors.get("lokr_w1")
    if first is None:
        first = tensors["lokr_w1_a"] @ tensors["lokr_w1_b"]
    second = tensors.get("lokr_w2")
    if second is None:
        one, two = tensors["lokr_w2_a"], tensors["lokr_w2_b"]
        core = tensors.get("lokr_t2")
        second = one @ two if core is None else torch.einsum("ijkl,ip,jr->prkl", core, one, two)
    if second.ndim == 4:
        first = first[:, :, None, None]
    return torch.kron(first, second.contiguous()) * scale


def rotation(tensors: "Tensors", size: int) -> "Tensor":
    """Return the rotations of the blocks of an OFT, (blocks, width, width): Cayley's.

    Args:
        size: How many outputs the module has. An alpha above 0 bounds how far all of them turn
            together, to alpha times so much.
    """
    import torch

    blocks = tensors["oft_blocks"]
    skew = blocks - blocks.transpose(1, 2)
    if (alpha := tensors.get("alpha")) is not None and alpha.item() > 0:
        most, norm = alpha.item() * size, torch.linalg.vector_norm(skew) + 1e-8
        skew = torch.where(norm > most, skew * (most / norm), skew)
    one = torch.eye(blocks.shape[1], device=blocks.device, dtype=blocks.dtype)
    turns: Tensor = torch.linalg.solve(one - skew, one + skew)
    return turns


def turned(tensors: "Tensors", weight: "Tensor") -> "Tensor":
    """Return a weight whose outputs an OFT turns, block by block, and rescales where it can."""
    import torch

    turns = rotation(tensors, weight.shape[0])
    parts = weight.reshape(*turns.shape[:2], *weight.shape[1:])
    found = torch.einsum("knm,kn...->km...", turns, parts).flatten(0, 1)
    rescale = tensors.get("rescale")
    return found if rescale is None else found * rescale.reshape(-1, *[1] * (weight.ndim - 1))


def norms(weight: "Tensor", like: "Tensor") -> "Tensor":
    """Return the lengths of a weight's rows or columns, in the shape of a magnitude of DoRA.

    Args:
        like: The magnitude: (out, 1, ...) has one for each output, (1, in, ...) for each input.
    """
    import torch

    kept = 0 if like.shape[0] == weight.shape[0] else 1
    axes = [axis for axis in range(weight.ndim) if axis != kept]
    found: Tensor = torch.linalg.vector_norm(weight, dim=axes, keepdim=True)
    return found


def stretch(magnitude: "Tensor", weight: "Tensor") -> "Tensor":
    """Return what gives the rows or columns of a weight the lengths that a magnitude says.

    Those of a length of zero stay zeros.
    """
    import torch

    return magnitude / (norms(weight, like=magnitude) + torch.finfo(weight.dtype).eps)


def _magnitude_shape(magnitude: "Tensor", weight: "Tensor") -> tuple[int, ...]:
    """Return the shape of a magnitude beside a weight: a kernel of one pixel may lack its axes."""
    return (*magnitude.shape[:2], *[1] * (weight.ndim - 2))
