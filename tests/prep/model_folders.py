"""A model as it lies in a folder, how it is asked for, and what is told where it is not right."""

import struct
from pathlib import Path

import pytest

from prep.models.locate import Ask, Models
from prep.runtime.errors import ModelFileError

FIRST, SECOND = "a" * 40, "b" * 40
HUB = "someone/tagger"
ASK = Ask("tagger", HUB, ("model.safetensors", "labels.csv", "extra.json"),
          needs=("model.safetensors", "labels.csv"))  # fmt: skip


def tensors(data: bytes = b"\1\2\3\4", pad: int = 0) -> bytes:
    """Return a whole safetensors file of one byte tensor; its header has `pad` more spaces."""
    shape = f'"dtype":"U8","shape":[{len(data)}],"data_offsets":[0,{len(data)}]'
    header = ('{"weight":{' + shape + "}}").encode() + b" " * pad
    return struct.pack("<Q", len(header)) + header + data


def at(folder: Path) -> Ask:
    """Return the same question for a folder."""
    return Ask("tagger", str(folder), ASK.patterns, needs=ASK.needs)


def told(models: Models, ask: Ask) -> tuple[str, str | None]:
    """Return the message and hint of a model that cannot be found."""
    with pytest.raises(ModelFileError) as raised:
        models.find(ask)
    return str(raised.value), raised.value.hint
