"""What a ledger says: every question that a plan or a command asks of it. Writes nothing."""

import json
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from sys import intern
from typing import Any

from prep.engine.state.file_stat import Stat
from prep.engine.state.recipe import Made
from prep.runtime.files import digest_bytes

_UNPROVEN = "?"
# Errors that are the disk's or another program's: full, read-only, locked, no memory, ...
_DISK = {3, 5, 6, 7, 8, 9, 10, 13, 14, 15, 18, 22, 23}


def is_damage(error: sqlite3.Error) -> bool:
    """Return whether an error tells of a broken file, not of the disk, a lock or a bug."""
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
        return False
    code = getattr(error, "sqlite_errorcode", None)
    return code is None or (code & 0xFF) not in _DISK


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person wrote for one field of a sample.

    Attributes:
        value: JSON value: text of a sidecar, cell of a sheet, value of a meta file.
        source: Where it was written: a sidecar's or sheet's name, a meta file's name.
        file: Digest of the sidecar that holds it already; empty where none does.
        proven: Whether it is known to be a person's. A text that was there before prep knew of
            it is not, until it was compared with what the machine says of the picture.
    """

    value: Any
    source: str
    file: str = ""
    proven: bool = True

    def stored(self) -> str:
        """Return what a ledger keeps as `file`."""
        return self.file if self.proven else _UNPROVEN + self.file


def edit_of(value: Any, source: str, file: str) -> Edit:
    """Return the edit that a ledger keeps so; the other way round of `Edit.stored`."""
    return Edit(value, source, file.removeprefix(_UNPROVEN), not file.startswith(_UNPROVEN))


class Queries:
    """A database that is read."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._sql = database

    def certain_files(self, top: str) -> Iterator[tuple[str, tuple[int, ...], str]]:
        """Yield path, stat and SHA-256 of the files whose digest their stat tells for certain.

        Paths are relative to `top`, the absolute path of a folder, with its last slash.
        """
        query = (
            "SELECT substr(path, ?), size, mtime, ctime, ino, sha FROM files"
            " WHERE racy = 0 AND path >= ? AND path < ?"
        )
        within = (len(top) + 1, top, top + chr(sys.maxunicode))
        for path, *stat, sha in self._sql.execute(query, within):
            yield path, tuple(stat), sha

    def file(self, path: str) -> tuple[Stat, str, bool] | None:
        """Return stat, SHA-256 and whether it is racy, of one file digested before."""
        query = "SELECT size, mtime, ctime, ino, sha, racy FROM files WHERE path = ?"
        row = self._sql.execute(query, (path,)).fetchone()
        return None if row is None else (Stat(*row[:4]), row[4], bool(row[5]))

    def samples(self) -> dict[str, tuple[str, str | None]]:
        """Return key -> (digest, lineage as JSON) of the samples of the last run.

        The digest of a derived picture that no run has read yet is empty.
        """
        rows = self._sql.execute("SELECT key, digest, lineage FROM samples")
        return {intern(key): (intern(digest), lineage) for key, digest, lineage in rows}

    def made(self, stage: str) -> dict[str, Made]:
        """Return key -> result of one stage."""
        query = "SELECT key, base, inputs, digest, state, why FROM results WHERE stage = ?"
        rows = self._sql.execute(query, (stage,))
        # A digest that one stage made and another one read is one text in memory.
        return {intern(k): Made(b, intern(i), intern(d), intern(s), w) for k, b, i, d, s, w in rows}

    def result(self, stage: str, key: str) -> Made | None:
        """Return one result of one stage."""
        query = "SELECT base, inputs, digest, state, why FROM results WHERE stage = ? AND key = ?"
        row = self._sql.execute(query, (stage, key)).fetchone()
        return None if row is None else Made(*row)

    def has_results(self, stage: str) -> bool:
        """Return whether there is a result of a stage."""
        query = "SELECT 1 FROM results WHERE stage = ? LIMIT 1"
        return self._sql.execute(query, (stage,)).fetchone() is not None

    def unmade(self, stage: str) -> dict[str, Made]:
        """Return key -> result of the samples that one stage rejected or failed of."""
        query = (
            "SELECT key, base, inputs, digest, state, why FROM results"
            " WHERE stage = ? AND state IN ('rejected', 'failed')"
        )
        return {intern(key): Made(*row) for key, *row in self._sql.execute(query, (stage,))}

    def states(self, stage: str) -> Iterator[tuple[str, str]]:
        """Yield key and state of each result of one stage."""
        yield from self._sql.execute("SELECT key, state FROM results WHERE stage = ?", (stage,))

    def past(self, stage: str, inputs: str, base: int) -> Made | None:
        """Return what one stage ever made by this recipe, for whichever sample."""
        query = (
            "SELECT base, inputs, digest, state, why FROM past"
            " WHERE stage = ? AND inputs = ? AND base = ?"
        )
        row = self._sql.execute(query, (stage, inputs, base)).fetchone()
        return None if row is None else Made(*row)

    def has_past(self, stage: str) -> bool:
        """Return whether a stage ever made anything."""
        query = "SELECT 1 FROM past WHERE stage = ? LIMIT 1"
        return self._sql.execute(query, (stage,)).fetchone() is not None

    def stages(self) -> list[str]:
        """Return the names of all stages that have results, sorted."""
        query = "SELECT DISTINCT stage FROM results ORDER BY stage"
        return [name for (name,) in self._sql.execute(query)]

    def recipes(self) -> dict[int, str]:
        """Return number -> canonical JSON of the common parts of all recipes."""
        return dict(self._sql.execute("SELECT id, text FROM recipes"))

    def body(self, digest: str) -> bytes:
        """Return a small result by its digest.

        Raises:
            sqlite3.DatabaseError: It is not there as it was stored.
        """
        row = self._sql.execute("SELECT body FROM bodies WHERE digest = ?", (digest,)).fetchone()
        if row is None or digest_bytes(row[0]) != digest:
            raise sqlite3.DatabaseError("a result is not as it was stored")
        return bytes(row[0])

    def edits(self) -> dict[tuple[str, str], Edit]:
        """Return (key, field) -> what a person wrote."""
        rows = self._sql.execute("SELECT key, field, value, source, file FROM edits")
        return {
            (intern(key), intern(field)): edit_of(_value(value), intern(source), intern(file))
            for key, field, value, source, file in rows
        }

    def outputs(self) -> dict[str, str]:
        """Return path -> digest of what we last wrote there, or adopted from a person."""
        rows = self._sql.execute("SELECT path, digest FROM outputs")
        return {intern(path): intern(digest) for path, digest in rows}

    def intents(self) -> dict[str, set[str]]:
        """Return path -> digests that a run, perhaps a dead one, was about to write there."""
        found: dict[str, set[str]] = {}
        for path, digest in self._sql.execute("SELECT path, digest FROM intents"):
            found.setdefault(path, set()).add(digest)
        return found

    def fact(self, name: str) -> Any:
        """Return a remembered value about the whole dataset, or None."""
        row = self._sql.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return None if row is None else json.loads(row[0])

    def facts(self) -> list[str]:
        """Return the names of all that is remembered about the whole dataset, sorted."""
        return [name for (name,) in self._sql.execute("SELECT name FROM facts ORDER BY name")]

    def operations(self) -> list[str]:
        """Return those about edits of many pictures: the journal tells them, too."""
        return [name for name in self.facts() if name.startswith("operation")]


def _value(text: str) -> Any:
    """Return the value of canonical JSON; most are text without escapes, which stands there."""
    plain = text[0] == '"' and "\\" not in text
    return text[1:-1] if plain else json.loads(text)
