"""Numbers of an export in the precision that was asked for: rounded, never to infinity."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from prep.models import safetensors_file
from train.adapters import hypernetwork_file
from train.export.lora_file import ProofError
from train.families.folder_weights import spans

if TYPE_CHECKING:
    from torch import Tensor

# The setting -> torch's name.
_DTYPES = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
BYTES = {"fp32": 4, "fp16": 2, "bf16": 2}
# What is not trained is not rounded further than it has to be: of two bytes, float16 keeps three
# bits more than bfloat16, and the numbers of a VAE are all in its range.
UNTRAINED = {"fp32": "fp32", "fp16": "fp16", "bf16": "fp16"}


def rounded(tensors: "Mapping[str, Tensor]", precision: str) -> "dict[str, Tensor]":
    """Return tensors in a precision, on the CPU; whole numbers stay as they are.

    Args:
        precision: fp32, fp16 or bf16.

    Raises:
        ProofError: A number is too large for it.
    """
    import torch

    kind = getattr(torch, _DTYPES[precision])
    found = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().cpu()
        if not plain.is_floating_point():
            found[name] = plain
            continue
        found[name] = plain.to(kind)
        if plain.dtype != kind and bool((found[name].isinf() & plain.isfinite()).any()):
            raise ProofError(
                f"`{name}` holds numbers too large for {_DTYPES[precision]}, up to "
                f"{plain.abs().max().item():.3g}; nothing is written",
                "give `--save-precision bf16` or `fp32`; nothing is trained anew",
            )
    return found


def as_saved(tensors: "Mapping[str, Tensor]", precision: str) -> "dict[str, Tensor]":
    """Return the tensors of a LoRA in a precision; what says how strongly it acts stays exact."""
    plain = {name: one for name, one in tensors.items() if one.ndim}
    return dict(tensors) | rounded(plain, precision)


def precision_of(path: Path, network: str) -> str:
    """Return the precision of an export's weights, fp32, fp16 or bf16; headers only.

    Args:
        network: Folder of the network in a diffusers model.
    """
    if hypernetwork_file.fits(path):
        return hypernetwork_file.precision_of(path)
    words = {"F16": "fp16", "BF16": "bf16"}
    found = safetensors_file.header(path).tensors if path.is_file() else None
    if found is None:
        places = [at for at, _ in spans(path / network).values()]
    else:
        places = [at for name, at in found.items() if at.shape and not name.startswith("first_")]
    each = {words[at.dtype] for at in places if at.dtype in words}
    return each.pop() if each else "fp32"
