"""How many tokens a text is to CLIP: what a text encoder cuts off after 75, 150 or 225 of them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from prep.models import single_file
from prep.models.locate import Ask, Models
from prep.runtime.errors import ModelFileError

if TYPE_CHECKING:
    from transformers import CLIPTokenizer

# Tokens of one, two and three chunks, the mark at either end of a chunk left out.
CHUNKS = (75, 150, 225)

Counter = Callable[[Sequence[str]], list[int]]


def ask(name: str) -> Ask:
    """Return what `prep.models.locate` has to find for the tokenizer of a base model."""
    return Ask(kind="base", name=name, patterns=("tokenizer/*",), needs=("tokenizer/merges.txt",))


def counter(models: Models, name: str = "") -> Counter:
    """Return a function from texts to their numbers of tokens, marks left out.

    Args:
        models: Where base models are found.
        name: A base model: `tiny`, a diffusers folder, hub id or single file. Empty, and for a
            single file, which holds none: CLIP's own tokenizer, which ships with the package.

    Raises:
        ModelFileError: The model or its tokenizer is not there, or is damaged.
    """
    return counter_of(_opened(models, name))


def counter_of(tokenizer: "CLIPTokenizer") -> Counter:
    """Return a function from texts to their numbers of tokens by a tokenizer."""

    def count(texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        rows = tokenizer(list(texts), verbose=False, add_special_tokens=False).input_ids
        return [len(row) for row in rows]

    return count


def _opened(models: Models, name: str) -> "CLIPTokenizer":
    if not name or name.lower().endswith(single_file.SUFFIXES):
        return shipped_tokenizer()
    from transformers import CLIPTokenizer

    folder = models.find(ask(name)).path / "tokenizer"
    try:
        found: CLIPTokenizer = CLIPTokenizer.from_pretrained(str(folder), local_files_only=True)
    except (OSError, ValueError, TypeError) as error:
        raise ModelFileError(
            f"the tokenizer in `{folder.parent}` cannot be opened", "fetch its files again"
        ) from error
    return found


def shipped_tokenizer() -> "CLIPTokenizer":
    """Return CLIP's tokenizer, built from the merges that ship with the package.

    Source: openai/CLIP simple_tokenizer.py: bytes, bytes at a word's end, merges, two marks.
    """
    from transformers import CLIPTokenizer
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    text = (single_file.shipped() / "tokenizer" / "merges.txt").read_text(encoding="utf-8")
    merges = [tuple(line.split()) for line in text.split("\n")[1:] if line]
    letters = list(bytes_to_unicode().values())  # type: ignore[no-untyped-call]
    words = [*letters, *(letter + "</w>" for letter in letters)]
    words += ["".join(pair) for pair in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    vocabulary = {word: index for index, word in enumerate(words)}
    pairs: Any = merges  # the type says text; pairs are what its back end takes
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=77)
