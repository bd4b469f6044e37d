"""The seal: how a ledger and its journal were left when they were last closed.

What is not as it was left was changed by somebody else, by a crash in a run or by damage; the
ledger is then examined before it is believed. The seal is broken before the first change and put
on again at the end, so a run that died leaves none. Files that are unchanged by their stats are
not read, so a run with nothing to do pays nothing for it.
"""

import json
import os
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple

from prep.runtime.files import canonical, digest

LEDGER = "ledger.sqlite"
JOURNAL = "journal.jsonl"
_SEAL = "ledger.seal"
_RACY_NS = 2_000_000_000
_COUNTERS = ((24, 28), (92, 96))  # of SQLite's header: raised by whoever writes through SQLite


class Left(StrEnum):
    """How a file stands to its seal."""

    AS_SEALED = "as sealed"
    CHANGED = "changed since"
    UNSEALED = "unsealed"  # there is no seal


class Standing(NamedTuple):
    """How a ledger and its journal stand to their seal."""

    ledger: Left
    journal: Left
    racy: bool = False


def put(state: Path) -> None:
    """Seal what lies in a state folder; where that cannot be done, there is no seal."""
    with suppress(OSError):
        wal = state / f"{LEDGER}-wal"
        if wal.exists() and wal.stat().st_size:
            return  # somebody reads just now, and the changes lie in the log
        found = {name: _described(state / name) for name in (LEDGER, JOURNAL)}
        found["counters"] = counters(state / LEDGER)
        (state / _SEAL).write_text(json.dumps(found), encoding="utf-8")


def break_seal(state: Path) -> None:
    """Take the seal away: something is about to change."""
    with suppress(OSError):
        (state / _SEAL).unlink(missing_ok=True)


def standing(state: Path) -> Standing:
    """Return how the files stand to the seal; reads those whose stats are not certain."""
    seal = _read(state)
    if seal is None:
        return Standing(Left.UNSEALED, Left.UNSEALED)
    try:
        sealed_at = (state / _SEAL).stat().st_mtime_ns
        racy = any(sealed_at - max(seal[n][1:3]) < _RACY_NS for n in (LEDGER, JOURNAL) if seal[n])
        found = [_left(state / name, seal[name], racy) for name in (LEDGER, JOURNAL)]
    except (OSError, TypeError, KeyError, IndexError):
        return Standing(Left.UNSEALED, Left.UNSEALED)
    if Left.CHANGED in found and _read(state) != seal:  # a run began meanwhile
        return Standing(Left.UNSEALED, Left.UNSEALED)
    return Standing(found[0], found[1], racy)


def counters(ledger: Path) -> list[str] | None:
    """Return what SQLite counts in a file's header; None where there is none."""
    try:
        with ledger.open("rb") as file:
            head = file.read(100)
    except OSError:
        return None
    return [head[start:end].hex() for start, end in _COUNTERS]


def sealed_counters(state: Path) -> list[str] | None:
    """Return the counters as they were sealed; None without a seal."""
    found = (_read(state) or {}).get("counters")
    return found if isinstance(found, list) else None


def content(state: Path) -> str:
    """Return what the seal says; nothing where there is none."""
    return canonical(_read(state))


def exists(state: Path) -> bool:
    """Return whether there is a seal."""
    return (state / _SEAL).exists()


def inode(path: Path) -> int | None:
    """Return which file stands under a name; None where there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _read(state: Path) -> dict[str, Any] | None:
    try:
        found = json.loads((state / _SEAL).read_bytes())
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def _described(path: Path) -> list[Any] | None:
    """Return size, times and inode of a file, and its SHA-256; None where there is none."""
    if not path.exists():
        return None
    return [*_stat(path), digest(path)]


def _stat(path: Path) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _left(path: Path, sealed: list[Any] | None, racy: bool) -> Left:
    if sealed is None or not path.exists():
        return Left.AS_SEALED if sealed is None and not path.exists() else Left.CHANGED
    same = _stat(path) == sealed[:4] and not racy
    return Left.AS_SEALED if same or digest(path) == sealed[4] else Left.CHANGED
