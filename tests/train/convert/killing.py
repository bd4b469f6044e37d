"""Commands of `train` that are killed at a system call: many of them out of one process.

`python -m tests.train.convert.killing TOP EVERY`: reads command lines as JSON from standard input,
in which `OUT` stands for a new place; prints for each how many calls change a file, and at which of
them a kill left something else than a whole output or none. A child is forked for each call, and
strace takes hold of it before it begins.
"""

import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from prep.runtime.errors import UserError
from tests.prep.killing import CHANGING, tree
from train.cli.app import main

_ANY_TRACER = (0x59616D61, ctypes.c_ulong(-1).value)  # PR_SET_PTRACER: where only parents may
_SURE = re.compile(r"rename|fsync|unlink|mkdir|ftruncate|openat")
Call = tuple[str, int]


def traced(words: Sequence[str], options: Sequence[str]) -> int:
    """Carry a command out in a child under strace; return how it ended, as `os.waitpid` says."""
    child = os.fork()
    if not child:
        ctypes.CDLL(None).prctl(*_ANY_TRACER)
        os.kill(os.getpid(), signal.SIGSTOP)
        try:
            main([*words, "--quiet"])
        except (SystemExit, UserError) as end:
            os._exit(int(getattr(end, "code", 1) or 0))
        os._exit(9)
    os.waitpid(child, os.WUNTRACED)
    strace = subprocess.Popen(["strace", "-p", str(child), *options], stderr=subprocess.DEVNULL)
    status = Path(f"/proc/{child}/status")
    while "TracerPid:\t0" in status.read_text():
        time.sleep(0.002)
    os.kill(child, signal.SIGCONT)
    ended = os.waitpid(child, 0)[1]
    strace.wait()
    return ended


def calls(words: Sequence[str], folder: Path, every: int) -> list[Call]:
    """Carry a command out; return the calls that change a file of a folder: name and count.

    Args:
        every: Take so many writes for one.
    """
    log = folder.parent / "log"
    options = ("-y", "-s", "999", "-o", str(log), "-e", f"trace={','.join(CHANGING)}")
    assert traced(words, options) == 0
    met, found = dict.fromkeys(CHANGING, 0), []
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(\w+)\(", line)
        if match is None or match[1] not in met:
            continue
        met[match[1]] += 1
        reads = match[1] == "openat" and not re.search(r"O_WRONLY|O_RDWR", line)
        if str(folder) in line and not reads:
            found.append((match[1], met[match[1]], _SURE.match(line) is not None))
    return [call[:2] for n, call in enumerate(found) if call[2] or n % every == 0]


def content(place: Path) -> object:
    """Return what a place holds; None for nothing."""
    if place.is_dir():
        return tree(place)
    return place.read_bytes() if place.exists() else None


def broken(words: Sequence[str], top: Path, every: int) -> tuple[int, list[str]]:
    """Return how many calls a command was killed at, and those that left something torn."""
    clean, killed, wrong = top / "clean", top / "killed", []
    name = "out" if "folder" in words else "out.safetensors"

    def typed(folder: Path) -> list[str]:
        folder.mkdir(parents=True)
        return [str(folder / name) if word == "OUT" else word for word in words]

    with suppress(SystemExit):  # here, so that no child has to import anything
        main([*typed(top / "first"), "--quiet"])
    points = calls(typed(clean), clean, every)
    wanted, ended = content(clean / name), 0
    for call, nth in points:
        inject = f"inject={call}:signal=KILL:when={nth}"
        status = traced(typed(killed), ("-o", os.devnull, "-e", f"trace={call}", "-e", inject))
        ended += os.WIFSIGNALED(status)
        left = content(killed / name)
        if not os.WIFSIGNALED(status) or left not in (None, wanted):
            wrong.append(f"{call} {nth}: {status}")
        shutil.rmtree(killed)
    shutil.rmtree(top)
    return ended, wrong


if __name__ == "__main__":
    for line in sys.stdin:
        answer = broken(json.loads(line), Path(sys.argv[1]), int(sys.argv[2]))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()
