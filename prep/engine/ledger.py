"""The memory of one dataset: an SQLite file, and a readable journal it can be rebuilt from.

What a person wrote, and what we last wrote where, is in the journal too; lost results are
computed again. How any of it is stored is this module's secret.
"""

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from prep.engine.recipe import Made
from prep.errors import DatasetError, MachineError
from prep.files import canonical

_APPLICATION = 0x70726570
_VERSION = 1
_TABLES = """
CREATE TABLE files(path TEXT PRIMARY KEY, size INT, mtime INT, ctime INT, ino INT, sha TEXT,
                   racy INT) WITHOUT ROWID;
CREATE TABLE samples(key TEXT PRIMARY KEY, digest TEXT, lineage TEXT) WITHOUT ROWID;
CREATE TABLE recipes(id INTEGER PRIMARY KEY, text TEXT UNIQUE);
CREATE TABLE results(stage TEXT, key TEXT, base INT, inputs TEXT, digest TEXT, state TEXT,
                     why TEXT, PRIMARY KEY(stage, key)) WITHOUT ROWID;
CREATE TABLE past(stage TEXT, inputs TEXT, base INT, digest TEXT, state TEXT, why TEXT,
                  PRIMARY KEY(stage, inputs, base)) WITHOUT ROWID;
CREATE TABLE bodies(digest TEXT PRIMARY KEY, body BLOB);
CREATE TABLE edits(key TEXT, field TEXT, value TEXT, source TEXT, file TEXT,
                   PRIMARY KEY(key, field)) WITHOUT ROWID;
CREATE TABLE outputs(path TEXT PRIMARY KEY, digest TEXT) WITHOUT ROWID;
CREATE TABLE intents(path TEXT, digest TEXT, PRIMARY KEY(path, digest)) WITHOUT ROWID;
CREATE TABLE facts(name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
"""


class Stat(NamedTuple):
    """What tells cheaply that a file is still the one whose digest we know."""

    size: int
    mtime: int
    ctime: int
    ino: int


