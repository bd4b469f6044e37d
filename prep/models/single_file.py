"""Base models in one `.safetensors` or `.ckpt` file (LDM layout), opened without the network.

What such a file leaves out, the settings of its parts and the tokenizer, ships with the package
(`prep/models/configs`); widths are read from the weights. A `.ckpt` is read by torch's weights_only
unpickler, and recognised by the words in it: nothing that came with it can run.
"""

import json
from collections.abc import Iterable, Mapping
from importlib import resources
from importlib.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import ldm_names, pickle_file, safetensors_file
from prep.runtime.errors import ModelFileError

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from torch import Tensor, nn

SUFFIXES = (".safetensors", ".ckpt")
_LEVELS = range(4)


def shipped() -> Traversable:
    """Return the folder of settings and tokenizer of Stable Diffusion 1.x."""
    return resources.files("prep.models") / "configs" / "sd15"


def names(path: Path) -> list[str]:
    """Return the names of the tensors in a file; no torch, no weight is read.

    Of a `.ckpt` these are all the words in it, the tensors' names among them.

    Raises:
        ModelFileError: The file is damaged, or none of the two kinds.
    """
    if path.suffix.lower() == ".safetensors":
        return list(safetensors_file.header(path).tensors)
    return pickle_file.words(path)


def what(found: Iterable[str]) -> str:
    """Return what a file with these tensors is, in a person's words.

    `a Stable Diffusion 1.x model` and `a VAE` can be opened; anything else is for a message.
    """
    known = tuple(found)

    def has(before: str) -> bool:
        return any(name.startswith(before) for name in known)

    if any(".lora_" in name or ".lora_A" in name for name in known):
        return "a LoRA"
    if has(f"{ldm_names.PARTS['unet']}joint_blocks."):
        return "a Stable Diffusion 3 model"
    if has("conditioner.embedders."):
        return "a Stable Diffusion XL model"
    if has("cond_stage_model.model."):
        return "a Stable Diffusion 2.x model"
    if has(ldm_names.PARTS["unet"]) and has("cond_stage_model.transformer."):
        return "a Stable Diffusion 1.x model"
    if has("encoder.down.0.") or has("first_stage_model.encoder.down.0."):
        return "a VAE"
    return "a file of weights of another kind"


def state(path: Path, part: str) -> "dict[str, Tensor]":
    """Return a part's tensors by diffusers' names, in the file's dtype, on the CPU.

    Args:
        part: `unet`, `vae` or `text_encoder`.

    Raises:
        ModelFileError: The file is damaged, holds code, or has no such part.
    """
    before = ldm_names.PARTS[part]
    tensors = _picked(path, part)
    found = {}
    for name, tensor in tensors.items():
        own = ldm_names.from_ldm(part, before + name)
        found[own] = (
            tensor[..., 0, 0] if ldm_names.is_flat(part, own) and tensor.ndim == 4 else tensor
        )
    if not found:
        raise ModelFileError(f"`{path}` has no {part.replace('_', ' ')}", "name another base model")
    return found


def check_vae(path: Path) -> None:
    """Raise ModelFileError unless a file has a VAE; reads names only."""
    found = what(names(path))
    if found not in ("a Stable Diffusion 1.x model", "a VAE"):
        raise ModelFileError(
            f"`{path}` is {found}, not a Stable Diffusion 1.x model or its VAE",
            "name a base model's file or folder, a hub id, or `tiny`",
        )


