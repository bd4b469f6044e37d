"""The states of texts, kept where no text encoder learns. Knows no tokenizer and no family."""

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prep.models import safetensors_file
from prep.runtime import files

if TYPE_CHECKING:
    from train.families.family import Conditioning

_CACHE_BYTES = 1 << 30
_DIGEST = hashlib.sha256().digest_size


class StateFiles:
    """States of texts on the disk: a file each, named by the text's digest.

    The files are those of one run on one machine: what else decides the states is in the name of
    the folder. A file that is damaged is as good as none.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, text: str) -> "Conditioning | None":
        """Return the states of a text, bit for bit as they were put; None where there are none."""
        from safetensors.torch import load

        try:
            data = self._file(text).read_bytes()
        except OSError:
            return None
        digest, body = data[:_DIGEST], data[_DIGEST:]
        return load(body) if hashlib.sha256(body).digest() == digest else None

    def put(self, text: str, states: "Conditioning") -> None:
        """Write the states of a text.

        Raises:
            MachineError: The disk is full or cannot be written.
        """
        each = {name: safetensors_file.packed(tensor) for name, tensor in states.items()}
        body, path = safetensors_file.dump(each), self._file(text)
        # Not flushed: what a power cut tears does not have its digest.
        scratch = path.with_name(f"{files.SCRATCH}{uuid.uuid4().hex}")
        with files.disk_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch.write_bytes(hashlib.sha256(body).digest() + body)
            scratch.replace(path)

    def _file(self, text: str) -> Path:
        return self.folder / files.digest_bytes(text.encode())


class TextCache:
    """The states of texts: kept while they fit into memory, where no text encoder learns.

    Keys are the texts alone: encoders, token length and clip skip are those of one run.

    Attributes:
        limit: Bytes of states that are kept in memory.
    """

    def __init__(
        self,
        encode: "Callable[[list[str]], list[Conditioning]]",
        learns: bool = False,
        disk: StateFiles | None = None,
    ) -> None:
        """Keep nothing where a text encoder `learns`; keep all states on `disk`, where it is."""
        self._encode, self.limit = encode, 0 if learns else _CACHE_BYTES
        self._disk = None if learns else disk
        self._kept: OrderedDict[str, Conditioning] = OrderedDict()
        self._bytes = 0

    def of(self, texts: Sequence[str]) -> "list[Conditioning]":
        """Return the conditioning of each text, without a batch axis: of a kept one on the CPU."""
        found = {text: self._kept[text] for text in texts if text in self._kept}
        for text in found:
            self._kept.move_to_end(text)
        new = [text for text in dict.fromkeys(texts) if text not in found]
        made = dict(zip(new, self._made(new), strict=True)) if new else {}
        for text, state in made.items():
            self._keep(text, state)
        return [found[text] if text in found else made[text] for text in texts]

    def size(self, text: str) -> int:
        """Return the bytes of the states of a text."""
        return _size(self.of([text])[0])

    def fill(self, texts: Iterable[str], told: Callable[[], None] = lambda: None) -> None:
        """Make the states of texts before they are asked for; `told` is called after each."""
        for text in texts:
            self.of([text])
            told()

    def _made(self, texts: list[str]) -> "list[Conditioning]":
        if self._disk is None:
            return self._encode(texts)
        found = {text: self._disk.get(text) for text in texts}
        new = [text for text, states in found.items() if states is None]
        for text, states in zip(new, self._encode(new) if new else [], strict=True):
            self._disk.put(text, states)
            found[text] = states
        return [states for states in found.values() if states is not None]

    def _keep(self, text: str, state: "Conditioning") -> None:
        if not self.limit:
            return
        self._kept[text] = {name: one.cpu() for name, one in state.items()}
        self._bytes += _size(state)
        while self._bytes > self.limit:
            _, old = self._kept.popitem(last=False)
            self._bytes -= _size(old)


def _size(states: "Conditioning") -> int:
    return sum(tensor.nbytes for tensor in states.values())
