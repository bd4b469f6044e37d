"""Counting CLIP's tokens by the tokenizer's files alone: no library of models is loaded for it.

Source: `CLIPTokenizer` of transformers 5.23: its normalisation, its pieces, its merges.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import file_layouts
from prep.runtime.errors import ModelFileError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
_PIECES = (
    r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
)


def token_counter(folder: Path | None) -> Callable[[Sequence[str]], list[int]]:
    """Return a function from texts to their numbers of tokens, marks left out.

    Args:
        folder: A tokenizer's own folder; None for the one that ships with the package.

    Raises:
        ModelFileError: The folder holds no tokenizer, or one that is damaged.
    """
    tokenizer = _opened(folder)

    def count(texts: Sequence[str]) -> list[int]:
        rows = tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [len(row.ids) for row in rows]

    return count


def _opened(folder: Path | None) -> "Tokenizer":
    from tokenizers import Tokenizer

    if folder is None:
        return _built(*shipped_words())
    try:
        if (folder / "tokenizer.json").is_file():
            found = Tokenizer.from_file(str(folder / "tokenizer.json"))
            found.no_truncation()
            found.no_padding()
            return found
        words = json.loads((folder / "vocab.json").read_text(encoding="utf-8"))
        return _built(words, _merges((folder / "merges.txt").read_text(encoding="utf-8")))
    except Exception as error:  # the library raises plain exceptions of its own
        raise ModelFileError(
            f"the tokenizer in `{folder.parent}` cannot be opened", "fetch its files again"
        ) from error


def shipped_words() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Return vocabulary and merges of CLIP, of the merges that ship with the package."""
    text = (file_layouts.shipped("sd15") / "tokenizer" / "merges.txt").read_text(encoding="utf-8")
    merges = _merges(text)
    return vocabulary(merges), merges


def vocabulary(merges: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Return the words of a tokenizer with these merges, and their numbers.

    Source: openai/CLIP simple_tokenizer.py: bytes, bytes at a word's end, merges, two marks.
    """
    letters = _letters()
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(two) for two in merges)]
    return {word: index for index, word in enumerate([*words, BEGIN, END])}


def _merges(text: str) -> list[tuple[str, str]]:
    """Return the pairs of a `merges.txt`; its first line names its version."""
    rows = [line.split() for line in text.split("\n") if line and not line.startswith("#version")]
    return [(first, second) for first, second in rows]


def _letters() -> list[str]:
    """Return a printable character for each byte, in the order of CLIP's vocabulary.

    Source: openai/CLIP simple_tokenizer.py, `bytes_to_unicode`.
    """
    plain = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAC + 1), *range(0xAE, 0xFF + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return [*map(chr, plain), *(chr(256 + n) for n in range(len(others)))]


def _built(words: dict[str, int], merges: list[tuple[str, str]]) -> "Tokenizer":
    from tokenizers import Regex, Tokenizer, normalizers, pre_tokenizers
    from tokenizers.models import BPE

    kind: Any = BPE  # its class is typed only in part
    found = Tokenizer(
        kind(
            vocab=words,
            merges=merges,
            continuing_subword_prefix="",
            end_of_word_suffix="</w>",
            fuse_unk=False,
            unk_token=END,
        )
    )
    changes: Any = [
        normalizers.NFC(),
        normalizers.Replace(Regex(r"\s+"), " "),
        normalizers.Lowercase(),
    ]
    found.normalizer = normalizers.Sequence(changes)
    pieces: Any = [
        pre_tokenizers.Split(Regex(_PIECES), behavior="removed", invert=True),
        pre_tokenizers.ByteLevel(add_prefix_space=False),
    ]
    found.pre_tokenizer = pre_tokenizers.Sequence(pieces)
    found.add_special_tokens([BEGIN, END])
    return found