def open_vae(path: Path, device: str) -> "AutoencoderKL":
    """Return the VAE of a single file: float32, for inference.

    Raises:
        ModelFileError: The file has none, or one that is damaged.
    """
    import torch
    from diffusers import AutoencoderKL

    check_vae(path)
    tensors = state(path, "vae")
    facts = config("vae", {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    kind: Any = AutoencoderKL  # its classes are typed only in part
    with torch.device("meta"):
        vae = kind.from_config(facts)
    fill(vae, {name: tensor.float() for name, tensor in tensors.items()}, path)
    opened: AutoencoderKL = vae.to(device).eval().requires_grad_(False)
    return opened


def fill(network: "nn.Module", tensors: "Mapping[str, Tensor]", path: Path) -> None:
    """Give a network made on the meta device its weights.

    Raises:
        ModelFileError: A weight is missing, too many, or of another shape.
    """
    try:
        network.load_state_dict(tensors, assign=True)
    except RuntimeError as error:
        why = str(error).splitlines()[1].strip()[:200]
        raise ModelFileError(f"`{path}` cannot be opened: {why}", "fetch the file again") from error


def vae_digest(path: Path) -> str:
    """Return the digest of a single file's VAE: that of the same VAE as a diffusers folder."""
    if path.suffix.lower() != ".safetensors":
        return safetensors_file.digest_of(safetensors_file.of_torch(state(path, "vae")))
    tensors = safetensors_file.header(path).tensors
    chosen = {}
    for own, name in _chosen(tensors, "vae").items():
        place, named = tensors[name], ldm_names.from_ldm("vae", ldm_names.PARTS["vae"] + own)
        if ldm_names.is_flat("vae", named):
            place = safetensors_file.TensorSpan(
                place.dtype, place.shape[:2], place.start, place.end
            )
        chosen[named] = (place, path)
    return safetensors_file.digest(chosen)


def config(part: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """Return the settings of a part of Stable Diffusion 1.x: those shipped, with these widths.

    Args:
        part: `unet`, `vae` or `text_encoder`.
        shapes: Shape of each tensor, by diffusers' names.

    Raises:
        ModelFileError: The tensors are not those of the part.
    """
    text = (shipped() / part / "config.json").read_text(encoding="utf-8")
    facts: dict[str, Any] = json.loads(text)
    try:
        return facts | _widths(part, shapes)
    except LookupError as error:
        raise ModelFileError(
            f"the {part.replace('_', ' ')} is not that of Stable Diffusion 1.x: it lacks {error}",
            "name another base model",
        ) from None


def _widths(part: str, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    if part == "unet":
        blocks = [shapes[f"down_blocks.{n}.resnets.0.conv1.weight"][0] for n in _LEVELS]
        first = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight"
        return {
            "block_out_channels": blocks,
            "cross_attention_dim": shapes[first][1],
            "in_channels": shapes["conv_in.weight"][1],
        }
    if part == "vae":
        blocks = [shapes[f"encoder.down_blocks.{n}.resnets.0.conv1.weight"][0] for n in _LEVELS]
        channels = shapes["post_quant_conv.weight"][0]
        return {"block_out_channels": blocks, "latent_channels": channels}
    vocabulary, width = shapes["embeddings.token_embedding.weight"]
    layers = {name.split(".")[2] for name in shapes if name.startswith("encoder.layers.")}
    return {
        "vocab_size": vocabulary,
        "hidden_size": width,
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": len(layers),
        "num_attention_heads": max(1, width // 64),  # CLIP's heads are 64 wide
        "projection_dim": width,
    }


def _chosen(found: Iterable[str], part: str) -> dict[str, str]:
    """Return a part's tensors: its own name -> the name in the file.

    A VAE may come alone, without the part's mark; some old files lack the text's `text_model.`.
    """
    known = tuple(found)
    marks = {
        "unet": (ldm_names.PARTS["unet"],),
        "vae": (ldm_names.PARTS["vae"], ""),
        "text_encoder": (ldm_names.PARTS["text_encoder"], "cond_stage_model.transformer."),
    }
    for mark in marks[part]:
        own = {name.removeprefix(mark): name for name in known if name.startswith(mark)}
        if mark == "" and what(known) != "a VAE":
            return {}
        if own:
            return {name: at for name, at in own.items() if _belongs(part, name)}
    return {}


def _belongs(part: str, name: str) -> bool:
    """Return whether a tensor is of the network; training code left others in some files."""
    if part == "vae":
        return name.startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv."))
    return not name.endswith("position_ids")


def _picked(path: Path, part: str) -> "dict[str, Tensor]":
    if path.suffix.lower() != ".ckpt":
        from safetensors import safe_open

        places = safetensors_file.header(path).tensors
        chosen = _chosen(places, part)
        safetensors_file.check_weights(path, {at: places[at] for at in chosen.values()})
        with safe_open(path, framework="pt") as file:
            return {own: file.get_tensor(at) for own, at in chosen.items()}
    found = pickle_file.tensors(path, mmap=True)
    return {own: found[at] for own, at in _chosen(found, part).items()}
