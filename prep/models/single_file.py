"""Base models in one `.safetensors` or `.ckpt` file (LDM layout), opened without the network.

Names are changed by diffusers' own readers of such files; widths are read from the weights. A
`.ckpt` is read by torch's weights_only unpickler, and recognised by the words in it: nothing that
came with it can run.
"""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from prep.models import file_layouts, ldm_names, pickle_file, safetensors_file
from prep.models.file_layouts import SD15, Layout
from prep.models.file_widths import config
from prep.runtime.errors import ModelFileError

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from torch import Tensor, nn

SUFFIXES = (".safetensors", ".ckpt")


def names(path: Path) -> list[str]:
    """Return the names of the tensors in a file; no torch, no weight is read.

    Of a `.ckpt` these are all the words in it, the tensors' names among them.

    Raises:
        ModelFileError: The file is damaged, or none of the two kinds.
    """
    if path.suffix.lower() == ".safetensors":
        return list(safetensors_file.header(path).tensors)
    if path.suffix.lower() not in SUFFIXES:
        raise ModelFileError(
            f"`{path}` is no model: its name ends in none of {' and '.join(SUFFIXES)}",
            "name a model's folder, its single file, a hub id or `tiny`",
        )
    return pickle_file.words(path)


def state(path: Path, layout: Layout, part: str, shapes_only: bool = False) -> "dict[str, Tensor]":
    """Return a part's tensors by diffusers' names, in the file's dtype, on the CPU.

    Args:
        part: `unet`, `vae` or the folder of a text encoder.
        shapes_only: Return them on the meta device; no weight is read.

    Raises:
        ModelFileError: The file is damaged, holds code, or has no such part.
    """
    tensors = _picked(path, layout, part)
    if shapes_only:
        tensors = {name: tensor.to("meta") for name, tensor in tensors.items()}
    try:
        found = renamed(layout, part, tensors)
    except KeyError as error:
        raise ModelFileError(
            f"`{path}` cannot be opened: it lacks {error}", "fetch the file again"
        ) from error
    if not found:
        raise ModelFileError(f"`{path}` has no {part.replace('_', ' ')}", "name another base model")
    return found


def renamed(layout: Layout, part: str, tensors: "dict[str, Tensor]") -> "dict[str, Tensor]":
    """Return a part's tensors in a file by diffusers' names, `text_model.` left out.

    Raises:
        KeyError: One without which the others cannot be named is not there.
    """
    from diffusers.loaders import single_file_utils

    readers: Any = single_file_utils  # they are not typed
    if part == "unet":
        found = readers.convert_ldm_unet_checkpoint(tensors, layout.settings(part))
    elif part == "vae":
        found = readers.convert_ldm_vae_checkpoint(tensors, layout.settings(part))
    elif layout.is_open_clip(part):
        before = layout.mark(part)
        width = tensors[f"{before}ln_final.weight"].shape[0]
        like = SimpleNamespace(config=SimpleNamespace(hidden_size=width))
        found = readers.convert_open_clip_checkpoint(like, tensors, before)
    else:
        found = readers.convert_ldm_clip_checkpoint(tensors)
    return {name.removeprefix("text_model."): tensor for name, tensor in found.items()}


def vae_layout(path: Path) -> Layout:
    """Return the layout that a file's VAE has; that of a VAE alone is the oldest one's.

    Raises:
        ModelFileError: It has none that is known.
    """
    found = names(path)
    if layout := file_layouts.layout_of(found):
        return layout
    what = file_layouts.what(found)
    if what != file_layouts.VAE:
        raise ModelFileError(
            f"`{path}` is {what}, not a Stable Diffusion model or its VAE",
            "name a base model's file or folder, a hub id, or `tiny`",
        )
    return SD15


def open_vae(path: Path, device: str) -> "AutoencoderKL":
    """Return the VAE of a single file: float32, for inference.

    Raises:
        ModelFileError: The file has none, or one that is damaged.
    """
    import torch
    from diffusers import AutoencoderKL

    layout = vae_layout(path)
    tensors = state(path, layout, "vae")
    facts = config(layout, "vae", {name: tuple(tensor.shape) for name, tensor in tensors.items()})
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
    layout = vae_layout(path)
    if path.suffix.lower() != ".safetensors":
        return safetensors_file.digest_of(safetensors_file.of_torch(state(path, layout, "vae")))
    before = ldm_names.PARTS["vae"]
    chosen = {}
    for name, place in _used(safetensors_file.header(path).tensors, layout, "vae").items():
        named = ldm_names.from_ldm("vae", before + name.removeprefix(before))
        if ldm_names.is_flat("vae", named):
            place = safetensors_file.TensorSpan(
                place.dtype, place.shape[:2], place.start, place.end
            )
        chosen[named] = (place, path)
    return safetensors_file.digest(chosen)


def _used(found: Mapping[str, Any], layout: Layout, part: str) -> dict[str, Any]:
    """Return those of a file's tensors that are of a part; a VAE may come alone, without a mark."""
    mark = layout.mark(part)
    alone = part == "vae" and file_layouts.what(found.keys()) == file_layouts.VAE
    return {
        name: one
        for name, one in found.items()
        if (name.startswith(mark) or alone) and layout.is_used(part, name)
    }


def _picked(path: Path, layout: Layout, part: str) -> "dict[str, Tensor]":
    if path.suffix.lower() == ".ckpt":
        return _used(pickle_file.tensors(path, mmap=True), layout, part)
    from safetensors import safe_open

    places = _used(safetensors_file.header(path).tensors, layout, part)
    safetensors_file.check_weights(path, places)
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in places}
