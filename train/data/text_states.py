"""The states of texts, kept where no text encoder learns. Knows no tokenizer and no family."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from train.families.family import Conditioning

_CACHE_BYTES = 1 << 30


class TextCache:
    """The states of texts: kept while they fit into memory, where no text encoder learns.

    Keys are the texts alone: encoders, token length and clip skip are those of one run.
    """

    def __init__(
        self, encode: "Callable[[list[str]], list[Conditioning]]", learns: bool = False
    ) -> None:
        self._encode, self._limit = encode, 0 if learns else _CACHE_BYTES
        self._kept: OrderedDict[str, Conditioning] = OrderedDict()
        self._bytes = 0

    def of(self, texts: Sequence[str]) -> "list[Conditioning]":
        """Return the conditioning of each text, without a batch axis."""
        found = {text: self._kept[text] for text in texts if text in self._kept}
        for text in found:
            self._kept.move_to_end(text)
        new = [text for text in dict.fromkeys(texts) if text not in found]
        made = dict(zip(new, self._encode(new), strict=True)) if new else {}
        for text, state in made.items():
            self._keep(text, state)
        return [found[text] if text in found else made[text] for text in texts]

    def _keep(self, text: str, state: "Conditioning") -> None:
        self._kept[text] = state
        self._bytes += sum(tensor.nbytes for tensor in state.values())
        while self._bytes > self._limit:
            _, old = self._kept.popitem(last=False)
            self._bytes -= sum(tensor.nbytes for tensor in old.values())
