"""How much memory a process takes with all that it started, as the system counts it."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Taken(NamedTuple):
    """What a command took: exit code, seconds, most resident bytes of its process tree, words."""

    code: int
    seconds: float
    bytes: int
    said: str


def run(command: Sequence[str], folder: Path) -> Taken:
    """Run a command in a folder, looking at its tree a hundred times a second."""
    begun, most = time.monotonic(), 0
    log = folder / "said.txt"
    with log.open("wb") as words:
        process = subprocess.Popen(command, cwd=folder, stdout=words, stderr=words)
        while process.poll() is None:
            most = max(most, resident(process.pid))
            time.sleep(0.01)
    return Taken(process.returncode, time.monotonic() - begun, most, log.read_text())


def resident(top: int) -> int:
    """Return the resident bytes of a process and of all below it; Linux alone."""
    children: dict[int, list[int]] = {}
    pages: dict[int, int] = {}
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            try:
                found = (place / "stat").read_text().rpartition(")")[2].split()
            except OSError:  # it has just ended
                continue
            children.setdefault(int(found[1]), []).append(int(place.name))
            pages[int(place.name)] = int(found[21])
    left, whole = [top], 0
    while left:
        process = left.pop()
        whole += pages.get(process, 0)
        left += children.get(process, [])
    return whole * os.sysconf("SC_PAGE_SIZE")
