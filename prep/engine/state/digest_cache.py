"""Digests of files, cheaply: what did not change since it was last read is not read again."""

import os
from pathlib import Path
from sys import intern
from typing import Any

from prep.engine.state import file_stat
from prep.engine.state.file_stat import Stat
from prep.engine.state.ledger import Ledger
from prep.runtime.errors import DatasetError
from prep.runtime.files import check_file

_MOST_NEWS = 4096  # that wait for the ledger, of many files that are read


class Digests:
    """Digests of files: known ones by their stat, others by reading them.

    Attributes:
        news: Path, stat, digest and raciness of every file that was read, for the ledger.
    """

    def __init__(self, ledger: Ledger, now: int) -> None:
        self._ledger = ledger
        self._now = now
        self.news: list[tuple[str, Stat, str, bool]] = []
        self._read: dict[str, tuple[Stat, str, bool]] = {}

    def record(self) -> None:
        """Let the ledger know what was read, inside a batch, and hold it no longer."""
        self._ledger.know_files(self.news)
        self.news.clear()
        self._read.clear()  # it would stay a good part of the memory of a million pictures

    def of_all(self, root: Path, stats: dict[str, Stat]) -> dict[str, str]:
        """Return the SHA-256 of many files of a folder, by their paths in it.

        Those that cannot be read in peace are left out. The stats give way to the digests, in the
        same dict: of a million files, both would be most of the memory.
        """
        found: dict[str, Any] = stats
        for name, stat, known in self._ledger.certain_files(file_stat.path_in(root, "")):
            if found.get(name) == stat:
                found[name] = intern(known)  # results will name it as their input
        for name in [name for name, stat in found.items() if isinstance(stat, Stat)]:
            digest = self.of(file_stat.path_in(root, name), found.pop(name))
            if digest is not None:
                found[name] = intern(digest)
            if len(self.news) >= _MOST_NEWS:
                self._let_go()
        return found

    def _let_go(self) -> None:
        """Hold no more news; a ledger that may be written is told of them."""
        if not self._ledger.writable:
            self.news.clear()
            self._read.clear()
            return
        with self._ledger.batch():
            self.record()

    def of(self, path: str, stat: Stat | None = None) -> str | None:
        """Return the SHA-256 of a file, or None where it cannot be read in peace."""
        known = self._read.get(path) or self._ledger.file(path)
        stat = stat or file_stat.stat_of(path)
        if known is not None and stat == known[0] and not known[2]:
            return known[1]
        try:
            found = file_stat.digest_now(path)
        except OSError:
            return None
        if found is None:
            return None
        self._read[path] = (*found, file_stat.racy(found[0], self._now))
        self.news.append((path, *self._read[path]))
        return found[1]


def of_file(path: Path, digests: Digests) -> str | None:
    """Return the SHA-256 of a file's bytes, or None where there is none.

    Raises:
        DatasetError: It is there and cannot be read: it may hold what a person wrote.
    """
    if not path.exists():
        return None
    check_file(Path(os.path.relpath(path)), path.stat())
    found = digests.of(str(path.absolute()))
    if found is None:
        raise DatasetError(
            f"`{os.path.relpath(path)}` cannot be read, or changes while it is read",
            "close what holds it, or make it readable, then run the same command again",
        )
    return found
