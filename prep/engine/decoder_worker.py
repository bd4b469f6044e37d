"""One decoding process: paths come in on stdin, pictures go out on stdout.

Started by `prep.engine.decoders` as `python -m prep.engine.decoder_worker`. A message is the
length of a JSON header (4 bytes, little endian), the header, and for a picture its RGB bytes,
row by row from the top left. Imports Pillow, `prep.images` and `prep.fitting`,
no other room.

Ends itself when stdin closes, also in the middle of a picture: it never outlives its parent.
"""

import errno
import hashlib
import io
import json
import os
import signal
import stat
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from prep import fitting, images

MEMORY_BYTES = 4 << 30
_TRIES = 3
_PAUSE_S = 0.1
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc, malloc.h
_PASSING = (errno.EIO, errno.ESTALE, errno.EINTR)

Answer = tuple[dict[str, Any], bytes]
Fits = Sequence[Sequence[Any]]


def main(decode: "Callable[[str, Fits], Answer] | None" = None) -> None:
    """Answer requests until stdin closes.

    Args:
        decode: What a request's path and steps are given to; tests wrap the real one to hang or
            crash.
    """
    decode = decode or decoded
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # sent to the whole group; the parent decides
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    _limit_memory()
    _keep_freed_memory()
    answers = os.fdopen(os.dup(1), "wb")
    with suppress(images.Unreadable):
        images.opened(io.BytesIO(b"-"))  # imports all that decoding needs before time counts
    send(answers, {"ready": os.getpid()})
    # Decoding libraries print; neither their words nor their errors may reach the terminal.
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    requests: SimpleQueue[tuple[str, Fits]] = SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()
    while True:
        send(answers, *decode(*requests.get()))


def decoded(path: str, fit: Fits = ()) -> Answer:
    """Return the header and RGB bytes of a picture, or a header with kind and why it is none.

    Args:
        path: The picture's file.
        fit: Steps of `prep.fitting` that it goes through before it is sent.
    """
    try:
        data = read(path)
        picture = images.opened(io.BytesIO(data), Path(path).name)
        image = fitting.fitted(picture.image, fit)
        pixels = image.tobytes()
    except images.Unreadable as error:
        return {"kind": error.kind, "why": error.why}, b""
    except MemoryError:
        return {"kind": "resource-limit", "why": "decoding it takes too much memory"}, b""
    header = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "format": picture.format,
        "size": image.size,
        "warnings": picture.warnings,
        "bytes": len(pixels),
    }
    return header, pixels


def read(path: str) -> bytes:
    """Return a file's bytes, all of one moment.

    Raises:
        images.Unreadable: missing, not-a-file, io-error, resource-limit, or unstable for a file
            that changed while it was read, three times.
    """
    why = images.Unreadable("unstable", "it changes while it is read")
    for attempt in range(_TRIES):
        if attempt:
            time.sleep(_PAUSE_S * attempt)
        try:
            data = _read_once(path)
        except (FileNotFoundError, NotADirectoryError):
            raise images.Unreadable("missing", "the file is gone") from None
        except OSError as error:
            why = images.Unreadable("io-error", error.strerror or str(error))
            if error.errno not in _PASSING:
                break
        else:
            if data is not None:
                return data
    raise why


def _read_once(path: str) -> bytes | None:
    """Return the bytes, or None where the file changed meanwhile."""
    # Without O_NONBLOCK, opening a fifo would wait for its writer for ever.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    descriptor = os.open(path, flags)
    try:
        before = os.fstat(descriptor)
        if not stat.S_ISREG(before.st_mode):
            raise images.Unreadable("not-a-file", "a folder, pipe or device, not a file")
        if before.st_size > images.MAX_BYTES:
            limit = f"{before.st_size} bytes, at most {images.MAX_BYTES} are read"
            raise images.Unreadable("resource-limit", limit)
        with open(descriptor, "rb", closefd=False) as file:
            data = file.read(before.st_size + 1)
        after = os.fstat(descriptor)
    finally:
        os.close(descriptor)
    same = _moment(before) == _moment(after) and len(data) == after.st_size
    return data if same else None


def _moment(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def send(stream: IO[bytes], header: dict[str, Any], body: bytes = b"") -> None:
    """Write one message."""
    text = json.dumps(header).encode()
    stream.write(len(text).to_bytes(4, "little") + text)
    stream.write(body)
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


def _listen(requests: "SimpleQueue[tuple[str, Fits]]") -> None:
    with suppress(EOFError, ValueError, OSError):
        while True:
            request = receive(sys.stdin.buffer)
            requests.put((request["path"], request["fit"]))
    os._exit(0)  # the parent has gone, or wants no more


def _limit_memory() -> None:
    if sys.platform != "win32":
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_AS)
        if soft == resource.RLIM_INFINITY or soft > MEMORY_BYTES:
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, hard))


def _keep_freed_memory() -> None:
    """Let up to 64 MiB of freed pixels be used again for the next picture.

    glibc hands them back to the system at once, and getting them anew takes a third of the time
    of decoding.
    """
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):  # another C library, which has no such choice
            choose = ctypes.CDLL(None).mallopt
            choose(_M_MMAP_THRESHOLD, 32 << 20)  # the largest that it takes
            choose(_M_TRIM_THRESHOLD, 64 << 20)


if __name__ == "__main__":
    main()
