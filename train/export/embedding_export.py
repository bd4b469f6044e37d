"""A file of an embedding: written, and proved by reading it into the base model before its name."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from train.adapters import new_words
from train.export import lora_file
from train.export.lora_file import ProofError
from train.export.rounding import as_saved
from train.families.family import Base, Family

if TYPE_CHECKING:
    from torch import Tensor


def write(
    path: Path, base: Base, family: Family, facts: tuple[str, str, Mapping[str, str]]
) -> None:
    """Publish the vectors of a base model's new word.

    Args:
        facts: The word, the precision of the numbers (fp32, fp16 or bf16), and what the file says
            of itself.

    Raises:
        ProofError: It reads back as something else than what was trained.
        MachineError: The disk is full.
    """
    word, precision, said = facts
    rows = new_words.rows_of(base)
    plain = {family.embeddings[part]: one.detach().float().cpu() for part, one in rows.items()}
    tensors = as_saved(plain, precision)

    def check(made: Path) -> None:
        kept = {part: one.data for part, one in rows.items()}
        try:
            _set(tensors, base, family)
            wanted = _states(base, family, word)
            apply(made, base, family)
            found = _states(base, family, word)
        finally:
            for part, one in kept.items():
                rows[part].data = one
        if not all(bool((one == found[name]).all()) for name, one in wanted.items()):
            raise ProofError(
                "the export does not do what the trained vectors do", "check the disk, run again"
            )

    lora_file.write(path, tensors, said, check)


def apply(path: Path, base: Base, family: Family) -> None:
    """Give a base model's new word the vectors of a file."""
    from safetensors.torch import load_file

    _set(load_file(path), base, family)


def _set(tensors: "Mapping[str, Tensor]", base: Base, family: Family) -> None:
    for part, rows in new_words.rows_of(base).items():
        rows.data = tensors[family.embeddings[part]].to(rows, copy=True)


def _states(base: Base, family: Family, word: str) -> "Mapping[str, Tensor]":
    """Return the states of a text that has the word."""
    import torch

    with torch.no_grad():
        (found,) = family.encode(base, [f"a picture of {word}"])
    return found
