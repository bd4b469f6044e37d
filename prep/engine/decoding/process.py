"""One decoding process, seen from its parent: started, asked, timed, ended."""

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from prep.engine.decoding import worker
from prep.engine.decoding.memory import KEPT_BYTES, SMALL_BYTES, WORKER_BYTES
from prep.engine.decoding.outcome import DecodedPicture, Failure, Part, UnwrittenError
from prep.engine.decoding.time_limit import TimeLimit
from prep.images import pixel_steps
from prep.runtime.errors import MachineError

_START_S = 60.0
# What any machine does, also one that is busy: of large pictures, and of pixels written as PNG.
_BYTES_PER_S, _PIXELS_PER_S = 4 << 20, 100_000


class Worker:
    """One process and its pipes; used by one thread at a time.

    Attributes:
        died: It ended over a picture, or was killed for it.
    """

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self.died = False
        self._kept = 0
        self._process, self._words = _started([sys.executable, *arguments])
        self.pipe_in = cast("IO[bytes]", self._process.stdin)
        self.pipe_out = cast("IO[bytes]", self._process.stdout)
        self._time = TimeLimit(self.kill)
        self.within = self._time.limit
        _widen(self.pipe_out)

    @property
    def late(self) -> bool:
        """Whether it was killed for taking too long."""
        return self._time.late

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
        pictures: Sequence[tuple[Path, Sequence[Any]]],
        timeout_s: float,
        leave: Callable[[int, int], None],
        parts: Callable[[DecodedPicture], Sequence[Part]] | None = None,
    ) -> Iterator[DecodedPicture | Failure]:
        """Yield what becomes of the first pictures, one at least; fewer where the process died.

        Args:
            pictures: Path, and the steps of `prep.images.fitting`, or nothing for all of it.
            timeout_s: How long each may take, the waiting for leave apart.
            leave: Called with the bytes that it will take, and how many pictures are decoded now;
                returns when it may.
            parts: From what is known of the only picture, which parts are to be written as files.
                It is called once, and no pixel crosses the pipe.

        Raises:
            UnwrittenError: The disk did not take a part.
        """
        talk = _Talk(self, timeout_s, leave, parts)
        answer = None
        try:
            asked = [(str(path), fit) for path, fit in pictures]
            talk.say({"asked": asked, "parts": parts is not None})
            while talk.count != 0:
                answer = talk.answer()
                if answer is not None and talk.count:
                    yield answer
            talk.end()
        except (EOFError, OSError):
            self.died = True
            if talk.count != 0:
                why = f"not decoded within {talk.limit_s():.0f} s"
                answer = Failure("timeout", why) if self.late else None
        self._kept = talk.leave if talk.leave <= KEPT_BYTES else 0
        if answer is not None:
            yield answer

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
        self._time.end()
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
    """What is said with a worker about some pictures.

    Attributes:
        leave: The bytes that they may take.
        count: How many it has yet to answer; None until it says so.
    """

    def __init__(
        self,
        worker: Worker,
        timeout_s: float,
        leave: Callable[[int, int], None],
        parts: Callable[[DecodedPicture], Sequence[Part]] | None,
    ) -> None:
        self._worker, self._timeout_s = worker, timeout_s
        self._ask, self._parts = leave, parts
        self._picture: DecodedPicture | None = None
        self._asked: Sequence[Part] = ()
        self.leave = 0
        self.count: int | None = None

    def say(self, message: dict[str, Any]) -> None:
        worker.send(self._worker.pipe_in, message)

    def answer(self) -> DecodedPicture | Failure | None:
        """Hear one message and say what it asks for; return a picture, or None before it."""
        with self._worker.within(self.limit_s()):
            header = worker.receive(self._worker.pipe_out)
            rgb = self._worker.pipe_out.read(header.get("bytes", 0))
        if len(rgb) < header.get("bytes", 0):
            raise EOFError
        if "takes" in header:
            self._take(header["takes"], header["count"])
            return None
        answer = self._heard(header, rgb)
        if answer is not None and self.count:
            self.count -= 1
        return answer

    def _heard(self, header: dict[str, Any], rgb: bytes) -> DecodedPicture | Failure | None:
        if "kind" in header:
            return Failure(header["kind"], header["why"])
        if "errno" in header:
            why = header["why"] or os.strerror(header["errno"])
            raise UnwrittenError(OSError(header["errno"], why), self._asked)
        if self._picture is not None and "files" in header:
            files = tuple(one["sha256"] for one in header["files"])
            return replace(self._picture, rgb=b"", small=(0, 0), files=files)
        return self._shown(header, rgb)

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
        size = self._picture.size if self._picture else (0, 0)
        steps = [part.steps for part in self._asked if part.steps is not None]
        return sum(math.prod(pixel_steps.size_after(size, each)) for each in steps)

    def _take(self, size: int, count: int) -> None:
        self._ask(size, count)
        self.leave = size
        if self.count is None:  # else one of them takes more than was thought
            self.count = count
        if size > SMALL_BYTES:
            self.say({})

    def _shown(self, header: dict[str, Any], rgb: bytes) -> DecodedPicture | None:
        """Return the picture, or None after saying which of its parts are to be written."""
        told = header["sha256"], header["format"], tuple(header["warnings"])
        (width, height), (wide, high) = header["size"], header["whole"]
        picture = DecodedPicture(rgb, (width, height), *told, (wide, high))
        if self._parts is None:
            return picture
        across, down = header["small"]
        picture = replace(picture, small=(across, down))
        self._picture, self._asked = picture, self._parts(picture)
        each = [{"to": str(part.to), "steps": part.steps} for part in self._asked]
        self.say({"parts": each})
        return None


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
