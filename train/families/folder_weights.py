"""Weights of a part of a diffusers folder: one file, or shards with an index."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from prep.models import safetensors_file
from prep.models.safetensors_file import TensorSpan
from prep.runtime.errors import ModelFileError

Spans = Mapping[str, tuple[TensorSpan, Path]]


def weights_of(part: str) -> str:
    """Return the name of a part's file of weights in a diffusers folder."""
    is_text = part.startswith("text_encoder")
    return f"{'model' if is_text else 'diffusion_pytorch_model'}.safetensors"


def files_of(parts: Iterable[str], tokenizers: Iterable[str]) -> tuple[str, ...]:
    """Return the files of some parts and tokenizers, relative to a diffusers folder."""
    each = [f"{part}/{name}" for part in parts for name in ("config.json", weights_of(part))]
    return (*each, *(f"{folder}/*" for folder in tokenizers))


def tokenizer_of(encoder: str) -> str:
    """Return the folder of a text encoder's tokenizer."""
    return encoder.replace("text_encoder", "tokenizer")


def sharded(pattern: str) -> tuple[str, ...]:
    """Return the names that a file of weights has where it is cut into shards: index and shards.

    Args:
        pattern: The name of the whole file, with its folder or not.
    """
    stem = pattern.removesuffix(".safetensors")
    if stem == pattern:
        return ()
    return (f"{pattern}.index.json", f"{stem}-?????-of-?????.safetensors")


def spans(folder: Path) -> Spans:
    """Return where each tensor of a part lies, by its name; headers only.

    Args:
        folder: The part's own folder.

    Raises:
        ModelFileError: Its weights are missing or damaged, or a shard is.
    """
    whole = folder / weights_of(folder.name)
    index = whole.with_name(f"{whole.name}.index.json")
    if whole.is_file() or not index.is_file():
        return {name: (at, whole) for name, at in safetensors_file.header(whole).tensors.items()}
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        shards = sorted({folder / Path(str(file)).name for file in named.values()})
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ModelFileError(
            f"`{index}` is not the index of a model's shards", "fetch it again"
        ) from error
    for shard in shards:
        if not shard.is_file():
            raise ModelFileError(
                f"`{folder}` lacks `{shard.name}`, one of {len(shards)} shards of its weights",
                "fetch it again, with every part of a diffusers folder as safetensors",
            )
    return {
        name: (at, shard)
        for shard in shards
        for name, at in safetensors_file.header(shard).tensors.items()
    }
