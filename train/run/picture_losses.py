"""The loss of every showing of every picture: a file in the run folder, 16 bytes a showing.

Its first line is JSON: `format`, and `keys`, the pictures. Rows follow, little-endian: step and
number of the picture among the keys, both unsigned 32-bit; timestep and loss, both float32. The
loss is that of the picture alone, before weights of timesteps and pictures.
"""

import json
import os
import struct
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from prep.runtime import files
from prep.runtime.errors import MachineError
from train.step.loop import ShownLoss

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

NAME = "picture_losses.bin"
FORMAT = 1
_ROW = struct.Struct("<IIff")


@dataclass(frozen=True)
class PictureLosses:
    """The open file of one run.

    Attributes:
        number_of: Key of a picture -> its number.
    """

    path: Path
    file: BinaryIO
    number_of: dict[str, int]

    @classmethod
    @contextmanager
    def opened(cls, path: Path, keys: Iterable[str], done: int) -> "Iterator[PictureLosses]":
        """Go on behind step `done`; what the file says of later steps is forgotten.

        Raises:
            MachineError: The folder cannot be written.
        """
        order = sorted(keys)
        head = json.dumps({"format": FORMAT, "keys": order}, ensure_ascii=True).encode() + b"\n"
        with files.disk_errors(path):
            if not (done and _begins_with(path, head)):
                files.write(path, head)
            file = path.open("r+b")
            file.truncate(_end(file, len(head), done))
            file.seek(0, os.SEEK_END)
        with file:
            yield cls(path, file, {key: number for number, key in enumerate(order)})

    def add(self, step: int, shown: Sequence[ShownLoss]) -> None:
        """Write down what a step showed.

        Raises:
            MachineError: The disk is full.
        """
        with files.disk_errors(self.path):
            for one in shown:
                number = self.number_of[str(one.key)]
                self.file.write(_ROW.pack(step, number, one.time, one.loss))

    def flush(self) -> None:
        """Return when all of it is on the disk: before the checkpoint that a run goes on from.

        Raises:
            MachineError: The disk is full.
        """
        with files.disk_errors(self.path):
            self.file.flush()
            os.fsync(self.file.fileno())


class ShownLosses(NamedTuple):
    """What a run wrote down, one number a showing, in the order of the steps."""

    keys: list[str]
    step_N: "Array"
    number_N: "Array"
    time_N: "Array"
    loss_N: "Array"


def read(folder: Path) -> ShownLosses | None:
    """Return what stands in a run folder; None where there is no such file, or no row.

    Raises:
        MachineError: The file is of another version, or damaged.
    """
    import numpy as np

    path = folder / NAME
    if not path.is_file():
        return None
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline())
            body = file.read()
        keys = list(head["keys"]) if head["format"] == FORMAT else None
    except (ValueError, LookupError, TypeError):
        keys = None
    if keys is None:
        raise MachineError(
            f"`{path}` is damaged or of another version", "delete it: the run goes on without it"
        )
    body = body[: len(body) // _ROW.size * _ROW.size]
    kind = np.dtype([("step", "<u4"), ("number", "<u4"), ("time", "<f4"), ("loss", "<f4")])
    rows = np.frombuffer(body, kind)
    if not len(rows):
        return None
    return ShownLosses(keys, rows["step"], rows["number"], rows["time"], rows["loss"])


def _begins_with(path: Path, head: bytes) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(head)) == head


def _end(file: BinaryIO, begin: int, done: int) -> int:
    """Return where the rows of steps up to `done` end, bytes from the beginning of the file."""
    low, high = 0, (os.fstat(file.fileno()).st_size - begin) // _ROW.size
    while low < high:  # steps never fall from row to row
        middle = (low + high) // 2
        file.seek(begin + middle * _ROW.size)
        step = _ROW.unpack(file.read(_ROW.size))[0]
        low, high = (middle + 1, high) if step <= done else (low, middle)
    return begin + low * _ROW.size
