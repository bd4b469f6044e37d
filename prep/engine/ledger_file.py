"""Opening a ledger: made where there is none, rebuilt from the journal where it is damaged."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from prep.engine import journal
from prep.engine.ledger import JOURNAL, Edit, Ledger, unwritable
from prep.errors import DatasetError, MachineError

_APPLICATION = 0x70726570
_VERSION = 1
_NAME = "ledger.sqlite"
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


@contextmanager
def opened(state: Path) -> Iterator[Ledger]:
    """Open the ledger of a state folder until the end of the block; its lock is held.

    Raises:
        DatasetError: It was written by a newer version; nothing was touched.
        MachineError: The folder cannot be written, or damage came to light in the block.
    """
    ledger = open_ledger(state)
    try:
        yield ledger
    except sqlite3.OperationalError as error:
        raise unwritable(state, error) from error
    except sqlite3.DatabaseError as error:
        if not _is_damage(error):
            raise
        ledger.close()
        _set_aside(state)
        raise MachineError(
            f"the ledger in `{state}` is damaged ({error}); it was set aside",
            "run the same command again: the ledger is rebuilt from journal.jsonl",
        ) from error
    finally:
        ledger.close()


def open_ledger(state: Path) -> Ledger:
    """Open the ledger of a state folder; make it, from the journal if there is one.

    A damaged one is set aside, never deleted; results are then made again.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        try:
            return _opened(state)
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            _set_aside(state)
            return _opened(state)
    except (OSError, sqlite3.OperationalError) as error:
        raise unwritable(state, error) from error


def snapshot(state: Path) -> Ledger:
    """Open a ledger to read it, without a lock; an empty one in memory where there is none."""
    path = state / _NAME
    if not path.exists():
        return _in_memory(state)
    # SQLite keeps a file beside the ledger while it reads. Where none can be made, in a read-only
    # folder, a ledger that nobody was writing is read as it lies there.
    wal = path.with_name(f"{path.name}-wal")
    at_rest = not wal.exists() or not wal.stat().st_size
    for mode in ["ro", "ro&immutable=1"][: 1 + at_rest]:
        with suppress(sqlite3.DatabaseError):
            return Ledger(state, _read_only(path, state, mode))
    return _in_memory(state)


def _read_only(path: Path, state: Path, mode: str) -> sqlite3.Connection:
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True)
    try:
        _check_length(path)
        _check_version(database, state)
        database.execute("SELECT count(*) FROM facts")
    except BaseException:
        database.close()
        raise
    return database


def _in_memory(state: Path) -> Ledger:
    database = sqlite3.connect(":memory:")
    database.executescript(_TABLES)
    ledger = Ledger(state, database)
    _catch_up(ledger, state)
    return ledger


def _opened(state: Path) -> Ledger:
    _check_length(state / _NAME)
    database = sqlite3.connect(state / _NAME)
    try:
        fresh = not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        _check_version(database, state)  # before anything is written
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        if fresh:
            database.executescript(
                f"BEGIN; {_TABLES} PRAGMA application_id = {_APPLICATION};"
                f" PRAGMA user_version = {_VERSION}; COMMIT;"
            )
        ledger = Ledger(state, database)
        _catch_up(ledger, state)
    except BaseException:
        database.close()
        raise
    return ledger


def _check_length(path: Path) -> None:
    """Raise what SQLite raises for damage where a file ends within a page, which it overlooks."""
    if not path.exists() or journal.size(path.with_name(_NAME + "-wal")):
        return  # a write-ahead log holds the whole pages
    with path.open("rb") as file:
        page = int.from_bytes(file.read(18)[16:], "big")
    if journal.size(path) % (65536 if page == 1 else page or 512):
        raise sqlite3.DatabaseError("it was cut off")


def _check_version(database: sqlite3.Connection, state: Path) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise DatasetError(
            f"`{state}` was written by a newer prep (ledger {version}, this is {_VERSION})",
            "update with `pip install -U prep-and-train`",
        )


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Return whether the file itself is broken; subclasses tell of the disk, or of a bug."""
    return type(error) is sqlite3.DatabaseError


def _set_aside(state: Path) -> None:
    path = state / _NAME
    if path.exists():
        path.replace(state / "ledger.damaged")
    for end in ("-wal", "-shm"):
        (state / (_NAME + end)).unlink(missing_ok=True)


def _catch_up(ledger: Ledger, state: Path) -> None:
    """Take over what the journal tells and the ledger does not know: all of it, or a crash's tail.

    The journal is written before the ledger, which remembers how much of it it has taken in.
    """
    path = state / "journal.jsonl"
    length, known = journal.size(path), ledger.fact(JOURNAL) or 0
    if length <= known:
        return
    for entry in journal.entries(path, known):
        try:
            _take(ledger, entry)
        except (ValueError, KeyError, TypeError):
            continue
    ledger.caught_up(length)


def _take(ledger: Ledger, entry: dict[str, Any]) -> None:
    if "edit" in entry:
        key, field = entry["edit"]
        back = entry.get("back")
        ledger.edit(
            key, field, None if back else Edit(entry["value"], entry["from"], entry["file"])
        )
    elif "intends" in entry:
        ledger.intend(entry["intends"], entry["digest"])
    elif "wrote" in entry:
        ledger.wrote(entry["wrote"], entry["digest"])
    elif "rename" in entry:
        ledger.rename(*entry["rename"])
    elif "fact" in entry:
        ledger.set_fact(entry["fact"], entry["value"])
    elif "sample" in entry:
        ledger.set_lineage(entry["sample"], entry["digest"], entry["lineage"])
