"""Run pip for a person: its noise goes into a log, its progress and its mistakes are told.

Needs the standard library only: it runs before anything is installed.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from prep.runtime.console import Console, duration
from prep.runtime.counts import counted
from prep.runtime.errors import MachineError

# Where pip writes this, it has begun to change the environment.
_CHANGING = re.compile(r"^(Installing collected packages|Found existing installation)", re.M)
_DOING = re.compile(r"^\s*((?:Collecting|Downloading|Installing|Preparing|Building) .*)", re.M)
_ERROR = re.compile(r"^\W*error: *(.*)", re.M | re.I)
_OFFLINE = re.compile(
    r"NewConnectionError|ConnectTimeout|ReadTimeout|name resolution|getaddrinfo|Max retries"
)
_POLL_S = 0.5
_SHOW_EVERY_S = 1
_LOG_EVERY_S = 15
_LONGEST_PHRASE = 60
_LONGEST_MESSAGE = 300


@contextmanager
def alone(lock: Path) -> Iterator[None]:
    """Let one installation at a time go on until the end of the block; the next one waits.

    What runs inside inherits the lock: where this program is killed and pip lives on, the next
    installation waits for pip.
    """
    with lock.open("w") as file:
        if sys.platform != "win32":
            import fcntl
            import os

            os.set_inheritable(file.fileno(), True)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                say("another installation is not done yet: waiting for it")
                fcntl.flock(file, fcntl.LOCK_EX)
        yield


def run(command: Sequence[str], log: Path, label: str) -> None:
    """Run a command; what it prints is appended to `log`, and how far it is, is shown.

    Raises:
        MachineError: It cannot be run, or it failed.
    """
    began = shown = time.monotonic()
    with log.open("ab") as noise:
        try:
            child = subprocess.Popen(
                command, stdout=noise, stderr=noise, stdin=subprocess.DEVNULL, close_fds=False
            )
        except OSError as error:
            raise MachineError(
                f"`{command[0]}` cannot be run: {error.strerror}", "run the same command again"
            ) from None
        try:
            while (code := _ended(child)) is None:
                now = time.monotonic()
                if now - shown >= (_SHOW_EVERY_S if sys.stderr.isatty() else _LOG_EVERY_S):
                    shown = now
                    _show(f"{label}: {duration(now - began)}{_phrase(_text(log))}")
        except BaseException:
            child.terminate()
            child.wait()
            raise
    if code:
        raise _failure(command, code, log)


def touched(log: Path) -> bool:
    """Return whether pip began to change the environment before it ended."""
    return _CHANGING.search(_text(log)) is not None


def say(line: str) -> None:
    """Write a line on stderr, in place of the progress that stands there on a terminal."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[2K")
    Console().wrong(line)


def _show(line: str) -> None:
    """Show progress: rewritten in place on a terminal, a line of its own in a log."""
    if sys.stderr.isatty():
        sys.stderr.write(f"\r\x1b[2K{line}")
        sys.stderr.flush()
    else:
        say(line)


def _ended(child: "subprocess.Popen[bytes]") -> int | None:
    try:
        return child.wait(timeout=_POLL_S)
    except subprocess.TimeoutExpired:
        return None


def _phrase(text: str) -> str:
    """Return what pip does at the moment, by the last line that says so."""
    lines = _DOING.findall(text)
    if not lines:
        return ""
    before, unpacking, names = lines[-1].partition("collected packages: ")
    if unpacking:
        return f", {before.strip().lower()} {counted(names.count(',') + 1, 'package')}"
    return f", {lines[-1][:_LONGEST_PHRASE].strip()}"


def _failure(command: Sequence[str], code: int, log: Path) -> MachineError:
    """Return the error for a command that failed, by what it printed itself."""
    text = _text(log)
    found = _ERROR.search(text)
    what = found[1].strip() if found else f"it ended with exit code {code}"
    if "No space left on device" in text:
        hint = "free some gigabytes of disk, then run the same command again"
    elif _OFFLINE.search(text):
        hint = f"is this machine online? then run the same command again; see `{log.name}`"
    else:
        hint = f"all it printed is in `{log.name}`; mend that, then run the same command again"
    program = command[2] if command[1:2] == ["-m"] else command[0]
    return MachineError(f"`{program}` failed: {what[:_LONGEST_MESSAGE]}", hint)


def _text(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")
