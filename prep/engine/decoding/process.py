"""One decoding process, seen from its parent: started, asked, timed, ended."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from prep.engine.decoding import worker
from prep.engine.decoding.memory import KEPT_BYTES, SMALL_BYTES, WORKER_BYTES
from prep.engine.decoding.outcome import DecodedPicture, Failure, Part, UnwrittenError
from prep.runtime.errors import MachineError

_START_S = 60.0
_NEVER = float("inf")
# What any machine does, also one that is busy: of large pictures, and of pixels written as PNG.
_BYTES_PER_S, _PIXELS_PER_S = 4 << 20, 100_000


class Worker:
    """One process and its pipes; used by one thread at a time."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self._kept = 0
        self._process, self._words = _started([sys.executable, *arguments])
        self.pipe_in = cast("IO[bytes]", self._process.stdin)
        self.pipe_out = cast("IO[bytes]", self._process.stdout)
        self._watch = _Watch(self.kill)
        self.within = self._watch.limit
        _widen(self.pipe_out)

    @property
    def late(self) -> bool:
        """Whether it was killed for taking too long."""
        return self._watch.late

    def ready(self) -> bool:
        """Wait for its first message; False where it died instead."""
        try:
            with self.within(_START_S):
                worker.receive(self.pipe_out)
        except (EOFError, OSError):
            return False
        self._words.close()
        return True

    def decode(
        self,
        path: Path,
        timeout_s: float,
        fit: Sequence[Any] = (),
        leave: Callable[[int], None] = lambda size: None,
        parts: Callable[[DecodedPicture], Sequence[Part]] | None = None,
    ) -> DecodedPicture | Failure | None:
        """Return what becomes of a picture, or None where the process died of it.

        Args:
            path: The picture.
            timeout_s: How long it may take, the waiting for leave apart.
            fit: Steps of `prep.images.fitting`, or nothing for the whole picture.
            leave: Called with the bytes that it will take; returns when it may.
            parts: From what is known of the picture, which parts are to be written as files. It
                is called once, and no pixel crosses the pipe.

        Raises:
            UnwrittenError: The disk did not take a part.
        """
        talk = _Talk(self, timeout_s, leave, parts)
        answer = None
        with suppress(EOFError, OSError):
            talk.say({"path": str(path), "fit": fit, "parts": parts is not None})
            while answer is None:
                answer = talk.answer()
            talk.end()
        self._kept = talk.leave if talk.leave <= KEPT_BYTES else 0
        if answer is None and self.late:
            return Failure("timeout", f"not decoded within {talk.limit_s():.0f} s")
        return answer

    def own_bytes(self) -> int:
        """Return how much memory it takes without a picture."""
        return WORKER_BYTES + max(SMALL_BYTES, self._kept)

    def last_words(self) -> str:
        """Return the last line it wrote before it was ready."""
        self._words.seek(0)
        lines = self._words.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else ""

    def kill(self) -> None:
        """End it at once; from any thread, and harmless where it has ended."""
        self._process.kill()

    def end(self) -> int:
        """Wait for its end, kill it after a second; return its exit code, negative for a signal."""
        self._watch.end()
        with suppress(OSError):
            self.pipe_in.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self.pipe_out.close()
        self._words.close()
        return self._process.returncode


