"""Small files of adapters, a module of each kind, with numbers from a seed."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from train.adapters.adapter_shapes import dora, loha, lokr, oft

Tensors = dict[str, torch.Tensor]
WORD = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
MID = "lora_unet_mid_block_attentions_0_proj_in"
TEXT = "lora_te_text_model_encoder_layers_0_mlp_fc1"
SHAPES: Mapping[str, Mapping[str, tuple[int, ...]]] = {
    "LoRA": {"lora_down.weight": (2, 6), "lora_up.weight": (8, 2)},
    "LoRA of a kernel": {"lora_down.weight": (2, 6, 3, 3), "lora_up.weight": (8, 2, 1, 1)},
    "LoHa": loha((8, 6), 2),
    "LoHa of a core": {
        "hada_t1": (2, 2, 3, 3), "hada_t2": (2, 2, 3, 3), "hada_w1_a": (2, 8),
        "hada_w1_b": (2, 6), "hada_w2_a": (2, 8), "hada_w2_b": (2, 6),
    },
    "LoKr": lokr((8, 6), 1, -1, True),
    "LoKr of a whole factor": lokr((8, 6), 4, -1, False),
    "LoKr of a core": {
        "lokr_w1": (2, 2), "lokr_t2": (2, 2, 3, 3), "lokr_w2_a": (2, 4), "lokr_w2_b": (2, 3)
    },
    "OFT": oft((8, 6), 4),
    "DoRA": dora((8, 6), 2, of_inputs=True),
}  # fmt: skip


def tensors(kind: str, word: str = WORD, alpha: float | None = 1.0, seed: int = 0) -> Tensors:
    """Return the tensors of one module, by their names in a file."""
    dice = torch.Generator().manual_seed(seed)
    found = {
        f"{word}.{name}": torch.randn(shape, generator=dice) for name, shape in SHAPES[kind].items()
    }
    return found | ({} if alpha is None else {f"{word}.alpha": torch.tensor(alpha)})


@pytest.fixture
def lora(tmp_path: Path) -> Callable[..., Path]:
    """The function that writes a LoRA of three modules, with other tensors and metadata beside."""

    def write(more: Tensors | None = None, name: str = "toy", **said: str) -> Path:
        found: dict[str, Any] = {}
        for number, word in enumerate((WORD, MID, TEXT)):
            found |= tensors("LoRA", word, seed=number)
        path = tmp_path / f"{name}.safetensors"
        save_file(found | (more or {}), path, said or None)
        return path

    return write
