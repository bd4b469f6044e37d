"""The memory of one dataset: an SQLite file, and a readable journal it can be rebuilt from.

What a person wrote, and what we last wrote where, is in the journal too; lost results are
computed again. How any of it is stored is this module's secret, and `ledger_file`'s.
"""

import json
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from sys import intern
from typing import Any, NamedTuple

from prep.engine import journal
from prep.engine.recipe import Made
from prep.errors import MachineError
from prep.files import canonical, digest_bytes

JOURNAL = "journal"  # the fact that says how many bytes of the journal are in the ledger


class Stat(NamedTuple):
    """What tells cheaply that a file is still the one whose digest we know."""

    size: int
    mtime: int
    ctime: int
    ino: int


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person wrote for one field of a sample.

    Attributes:
        value: JSON value: text of a sidecar, cell of a sheet, value of a meta file.
        source: Where it was written: a sidecar's or sheet's name, a meta file's name.
        file: Digest of the sidecar that holds it already; empty where none does.
    """

    value: Any
    source: str
    file: str = ""


class Ledger:
    """An open ledger; changes become durable together, at the end of a `with ledger.batch()`.

    Attributes:
        state: The folder where it lies, with the journal.
    """

    def __init__(self, state: Path, database: sqlite3.Connection) -> None:
        self.state = state
        self._sql = database
        self._lines: list[str] = []

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Make all changes of the block durable at once, journal first; none if it raises."""
        try:
            yield
            if self._lines:
                length = journal.append(self.state / "journal.jsonl", self._lines)
                self.set_fact(JOURNAL, length)
            self._sql.commit()
        except sqlite3.OperationalError as error:
            self._roll_back()
            raise unwritable(self.state, error) from error
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._lines.clear()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # a disk that refused the commit may refuse this too
            self._sql.rollback()

    def close(self) -> None:
        """Close the file; what was not committed is dropped."""
        self._sql.close()

    # -- what the plan reads
    def unchanged(self, top: str, stats: Mapping[str, Stat]) -> dict[str, str]:
        """Return path -> SHA-256 of the files whose digest is known and certain by their stats.

        Paths are relative to `top`, the absolute path of a folder, with its last slash.
        """
        query = (
            "SELECT substr(path, ?), size, mtime, ctime, ino, sha FROM files"
            " WHERE racy = 0 AND path >= ? AND path < ?"
        )
        found = {}
        within = (len(top) + 1, top, top + chr(sys.maxunicode))
        for path, size, mtime, ctime, ino, sha in self._sql.execute(query, within):
            if stats.get(path) == (size, mtime, ctime, ino):
                found[path] = intern(sha)
        return found

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

    def past(self, stage: str, inputs: str, base: int) -> Made | None:
        """Return what one stage ever made by this recipe, for whichever sample."""
        query = (
            "SELECT base, inputs, digest, state, why FROM past"
            " WHERE stage = ? AND inputs = ? AND base = ?"
        )
        row = self._sql.execute(query, (stage, inputs, base)).fetchone()
        return None if row is None else Made(*row)

    def stages(self) -> list[str]:
        """Return the names of all stages that have results, sorted."""
        query = "SELECT DISTINCT stage FROM results ORDER BY stage"
        return [name for (name,) in self._sql.execute(query)]

    def recipes(self) -> dict[int, str]:
        """Return number -> canonical JSON of the common parts of all recipes."""
        return dict(self._sql.execute("SELECT id, text FROM recipes"))

    def body(self, digest: str) -> bytes | None:
        """Return a small result by its digest."""
        row = self._sql.execute("SELECT body FROM bodies WHERE digest = ?", (digest,)).fetchone()
        if row is not None and digest_bytes(row[0]) != digest:
            raise sqlite3.DatabaseError("a result is not as it was stored")
        return None if row is None else bytes(row[0])

    def edits(self) -> dict[tuple[str, str], Edit]:
        """Return (key, field) -> what a person wrote."""
        rows = self._sql.execute("SELECT key, field, value, source, file FROM edits")
        return {
            (intern(key), intern(field)): Edit(_value(value), intern(source), intern(file))
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

    # -- changes, inside a batch
    def know_files(self, rows: Iterable[tuple[str, Stat, str, bool]]) -> None:
        """Remember digests of files."""
        self._sql.executemany(
            "REPLACE INTO files VALUES(?, ?, ?, ?, ?, ?, ?)",
            ((path, *stat, sha, int(racy)) for path, stat, sha, racy in rows),
        )

    def know_samples(self, rows: Mapping[str, tuple[str, str | None]]) -> None:
        """Remember which samples there are now."""
        self._sql.execute("DELETE FROM samples")
        self._sql.executemany(
            "INSERT INTO samples VALUES(?, ?, ?)", ((k, d, lin) for k, (d, lin) in rows.items())
        )

    def set_lineage(self, key: str, digest: str, lineage: str) -> None:
        """Remember where a derived picture comes from; it is a sample once a run has read it."""
        self._sql.execute(
            "INSERT INTO samples VALUES(?, '', ?)"
            " ON CONFLICT(key) DO UPDATE SET lineage = excluded.lineage",
            (key, lineage),
        )
        self._log({"sample": key, "digest": digest, "lineage": lineage})

    def recipe(self, text: str) -> int:
        """Return the number of a recipe's common part, a new one if it was never met."""
        self._sql.execute("INSERT OR IGNORE INTO recipes(text) VALUES(?)", (text,))
        row = self._sql.execute("SELECT id FROM recipes WHERE text = ?", (text,)).fetchone()
        return int(row[0])

    def record(
        self, stage: str, rows: Iterable[tuple[str, Made, bytes | None]], *, again: bool = True
    ) -> None:
        """Remember results, with the body of each small one.

        Args:
            stage: Whose results.
            rows: Key, result, and its bytes where they are kept here.
            again: The same recipe gives the same result for any sample: remember it for good.
        """
        for key, made, body in rows:
            self._sql.execute(
                "REPLACE INTO results VALUES(?, ?, ?, ?, ?, ?, ?)", (stage, key, *made)
            )
            if again:
                row = (stage, made.inputs, made.base, made.digest, made.state, made.why)
                self._sql.execute("REPLACE INTO past VALUES(?, ?, ?, ?, ?, ?)", row)
            if body is not None:
                self._sql.execute("INSERT OR IGNORE INTO bodies VALUES(?, ?)", (made.digest, body))

    def edit(self, key: str, field: str, edit: Edit | None) -> None:
        """Remember what a person wrote for a field; None takes it back."""
        if edit is None:
            self._sql.execute("DELETE FROM edits WHERE key = ? AND field = ?", (key, field))
            self._log({"edit": [key, field], "back": True})
            return
        row = (key, field, canonical(edit.value), edit.source, edit.file)
        self._sql.execute("REPLACE INTO edits VALUES(?, ?, ?, ?, ?)", row)
        told = {"edit": [key, field], "value": edit.value, "from": edit.source, "file": edit.file}
        self._log(told)

    def intend(self, path: str, digest: str) -> None:
        """Say, before it happens, that these bytes will stand at this path."""
        self._sql.execute("INSERT OR IGNORE INTO intents VALUES(?, ?)", (path, digest))
        self._log({"intends": path, "digest": digest})

    def wrote(self, path: str, digest: str | None) -> None:
        """Say that a path holds what we wrote or adopted; None: that it is gone."""
        self._sql.execute("DELETE FROM intents WHERE path = ?", (path,))
        if digest is None:
            self._sql.execute("DELETE FROM outputs WHERE path = ?", (path,))
        else:
            self._sql.execute("REPLACE INTO outputs VALUES(?, ?)", (path, digest))
        self._log({"wrote": path, "digest": digest})

    def settle(self) -> None:
        """Drop all intents: what a dead run put in place has been taken over."""
        # Without a WHERE, SQLite writes a page even where there is nothing to delete.
        self._sql.execute("DELETE FROM intents WHERE path IS NOT NULL")

    def forget(self, stage: str, keys: Iterable[str], *, past: bool = True) -> None:
        """Forget the results of a stage for some keys; `past`: and that recipes ever gave them."""
        same = "(SELECT stage, inputs FROM results WHERE stage = ? AND key = ?)"
        rows = [(stage, key) for key in keys]
        if past:
            self._sql.executemany(f"DELETE FROM past WHERE (stage, inputs) IN {same}", rows)  # noqa: S608
        self._sql.executemany("DELETE FROM results WHERE stage = ? AND key = ?", rows)

    def rename(self, old: str, new: str) -> None:
        """Let everything known of a key belong to another one: its picture was renamed."""
        for table in ("results", "edits"):
            self._sql.execute(f"UPDATE OR REPLACE {table} SET key = ? WHERE key = ?", (new, old))  # noqa: S608
        self._sql.execute("UPDATE OR REPLACE samples SET key = ? WHERE key = ?", (new, old))
        self._log({"rename": [old, new]})

    def set_fact(self, name: str, value: Any, *, told: bool = False) -> None:
        """Remember a value about the whole dataset; `told`: the journal tells it too."""
        self._sql.execute("REPLACE INTO facts VALUES(?, ?)", (name, canonical(value)))
        self._lines += [canonical({"fact": name, "value": value})] * told

    def _log(self, line: dict[str, Any]) -> None:
        self._lines.append(canonical(line))

    def caught_up(self, length: int) -> None:
        """Keep what was taken from the first `length` bytes of the journal, without a new line."""
        self._lines.clear()
        self.set_fact(JOURNAL, length)
        self._sql.commit()


def unwritable(state: Path, error: Exception) -> MachineError:
    """Return the error for a ledger that the disk does not take."""
    full = "full" in str(error) or "No space" in str(error)
    return MachineError(
        f"the ledger in `{state}` cannot be written: {error}",
        "free some space, then run the same command: it goes on where it stopped"
        if full
        else "check the disk, or name another folder with `--state DIR`",
    )


def _value(text: str) -> Any:
    """Return the value of canonical JSON; most are text without escapes, which stands there."""
    plain = text[0] == '"' and "\\" not in text
    return text[1:-1] if plain else json.loads(text)
