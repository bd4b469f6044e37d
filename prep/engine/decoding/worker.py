"""One decoding process: requests come in on stdin, pictures go out on stdout.

Started by `prep.engine.decoding.pool` as `python -m prep.engine.decoding.worker`. A message is the
length of a JSON header (4 bytes, little endian), the header, and for a picture its RGB bytes,
row by row from the top left. Imports Pillow, `prep.images.picture_file` and `prep.images.fitting`,
no other room.

To each request, with the paths of some pictures, it answers first how many of them it decodes now
and how much memory they take, and waits for leave where that is more than a request allows. Then
come the pictures; or, where parts are wanted, what is known and seen of the only one: the next
message says where PNG files of which parts are to lie. What had leave is told once more, when its
memory is free again.

Ends itself when stdin closes, also in the middle of a picture: it never outlives its parent.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from io import BytesIO
from queue import SimpleQueue
from typing import IO, TYPE_CHECKING, Any

from prep.engine.decoding import work
from prep.engine.decoding.memory import KEPT_BYTES, MOST_BYTES, SMALL_BYTES
from prep.engine.decoding.work import Fits
from prep.images import decoding_cost, fitting, picture_file, unreadable
from prep.runtime.memory_limit import memory_limit

if TYPE_CHECKING:
    from PIL import Image

_BAND_PIXELS = 1 << 22
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h

Answer = tuple[dict[str, Any], "Image.Image | None"]


def main(decode: "Callable[[str, Fits], Answer] | None" = None) -> None:
    """Answer requests until stdin closes.

    Args:
        decode: What a request's path and steps are given to; tests wrap the real one to hang or
            crash.
    """
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # sent to the whole group; the parent decides
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _keep_freed_memory()
    answers = os.fdopen(os.dup(1), "wb")
    with suppress(unreadable.Unreadable):
        picture_file.opened(BytesIO(b"-"))  # imports all that decoding needs before time counts
    send(answers, {"ready": os.getpid()})
    # Decoding libraries print; neither their words nor their errors may reach the terminal.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    requests: SimpleQueue[dict[str, Any]] = SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    talk = _Talk(requests, answers)
    while True:
        talk.answer(requests.get(), decode or decoded)
        if talk.leave > KEPT_BYTES:
            _give_freed_memory_back()
        if talk.leave > SMALL_BYTES:  # only now may others have it
            send(answers, {"freed": talk.leave})


def decoded(path: str, fit: Fits = ()) -> Answer:
    """Return the header and the image of a picture, or a header with kind and why it is none.

    Args:
        path: The picture's file.
        fit: Steps of `prep.images.fitting` that it goes through before it is sent.

    Raises:
        MemoryError: It takes more memory than it has leave for.
    """
    try:
        with work.shown(path, fit) as (picture, _):
            found = work.fitted(picture, fit)
            return dict(found.told), found.image
    except unreadable.Unreadable as error:
        return _no_picture(error)


class _Talk:
    """What is said to the parent, and what it says.

    Attributes:
        leave: How many bytes the last pictures were allowed to take; 0 where none was decoded.
    """

    def __init__(self, requests: "SimpleQueue[dict[str, Any]]", answers: IO[bytes]) -> None:
        self._requests, self._answers = requests, answers
        self.leave = 0

    def answer(self, request: Mapping[str, Any], decode: "Callable[[str, Fits], Answer]") -> None:
        """Send the first of the pictures that are asked for, or write the parts of the only one."""
        count, wanted = _in_one_go(request["asked"])
        if wanted > MOST_BYTES:
            self._ask(0)
            sizes = f"{wanted >> 20} MiB of memory to decode, at most {MOST_BYTES >> 20}"
            why = unreadable.Unreadable("resource-limit", f"it takes {sizes} are given")
            self._send(*_no_picture(why))
            return
        self._ask(max(wanted, SMALL_BYTES), count)
        left = request["asked"][:count]
        while left:
            try:
                with memory_limit(self.leave):
                    while left:
                        path, fit = left[0]
                        self._answer_one(path, fit, decode, in_parts=request["parts"])
                        left.pop(0)
            except MemoryError:  # what takes more than its header promises has a second try
                if self.leave < MOST_BYTES:
                    self._ask(MOST_BYTES)
                    continue
                self._send(*_no_picture(unreadable.Unreadable(*unreadable.NO_MEMORY)))
                left.pop(0)

    def _ask(self, size: int, count: int = 1) -> None:
        """Say how much memory some pictures take; wait for leave where it is more than usual."""
        self.leave = size
        send(self._answers, {"takes": size, "count": count})
        if size > SMALL_BYTES:
            self._requests.get()

    def _answer_one(
        self, path: str, fit: Fits, decode: "Callable[[str, Fits], Answer]", *, in_parts: bool
    ) -> None:
        if in_parts:
            self._write_parts(path, fit)
        else:
            self._send(*decode(path, fit))

    def _write_parts(self, path: str, fit: Fits) -> None:
        """Tell of a picture, what is seen of it with it, and write the parts that are wanted."""
        try:
            with work.shown(path) as (picture, source):
                small = fitting.fitted(picture.image, fit) if fit else None
                told = {"size": picture.image.size, "small": small.size if small else (0, 0)}
                self._send({**picture.told, **told}, small)
                parts = self._requests.get()["parts"]
                self._send({"files": [work.write_part(picture, source, p) for p in parts]})
        except unreadable.Unreadable as error:
            self._send(*_no_picture(error))
        except OSError as error:
            self._send({"errno": error.errno, "why": error.strerror or str(error)})

    def _send(self, header: dict[str, Any], image: "Image.Image | None" = None) -> None:
        if image is None:
            send(self._answers, {"bytes": 0} | header)
            return
        width, height = image.size
        send(self._answers, header | {"bytes": 3 * width * height})
        rows = max(1, _BAND_PIXELS // width)
        for top in range(0, height, rows):
            band = image if rows >= height else image.crop((0, top, width, min(height, top + rows)))
            self._answers.write(band.tobytes())
        self._answers.flush()


def _in_one_go(pictures: Sequence[tuple[str, Fits]]) -> tuple[int, int]:
    """Return how many of the first pictures are decoded at a go, and how many bytes they take.

    That is one; or as many as take no more, with their results, than a single small one may.
    """
    costs = (work.cost(path, fit) for path, fit in pictures)
    count, (wanted, result) = 1, next(costs)
    together = wanted + result
    for taken, result in costs:
        together += max(0, taken - decoding_cost.FIXED) + result
        if together > SMALL_BYTES:
            break
        count, wanted = count + 1, max(wanted, taken)
    return count, wanted


def _no_picture(error: unreadable.Unreadable) -> Answer:
    return {"kind": error.kind, "why": error.why}, None


def send(stream: IO[bytes], header: dict[str, Any]) -> None:
    """Write one message, but for the bytes that follow it."""
    text = json.dumps(header).encode()
    stream.write(len(text).to_bytes(4, "little") + text)
    stream.flush()


def receive(stream: IO[bytes]) -> dict[str, Any]:
    """Read one header; what follows it is the caller's.

    Raises:
        EOFError: The other side has gone.
    """
    head = stream.read(4)
    text = stream.read(int.from_bytes(head, "little")) if len(head) == 4 else b""
    if not text or len(text) != int.from_bytes(head, "little"):
        raise EOFError
    header: dict[str, Any] = json.loads(text)
    return header


def _listen(requests: "SimpleQueue[dict[str, Any]]") -> None:
    with suppress(EOFError, ValueError, OSError):
        while True:
            requests.put(receive(sys.stdin.buffer))
    os._exit(0)  # the parent has gone, or wants no more


def _keep_freed_memory() -> None:
    """Let freed pixels be used again for the next picture.

    glibc hands them back to the system at once, and getting them anew takes a third of the time
    of decoding.
    """
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):  # another C library, which has no such choice
            choose = ctypes.CDLL(None).mallopt
            choose(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that it takes
            choose(_M_TRIM_THRESHOLD, KEPT_BYTES)


def _give_freed_memory_back() -> None:
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    main()
