"""A LoRA file is applied, by what it says alone, and compared with the model that was trained."""

from pathlib import Path
from typing import TYPE_CHECKING

from prep.errors import MachineError
from train import lora
from train.family import Base, Family

if TYPE_CHECKING:
    from torch import Tensor


def check_applied(path: Path, base: Base, family: Family) -> None:
    """Raise unless the base model with a file's adapter answers as the trained model, bit for bit.

    The file's names, shapes and alphas decide where and how strongly its numbers act, as in any
    other program; the trained weights are put back afterwards.

    Raises:
        MachineError: The answers differ.
    """
    wanted = _answers(base, family)
    kept = {name: (pair.down.data, pair.up.data) for name, pair in lora.of_base(base).items()}
    scales = [(layer, layer.scaling[lora.ADAPTER]) for _, layer in lora.layers(base)]
    try:
        _apply(path, base, family)
        found = _answers(base, family)
    finally:
        for name, pair in lora.of_base(base).items():
            pair.down.data, pair.up.data = kept[name]
        for layer, scale in scales:
            layer.scaling[lora.ADAPTER] = scale
    if not all(bool((one == two).all()) for one, two in zip(wanted, found, strict=True)):
        raise MachineError(
            "the export does not do what the trained model does",
            "run again; if it stays, report it",
        )


def _apply(path: Path, base: Base, family: Family) -> None:
    from safetensors.torch import load_file

    saved = load_file(path)
    layers = dict(lora.layers(base))
    for name, pair in lora.of_base(base).items():
        word = family.export_name(name)
        # Copies: where a file's numbers lie in memory would decide the last bits of a product.
        pair.down.data = saved[f"{word}.lora_down.weight"].to(base.device, copy=True)
        pair.up.data = saved[f"{word}.lora_up.weight"].to(base.device, copy=True)
        rank = pair.down.shape[0]
        layers[name].scaling[lora.ADAPTER] = saved[f"{word}.alpha"].item() / rank


def _answers(base: Base, family: Family) -> "list[Tensor]":
    """Return the states of a text and the network's prediction for fixed latents."""
    import torch

    generator = torch.Generator("cpu").manual_seed(0)
    shape = (1, family.latent_channels, 16, 16)
    noise_BCHW = torch.randn(shape, generator=generator)
    weight = next(base.network.parameters())
    when_B = torch.tensor([500], device=base.device)
    halved = weight.dtype if weight.dtype != torch.float32 else torch.bfloat16
    kind = base.device.split(":")[0]
    with torch.no_grad(), torch.autocast(kind, halved, enabled=weight.dtype != torch.float32):
        (state,) = family.encode(base, ["a picture"])
        given = {name: value[None].to(base.device) for name, value in state.items()}
        answer_BCHW = family.denoise(base.network, noise_BCHW.to(base.device), when_B, given)
    return [*given.values(), answer_BCHW]
