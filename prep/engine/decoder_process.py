"""One decoding process, seen from its parent: started, asked, timed, ended."""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from prep.engine import decoder_worker
from prep.errors import MachineError

if TYPE_CHECKING:
    from PIL import Image

_START_S = 60.0


@dataclass(frozen=True)
class Picture:
    """A decoded picture.

    Attributes:
        rgb: Upright RGB, 8 bits a channel, row by row from the top left.
        size: (width, height) px.
        sha256: Digest of the very bytes that were decoded, in hexadecimal.
        format: What the file is by its content, as `PNG`.
        warnings: What was ignored or is not as the file's name says.
    """

    rgb: bytes = field(repr=False)
    size: tuple[int, int]
    sha256: str
    format: str
    warnings: tuple[str, ...]

    def image(self) -> "Image.Image":
        """Return the picture as a Pillow image."""
        from PIL import Image

        return Image.frombytes("RGB", self.size, self.rgb)


@dataclass(frozen=True)
class Failure:
    """Why there is no picture.

    Attributes:
        kind: One word for it; see the module.
        why: The reason as a person reads it.
    """

    kind: str
    why: str


class Worker:
    """One process and its pipes; used by one thread at a time.

    Attributes:
        late: It was killed for taking too long.
    """

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self.late = False
        self._process, self._words = _started([sys.executable, *arguments])
        self._in = cast("IO[bytes]", self._process.stdin)
        self._out = cast("IO[bytes]", self._process.stdout)
        _widen(self._out)

    def ready(self) -> bool:
        """Wait for its first message; False where it died instead."""
        try:
            with _TimeLimit(self, _START_S):
                decoder_worker.receive(self._out)
        except (EOFError, OSError):
            return False
        self._words.close()
        return True

    def decode(
        self, path: Path, timeout_s: float, fit: Sequence[Any] = ()
    ) -> Picture | Failure | None:
        """Return what becomes of a picture, or None where the process died of it.

        Args:
            path: The picture.
            timeout_s: How long it may take.
            fit: Steps of `prep.fitting`, or nothing for the whole picture.
        """
        answer = None
        with suppress(EOFError, OSError), _TimeLimit(self, timeout_s):
            decoder_worker.send(self._in, {"path": str(path), "fit": fit})
            answer = self._answer(decoder_worker.receive(self._out))
        if answer is None and self.late:
            return Failure("timeout", f"not decoded within {timeout_s:g} s")
        return answer

    def _answer(self, header: dict[str, Any]) -> Picture | Failure:
        if "kind" in header:
            return Failure(header["kind"], header["why"])
        rgb = self._out.read(header["bytes"])
        if len(rgb) < header["bytes"]:
            raise EOFError
        width, height = header["size"]
        return Picture(
            rgb, (width, height), header["sha256"], header["format"], tuple(header["warnings"])
        )

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
        with suppress(OSError):
            self._in.close()
        try:
            self._process.wait(1.0)
        except subprocess.TimeoutExpired:
            self.kill()
            self._process.wait()
        self._out.close()
        self._words.close()
        return self._process.returncode


class _TimeLimit:
    """Kills a worker that is not done in time; once left, it never does."""

    def __init__(self, worker: Worker, seconds: float) -> None:
        self._worker, self._lock, self._done = worker, threading.Lock(), False
        self._timer = threading.Timer(seconds, self._fire)
        self._timer.daemon = True

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._done = True
        self._timer.cancel()

    def _fire(self) -> None:
        with self._lock:
            if not self._done:
                self._worker.late = True
                self._worker.kill()


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
