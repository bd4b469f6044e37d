"""How many tokens a text is to CLIP: what a text encoder cuts off after 75, 150 or 225 of them."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from prep.models import single_file
from prep.models.clip_tokens import shipped_words, token_counter
from prep.models.locate import Ask, Models

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
    if not name or name.lower().endswith(single_file.SUFFIXES):
        return token_counter(None)
    return token_counter(models.find(ask(name)).path / "tokenizer")


def shipped_tokenizer(padding: str | None = None) -> "CLIPTokenizer":
    """Return CLIP's tokenizer, built from the merges that ship with the package.

    Args:
        padding: Its token of padding; None for that of the end.
    """
    from transformers import CLIPTokenizer

    vocabulary, merges = shipped_words()
    pairs: Any = merges  # the type says text; pairs are what its back end takes
    more = {} if padding is None else {"pad_token": padding}
    return CLIPTokenizer(vocab=vocabulary, merges=pairs, model_max_length=77, **more)
