"""Files of embeddings: the word that calls each, and their vectors on a base model."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prep.models import safetensors_file
from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from train.adapters import new_words
from train.adapters.adapter_file import UNKNOWN, Sorted
from train.adapters.new_words import NewWord
from train.families.family import Base, Family

if TYPE_CHECKING:
    from torch import Tensor

# What files call the vectors for a text encoder; see `Family.embeddings`.
NAMES = frozenset({"emb_params", "clip_l", "clip_g"})
_FLOATS = frozenset({"F32", "F16", "BF16"})


def fits(path: Path) -> bool:
    """Return whether a file is an embedding; only its header is read."""
    if path.suffix.lower() != ".safetensors" or not path.is_file():
        return False
    return bool(NAMES & safetensors_file.header(path).tensors.keys())


def check(path: Path) -> Sorted:
    """Return what an embedding's file holds beside its vectors; only its header is read.

    Raises:
        ModelFileError: It is damaged, or its vectors are no rows of numbers, alike in number.
    """
    found = safetensors_file.header(path).tensors
    own = [at for name, at in found.items() if name in NAMES]
    good = all(at.dtype in _FLOATS and len(at.shape) == 2 and 0 not in at.shape for at in own)
    if not good or len({at.shape[0] for at in own}) != 1:
        raise ModelFileError(
            f"`{path}` is an embedding whose vectors cannot be used", "fetch the file again"
        )
    others = tuple(sorted(found.keys() - NAMES))
    return Sorted((), (), {UNKNOWN: others} if others else {})


def word_of(path: Path) -> NewWord:
    """Return the word that calls an embedding: that it was trained with, else its file's name."""
    head = safetensors_file.header(path)
    vectors = next(at.shape[0] for name, at in head.tensors.items() if name in NAMES)
    return NewWord(head.metadata.get("ss_token_string") or path.stem, vectors)


def check_kind(path: Path, family: Family) -> None:
    """Raise ModelFileError where an embedding is for another kind of model."""
    found = NAMES & safetensors_file.header(path).tensors.keys()
    if not family.embeddings or not found.issuperset(family.embeddings.values()):
        raise _other(path, f"it has {', '.join(f'`{name}`' for name in sorted(found))}")


def add(
    files: Sequence[tuple[Path, float]], base: Base, family: Family, blocks: Mapping[str, float]
) -> Callable[[float], None]:
    """Let texts for a base model hold the words of embeddings.

    Args:
        files: Each with its strength, which is 1.
        blocks: Decide nothing of an embedding.

    Returns:
        Called with 0 the words are read as the base model reads them.

    Raises:
        ModelFileError: The vectors are not as wide as those of the base model, or two are called by
            one word.
    """
    import torch

    known: list[NewWord] = []
    rows: dict[str, list[Tensor]] = {part: [] for part in family.embeddings}
    for path, _ in files:
        one = word_of(path)
        if one.word.lower() in {other.word.lower() for other in known}:
            raise ModelFileError(
                f"`{path}` is called by `{one.word}`, and so is another embedding",
                "draw them one by one",
            )
        known.append(one)
        for part, tensor_ND in _vectors(path, base, family).items():
            rows[part].append(tensor_ND)
    joined = {part: torch.cat(each) for part, each in rows.items()}
    act = new_words.add(base, known, joined)
    return lambda strength: act(strength != 0)


def _vectors(path: Path, base: Base, family: Family) -> "dict[str, Tensor]":
    """Return the vectors of a file by the folders of the text encoders, shape (N, D)."""
    from safetensors.torch import load_file

    saved = load_file(path)
    found = {part: saved[name] for part, name in family.embeddings.items()}
    for part, tensor_ND in found.items():
        wide = base.encoders[part].get_input_embeddings().weight.shape[1]  # type: ignore[operator]
        if tensor_ND.shape[1] != wide:
            raise _other(path, f"its vectors have {tensor_ND.shape[1]} numbers, there are {wide}")
    return found


def _other(path: Path, why: str) -> ModelFileError:
    return ModelFileError(
        f"`{path}` is an embedding for another kind of model: {why}",
        "name the base model that it was made for: `--base`",
    )


def told(path: Path) -> Iterator[str]:
    """Yield what a file is, in a line."""
    tensors = safetensors_file.header(path).tensors
    sizes = [f"{at.shape[1]} numbers for `{n}`" for n, at in sorted(tensors.items()) if n in NAMES]
    vectors = counted(word_of(path).vectors, "vector")
    yield f"{path.name}: an embedding of {vectors}, each of {' and '.join(sizes)}"
