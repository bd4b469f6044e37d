"""Tensors of torch as they lie in a safetensors file."""

from typing import TYPE_CHECKING

from prep.models import safetensors_file

if TYPE_CHECKING:
    from torch import Tensor

_WORDS = {
    "float32": "F32",
    "bfloat16": "BF16",
    "float16": "F16",
    "uint8": "U8",
    "int64": "I64",
    "int32": "I32",
}


def packed(tensor: "Tensor") -> safetensors_file.Packed:
    """Return a tensor as it lies in a file; one on the CPU is not copied."""
    import torch

    plain = tensor.detach().cpu().contiguous()
    word = _WORDS[str(plain.dtype).removeprefix("torch.")]
    return safetensors_file.Packed(
        word, tuple(plain.shape), plain.view(-1).view(torch.uint8).numpy().data
    )
