"""Words of texts that stand for vectors of their own: tokenizers and text encoders know them.

A word in a text becomes tokens with numbers below 0, one for each of its vectors, and a text
encoder looks those up beside its own table, which stays as it is. Below 0, since encoders whose
config says so take the state of the largest number for the text's own.

Letters: B batch, L tokens, D features, N vectors.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

from train.families.family import Base
from train.families.folder_weights import tokenizer_of

if TYPE_CHECKING:
    from torch import Tensor, nn

ROWS = "rows"  # what a table of token vectors calls the new ones
_FIRST_MARK = 0xE000  # letters of private use: no text that prep reads has them


class NewWord(NamedTuple):
    """A word, or several with spaces between them, and how many vectors it stands for."""

    word: str
    vectors: int


def is_in(word: str, text: str) -> bool:
    """Return whether a text holds a word: whole, in capitals or not, as CLIP reads."""
    return _pattern(word).search(text) is not None


def lengthened(text: str, words: Sequence[NewWord]) -> str:
    """Return a text with as many words of one token each as new words have vectors: to count it."""
    return _replaced(text, words, lambda number: "a")


def add(
    base: Base, words: Sequence[NewWord], rows: "Mapping[str, Tensor]"
) -> Callable[[bool], None]:
    """Let texts hold new words; nothing learns yet.

    Args:
        rows: Folder of a text encoder -> the vectors of all words, one after the other, shape (N,
            D); they are copied.

    Returns:
        Called with False the words are read as the base model reads them, with True as new ones.
    """
    readers = []
    for part, rows_ND in rows.items():
        table: Any = base.encoders[part].get_input_embeddings()  # type: ignore[operator]
        _widen(table, rows_ND)
        name = tokenizer_of(part)
        readers.append(WordReader(base.tokenizers[name], words))
        base.tokenizers[name] = readers[-1]

    def act(wish: bool) -> None:
        for reader in readers:
            reader.acts = wish

    return act


def rows_of(base: Base) -> "dict[str, nn.Parameter]":
    """Return the vectors of new words by the folders of the text encoders; not copies."""
    tables = {part: one.get_input_embeddings() for part, one in base.encoders.items()}  # type: ignore[operator]
    return {part: getattr(one, ROWS) for part, one in tables.items() if hasattr(one, ROWS)}


class WordReader:
    """A tokenizer that knows new words."""

    def __init__(self, tokenizer: Any, words: Sequence[NewWord]) -> None:
        """Teach a tokenizer, which changes in place, the marks that stand for vectors."""
        from transformers import AddedToken

        self._tokenizer, self._words, self.acts = tokenizer, words, True
        marks = [_mark(number) for number in range(sum(one.vectors for one in words))]
        tokenizer.add_tokens([AddedToken(mark, normalized=False) for mark in marks])
        ids = tokenizer.convert_tokens_to_ids(marks)
        self._own = {id_: -1 - number for number, id_ in enumerate(ids)}

    def __call__(self, text: str, **how: Any) -> SimpleNamespace:
        """Return the tokens of a text as `input_ids`; those of new words are -1, -2, ..."""
        text = _replaced(text, self._words, _mark) if self.acts else text
        ids = self._tokenizer(text, **how).input_ids
        return SimpleNamespace(input_ids=[self._own.get(one, one) for one in ids])

    def __getattr__(self, name: str) -> Any:
        """Return what else a tokenizer has."""
        return getattr(self._tokenizer, name)


def _replaced(text: str, words: Sequence[NewWord], of: Callable[[int], str]) -> str:
    """Return a text with something in the place of each vector of each new word."""
    number = 0
    for one in words:
        each = " ".join(map(of, range(number, number + one.vectors)))
        text = _pattern(one.word).sub(f" {each} ", text)
        number += one.vectors
    return text


def _pattern(word: str) -> re.Pattern[str]:
    """Return what finds a word that is not part of a longer one."""
    inner = r"\s+".join(map(re.escape, word.split()))
    before = r"(?<!\w)" if re.match(r"\w", word) else ""
    behind = r"(?!\w)" if re.search(r"\w$", word) else ""
    return re.compile(before + inner + behind, re.IGNORECASE)


def _mark(number: int) -> str:
    return chr(_FIRST_MARK + number)


def _widen(table: Any, rows_ND: "Tensor") -> None:
    """Give a table of token vectors further ones, by numbers below 0."""
    import torch

    own = rows_ND.detach().to(device=table.weight.device, dtype=torch.float32, copy=True)
    setattr(table, ROWS, torch.nn.Parameter(own, requires_grad=False))
    table.forward = partial(_looked_up, table)


def _looked_up(table: Any, ids_BL: "Tensor") -> "Tensor":
    """Return the vectors of tokens, shape (B, L, D): its own, or the further ones."""
    import torch
    from torch.nn.functional import embedding

    own_BLD = embedding(ids_BL.clamp(min=0), table.weight)
    new_BLD = embedding((-1 - ids_BL).clamp(min=0), getattr(table, ROWS)).to(own_BLD.dtype)
    return torch.where((ids_BL < 0)[..., None], new_BLD, own_BLD)
