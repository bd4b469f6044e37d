"""The kinds of files that are drawn on a base model, and told of: a row each."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.models import safetensors_file
from train.adapters import (
    adapter_file,
    applied,
    embedding_file,
    finite_numbers,
    hypernetwork_file,
)
from train.adapters.adapter_file import Sorted
from train.adapters.new_words import NewWord, is_in
from train.block_rates import rate_of
from train.families.family import Base, Family

Files = Sequence[tuple[Path, float]]
Act = Callable[[float], None]


@dataclass(frozen=True)
class DrawnKind:
    """One kind of file.

    Attributes:
        fits: Whether a file is of this kind; reads no more than its header.
        check: What a file holds. Raises ModelFileError where nothing of it can be used.
        check_numbers: Raises ModelFileError where some are not finite.
        check_kind: (path, family) -> None. Raises ModelFileError where it is for others.
        add: (files with strengths, base, family, weights of blocks) -> what lets them act so
            strongly, times their own strength; 0: the base model is itself.
        told: A file's first line in `train explain`; None where that has a line of its own.
        called: The word of a prompt that calls it, where there is one: it has no strength, then.
        word: How prompts name it, as in `<lora:name:1>`; empty where a word calls it.
        digest: What WebUIs know a file by, where pictures name that.
    """

    fits: Callable[[Path], bool]
    check: Callable[[Path], Sorted]
    check_numbers: Callable[[Path], None]
    check_kind: Callable[[Path, Family], None]
    add: Callable[[Files, Base, Family, Mapping[str, float]], Act]
    told: Callable[[Path], Iterator[str]] | None = None
    called: Callable[[Path], NewWord | None] = lambda path: None
    word: str = ""
    digest: Callable[[Path], str] = lambda path: ""


def _add_loras(files: Files, base: Base, family: Family, blocks: Mapping[str, float]) -> Act:
    scales = {
        name: scale * rate_of(family.block(name), blocks)
        for name, scale in applied.add_all(files, base, family).items()
    }
    return lambda strength: applied.set_strength(base, scales, strength)


LORA = DrawnKind(
    fits=lambda path: True,
    check=adapter_file.check,
    check_numbers=finite_numbers.check_finite,
    check_kind=adapter_file.check_kind,
    add=_add_loras,
    word="lora",
    digest=safetensors_file.data_digest,
)
EMBEDDING = DrawnKind(
    fits=embedding_file.fits,
    check=embedding_file.check,
    check_numbers=finite_numbers.check_finite,
    check_kind=embedding_file.check_kind,
    add=embedding_file.add,
    told=embedding_file.told,
    called=embedding_file.word_of,
)
HYPERNETWORK = DrawnKind(
    fits=hypernetwork_file.fits,
    check=hypernetwork_file.check,
    check_numbers=hypernetwork_file.check_numbers,
    check_kind=hypernetwork_file.check_kind,
    add=hypernetwork_file.add,
    told=hypernetwork_file.told,
    word="hypernet",
)
_KINDS = (EMBEDDING, HYPERNETWORK, LORA)


def kind_of(path: Path) -> DrawnKind:
    """Return the kind of a file; what is of no kind is taken for a LoRA.

    Raises:
        ModelFileError: It is damaged.
    """
    return next(kind for kind in _KINDS if kind.fits(path))


def put_on(files: Files, base: Base, family: Family, blocks: Mapping[str, float]) -> Act:
    """Put files on a base model; return what lets all of them act, as `DrawnKind.add`.

    Raises:
        ModelFileError: One of them does not fit the base model.
    """
    acts: list[Act] = []
    for kind in _KINDS:
        own = [(path, strength) for path, strength in files if kind_of(path) is kind]
        acts += [kind.add(own, base, family, blocks)] if own else []

    def act(strength: float) -> None:
        for one in acts:
            one(strength)

    return act


def called_by(files: Files) -> dict[Path, NewWord]:
    """Return the words of prompts that call files, where there are such."""
    each = {path: kind_of(path).called(path) for path, _ in files}
    return {path: one for path, one in each.items() if one is not None}


def words_notes(files: Files, texts: Sequence[str]) -> Iterator[str]:
    """Yield which of the files that words call change nothing: no text has their word."""
    for path, one in called_by(files).items():
        if not any(is_in(one.word, text) for text in texts):
            yield f"no prompt has `{one.word}`, which calls `{path.name}`: it changes nothing"
