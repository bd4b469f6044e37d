"""Stable Diffusion 1.x in one file (LDM layout), opened for training."""

from importlib import resources
from pathlib import Path
from typing import Any

from prep.models import single_file
from prep.runtime.errors import ModelFileError
from train.families.noise_process import Diffusion, Prediction, diffusion_of

_WORDS = 49408  # entries of CLIP's vocabulary


def network(path: Path, dtype: str | None) -> Any:
    """Return the U-Net of a single file.

    Args:
        dtype: Of the weights; None leaves them in the file, as they are there.

    Raises:
        ModelFileError: The file is damaged, or its U-Net is not that of Stable Diffusion 1.x.
    """
    from diffusers import UNet2DConditionModel

    return _filled(path, "unet", UNet2DConditionModel.from_config, dtype)


def text_encoder(path: Path, dtype: str | None) -> Any:
    """Return the text encoder of a single file.

    Args:
        dtype: As that of `network`.

    Raises:
        ModelFileError: The file is damaged, or knows other words than CLIP.
    """
    from transformers import CLIPTextConfig, CLIPTextModel

    def built(facts: dict[str, Any]) -> Any:
        if facts["vocab_size"] != _WORDS:
            raise ModelFileError(
                f"the text encoder in `{path}` knows {facts['vocab_size']} words, CLIP {_WORDS}",
                "name a diffusers folder: it has a tokenizer of its own",
            )
        return CLIPTextModel(CLIPTextConfig(**facts))

    return _filled(path, "text_encoder", built, dtype)


def _filled(path: Path, part: str, built: Any, dtype: str | None) -> Any:
    import torch

    tensors = single_file.state(path, part)
    facts = single_file.config(part, {name: tuple(t.shape) for name, t in tensors.items()})
    with torch.device("meta"):
        module = built(facts)
    wanted = tensors
    if dtype is not None:
        # Copies: a tensor's address in a mapped file would decide the last bits of a product.
        kind = getattr(torch, dtype)
        wanted = {name: tensor.to(kind, copy=True) for name, tensor in tensors.items()}
    # What a config implies and no file holds (positions) is made here, not on the meta device.
    single_file.fill(module, wanted, path)
    for name, buffer in list(module.named_buffers()):
        if buffer.is_meta:
            owner, _, last = name.rpartition(".")
            value = torch.arange(buffer.shape[-1]).expand(buffer.shape)
            module.get_submodule(owner).register_buffer(last, value, persistent=False)
    return module


def noise_process() -> Diffusion:
    """Return the process of Stable Diffusion 1.x; a single file names none."""
    with resources.as_file(single_file.shipped()) as folder:
        return diffusion_of(folder / "scheduler", Prediction.EPSILON)