@dataclass(frozen=True)
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
    """An open ledger; changes become durable together, at the end of a `with ledger.batch()`."""

    def __init__(self, state: Path, database: sqlite3.Connection) -> None:
        self._state = state
        self._sql = database
        self._lines: list[str] = []

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Make all changes of the block durable at once, journal first; none if it raises."""
        try:
            yield
            self._write_journal()
            self._sql.commit()
        except sqlite3.OperationalError as error:
            self._sql.rollback()
            raise MachineError(
                f"the ledger in `{self._state}` cannot be written: {error}",
                "free some space, then run the same command: it goes on where it stopped",
            ) from error
        except BaseException:
            self._sql.rollback()
            raise
        finally:
            self._lines.clear()

    def close(self) -> None:
        """Close the file; what was not committed is dropped."""
        self._sql.close()

    # -- what the plan reads

    def files(self) -> dict[str, tuple[Stat, str, bool]]:
        """Return path -> (stat, SHA-256, racy) of every file digested before."""
        rows = self._sql.execute("SELECT path, size, mtime, ctime, ino, sha, racy FROM files")
        return {path: (Stat(*stat), sha, bool(racy)) for path, *stat, sha, racy in rows}

    def samples(self) -> dict[str, tuple[str, str | None]]:
        """Return key -> (digest, lineage as JSON) of the samples of the last run."""
        return {k: (d, lin) for k, d, lin in self._sql.execute("SELECT * FROM samples")}

    def made(self, stage: str) -> dict[str, Made]:
        """Return key -> result of one stage."""
        query = "SELECT key, base, inputs, digest, state, why FROM results WHERE stage = ?"
        return {key: Made(*row) for key, *row in self._sql.execute(query, (stage,))}

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
        return None if row is None else bytes(row[0])

    def edits(self) -> dict[tuple[str, str], Edit]:
        """Return (key, field) -> what a person wrote."""
        rows = self._sql.execute("SELECT key, field, value, source, file FROM edits")
        return {(k, f): Edit(json.loads(value), s, file) for k, f, value, s, file in rows}

    def outputs(self) -> dict[str, str]:
        """Return path -> digest of what we last wrote there, or adopted from a person."""
        return dict(self._sql.execute("SELECT path, digest FROM outputs"))

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
        """Remember where a derived picture comes from."""
        self._sql.execute("REPLACE INTO samples VALUES(?, ?, ?)", (key, digest, lineage))
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
        self._log(
            {"edit": [key, field], "value": edit.value, "from": edit.source, "file": edit.file}
        )

    def intend(self, path: str, digest: str) -> None:
        """Say, before it happens, that these bytes will stand at this path."""
        self._sql.execute("INSERT OR IGNORE INTO intents VALUES(?, ?)", (path, digest))
        self._log({"wrote": path, "digest": digest})

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
        self._sql.execute("DELETE FROM intents")

    def forget(self, stage: str, keys: Iterable[str]) -> None:
        """Forget the results of one stage for some keys."""
        self._sql.executemany(
            "DELETE FROM results WHERE stage = ? AND key = ?", ((stage, key) for key in keys)
        )

    def rename(self, old: str, new: str) -> None:
        """Let everything known of a key belong to another one: its picture was renamed."""
        for table in ("results", "edits"):
            self._sql.execute(f"UPDATE OR REPLACE {table} SET key = ? WHERE key = ?", (new, old))  # noqa: S608
        self._sql.execute("UPDATE OR REPLACE samples SET key = ? WHERE key = ?", (new, old))
        self._log({"rename": [old, new]})

    def set_fact(self, name: str, value: Any) -> None:
        """Remember a value about the whole dataset."""
        self._sql.execute("REPLACE INTO facts VALUES(?, ?)", (name, canonical(value)))

    def _log(self, line: dict[str, Any]) -> None:
        self._lines.append(canonical(line))

    def _write_journal(self) -> None:
        if self._lines:
            with (self._state / "journal.jsonl").open("a", encoding="utf-8") as file:
                file.write("".join(line + "\n" for line in self._lines))
                file.flush()
                os.fsync(file.fileno())


def open_ledger(state: Path) -> Ledger:
    """Open the ledger of a state folder; make it, from the journal if there is one.

    Raises:
        DatasetError: It was written by a newer version.
        MachineError: The folder cannot be written.
    """
    path = state / "ledger.sqlite"
    try:
        return _opened(state, path)
    except sqlite3.DatabaseError:
        # Damaged: it is set aside, never deleted, and what matters is read from the journal.
        if path.exists():
            path.replace(state / "ledger.damaged")
        for name in ("ledger.sqlite-wal", "ledger.sqlite-shm"):
            (state / name).unlink(missing_ok=True)
        return _opened(state, path)


def snapshot(state: Path) -> Ledger:
    """Open a ledger to read it, without a lock; an empty one in memory where there is none."""
    path = state / "ledger.sqlite"
    if path.exists():
        try:
            database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)
            _check_version(database, state)
        except sqlite3.DatabaseError:
            return _in_memory(state)
        return Ledger(state, database)
    return _in_memory(state)


def _in_memory(state: Path) -> Ledger:
    database = sqlite3.connect(":memory:")
    database.executescript(_TABLES)
    ledger = Ledger(state, database)
    _replay(ledger, state / "journal.jsonl")
    return ledger


def _opened(state: Path, path: Path) -> Ledger:
    try:
        state.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(path)
    except (OSError, sqlite3.OperationalError) as error:
        raise MachineError(
            f"`{state}` cannot be written: {error}", "name another folder with `--state DIR`"
        ) from error
    fresh = not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    if fresh:
        database.executescript(
            f"BEGIN; {_TABLES} PRAGMA application_id = {_APPLICATION};"
            f" PRAGMA user_version = {_VERSION}; COMMIT;"
        )
    _check_version(database, state)
    ledger = Ledger(state, database)
    if fresh:
        _replay(ledger, state / "journal.jsonl")
        database.commit()
    return ledger


def _check_version(database: sqlite3.Connection, state: Path) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise DatasetError(
            f"`{state}` was written by a newer prep (ledger {version}, this is {_VERSION})",
            "update with `pip install -U prep-and-train`",
        )


def _replay(ledger: Ledger, journal: Path) -> None:
    """Take what the journal tells into an empty ledger; a torn last line is left out."""
    if not journal.exists():
        return
    for line in journal.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            entry = json.loads(line)
            _take(ledger, entry)
        except (ValueError, KeyError, TypeError):
            continue
    ledger._lines.clear()


def _take(ledger: Ledger, entry: dict[str, Any]) -> None:
    if "edit" in entry:
        key, field = entry["edit"]
        back = entry.get("back")
        ledger.edit(
            key, field, None if back else Edit(entry["value"], entry["from"], entry["file"])
        )
    elif "wrote" in entry:
        # All digests that ever stood there are ours: the last line may be a mere intention.
        path, digest = entry["wrote"], entry["digest"]
        if digest is None:
            ledger.wrote(path, None)
        else:
            ledger._sql.execute("REPLACE INTO outputs VALUES(?, ?)", (path, digest))
            ledger.intend(path, digest)
    elif "rename" in entry:
        ledger.rename(*entry["rename"])
    elif "sample" in entry:
        ledger.set_lineage(entry["sample"], entry["digest"], entry["lineage"])