class _Talk:
    """What is said with a worker about one picture.

    Attributes:
        leave: The bytes that the picture may take.
    """

    def __init__(
        self,
        worker: Worker,
        timeout_s: float,
        leave: Callable[[int], None],
        parts: Callable[[DecodedPicture], Sequence[Part]] | None,
    ) -> None:
        self._worker, self._timeout_s = worker, timeout_s
        self._ask, self._parts = leave, parts
        self._picture: DecodedPicture | None = None
        self._asked: Sequence[Part] = ()
        self.leave = 0

    def say(self, message: dict[str, Any]) -> None:
        worker.send(self._worker.pipe_in, message)

    def answer(self) -> DecodedPicture | Failure | None:
        """Hear one message and say what it asks for; return the picture, or None before it."""
        with self._worker.within(self.limit_s()):
            header = worker.receive(self._worker.pipe_out)
            rgb = self._worker.pipe_out.read(header.get("bytes", 0))
        if len(rgb) < header.get("bytes", 0):
            raise EOFError
        if "takes" in header:
            self._take(header["takes"])
        elif "kind" in header:
            return Failure(header["kind"], header["why"])
        elif "errno" in header:
            why = header["why"] or os.strerror(header["errno"])
            raise UnwrittenError(OSError(header["errno"], why), self._asked)
        elif self._picture is not None and "files" in header:
            return replace(self._picture, files=tuple(one["sha256"] for one in header["files"]))
        else:
            return self._shown(header, rgb)
        return None

    def limit_s(self) -> float:
        """Return how long the process may take now."""
        large = self.leave if self.leave > SMALL_BYTES else 0
        return self._timeout_s + large / _BYTES_PER_S + self._pixels() / _PIXELS_PER_S

    def end(self) -> None:
        """Wait until what the picture took is free again."""
        if self.leave > SMALL_BYTES:
            with self._worker.within(self.limit_s()):
                worker.receive(self._worker.pipe_out)

    def _pixels(self) -> int:
        """Return how many pixels are being written as PNG."""
        boxes = [part.box for part in self._asked if part.box is not None]
        return sum((right - left) * (bottom - top) for left, top, right, bottom in boxes)

    def _take(self, size: int) -> None:
        self._ask(size)
        self.leave = size
        if size > SMALL_BYTES:
            self.say({})

    def _shown(self, header: dict[str, Any], rgb: bytes) -> DecodedPicture | None:
        """Return the picture, or None after saying which of its parts are to be written."""
        told = header["sha256"], header["format"], tuple(header["warnings"])
        (width, height), (wide, high) = header["size"], header["whole"]
        picture = DecodedPicture(rgb, (width, height), *told, (wide, high))
        if self._parts is None:
            return picture
        self._picture, self._asked = picture, self._parts(picture)
        each = [{"to": str(part.to), "box": part.box, "flip": part.flip} for part in self._asked]
        self.say({"parts": each})
        return None


class _Watch:
    """Kills a worker that is not done in time, from one thread for all that it is asked.

    Attributes:
        late: It did.
    """

    def __init__(self, kill: Callable[[], None]) -> None:
        self.late = self._ended = False
        self._kill, self._change = kill, threading.Condition()
        self._until = self._wakes = _NEVER
        threading.Thread(target=self._look, daemon=True).start()

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """Give the worker so long for the block; once it is left, nothing is killed."""
        with self._change:
            self._until = time.monotonic() + seconds
            if self._until < self._wakes:  # rarely: it looks again when it wakes
                self._change.notify()
        try:
            yield
        finally:
            with self._change:
                self._until = _NEVER

    def end(self) -> None:
        """Watch no longer."""
        with self._change:
            self._ended = True
            self._change.notify()

    def _look(self) -> None:
        with self._change:
            while not self._ended:
                self._wakes = self._until
                left = self._wakes - time.monotonic()
                if left <= 0:
                    self.late = self._ended = True
                    self._kill()
                    return
                self._change.wait(min(left, threading.TIMEOUT_MAX))


def _started(command: list[str]) -> tuple[subprocess.Popen[bytes], IO[bytes]]:
    """Return a new process and the file that takes what it says on stderr."""
    try:
        words = tempfile.TemporaryFile()  # noqa: SIM115 - open for as long as the process starts
        try:
            pipe = subprocess.PIPE
            return subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=words), words
        except OSError:
            words.close()
            raise
    except OSError as error:
        raise MachineError(
            f"no further picture decoder can be started: {error.strerror}",
            "run the same command with a smaller `--jobs`",
        ) from error


def _widen(pipe: IO[bytes]) -> None:
    """Let a pipe hold 1 MiB where the system allows: a fifth less time for a large picture."""
    if sys.platform == "linux":
        import fcntl

        with suppress(OSError):  # a user's pipes share an allowance; 64 KiB will do
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, 1 << 20)
