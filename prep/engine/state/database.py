"""Opening a ledger: made where there is none, rebuilt from the journal where it is damaged."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prep.engine.state import journal, seal
from prep.engine.state.ledger import JOURNAL, Ledger, unwritable
from prep.engine.state.ledger_check import check_cells, examine, forget_shortcuts, journal_is_whole
from prep.engine.state.ledger_queries import is_damage
from prep.engine.state.replay import TABLES, catch_up, renew_journal, replayed, unused_name
from prep.runtime.errors import DatasetError, MachineError

_APPLICATION = 0x70726570
_VERSION = 1
_MOST = 1000  # no version of a ledger comes near it; four random bytes seldom do not
_MAGIC = b"SQLite format 3\0"


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
    except sqlite3.Error as error:
        if not is_damage(error):
            if isinstance(error, sqlite3.OperationalError):
                raise unwritable(state, error) from error
            raise
        ledger.close()
        set_aside(state)
        raise MachineError(
            f"the ledger in `{state}` is damaged ({error}); it was set aside",
            "run the same command again: the ledger is rebuilt from journal.jsonl",
        ) from error
    finally:
        ledger.close()


def open_ledger(state: Path) -> Ledger:
    """Open the ledger of a state folder; make it, from the journal if there is one.

    A damaged one is set aside, never deleted; results are then made again. So is a damaged
    journal: what of it is sound, and what the ledger knows, makes a new one.
    """
    try:
        state.mkdir(parents=True, exist_ok=True)
        try:
            return _opened(state)
        except sqlite3.DatabaseError as error:
            if not is_damage(error):
                raise
            name = set_aside(state)
            ledger = _opened(state)
            where = f"it was set aside as `{name}` and rebuilt" if name else "it was rebuilt"
            ledger.notes.insert(
                0, f"the ledger in `{_shown(state)}` was damaged ({error}); {where}"
            )
            return ledger
    except (OSError, sqlite3.OperationalError) as error:
        raise unwritable(state, error) from error


def damage(state: Path) -> str:
    """Return what is wrong with a ledger, in a few words; empty where nothing is."""
    path = state / seal.LEDGER
    try:
        if path.exists():
            _read_only(path, state, "ro").close()
    except sqlite3.DatabaseError as error:
        return str(error)
    return ""


@contextmanager
def looked_at(state: Path) -> Iterator[Ledger]:
    """Open a ledger to read it until the end of the block; see `snapshot`.

    Raises:
        MachineError: Damage came to light in the block; nothing was touched.
    """
    ledger = snapshot(state)
    try:
        yield ledger
    except sqlite3.DatabaseError as error:
        raise MachineError(
            f"the ledger in `{state}` is damaged ({error})",
            "run `prep run`, or the stage that you need: it is set aside and rebuilt",
        ) from error
    finally:
        ledger.close()


def snapshot(state: Path) -> Ledger:
    """Open a ledger to read it, without a lock.

    Where there is none, or it is damaged, what the journal tells is read, in memory.
    """
    path = state / seal.LEDGER
    if not path.exists():
        return _in_memory(state)
    # SQLite keeps a file beside the ledger while it reads. Where none can be made, in a read-only
    # folder, a ledger that nobody was writing is read as it lies there.
    wal = path.with_name(f"{path.name}-wal")
    at_rest = not wal.exists() or not wal.stat().st_size
    for mode in ["ro", "ro&immutable=1"][: 1 + at_rest]:
        with suppress(sqlite3.DatabaseError):
            return _read_only(path, state, mode)
    ledger = _in_memory(state)
    ledger.notes.append(f"the ledger in `{_shown(state)}` is damaged: the next run rebuilds it")
    return ledger


def _read_only(path: Path, state: Path, mode: str) -> Ledger:
    _check_version(state)
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True)
    try:
        _check_length(path)
        _check_newer(database, state)
        database.execute("SELECT count(*) FROM facts")
        ledger = Ledger(state, database)
        left = seal.standing(state).ledger
        if left is seal.Left.CHANGED:
            examine(ledger, database, replayed if journal_is_whole(state) else None)
        elif left is seal.Left.UNSEALED:  # a run is on, or died: the next one examines it
            check_cells(ledger)
    except BaseException:
        database.close()
        raise
    return ledger


def _in_memory(state: Path) -> Ledger:
    return replayed(state, journal.size(state / seal.JOURNAL))


def _opened(state: Path) -> Ledger:
    path = state / seal.LEDGER
    _check_version(state)  # before anything is written
    _check_length(path)
    left, lost = seal.standing(state), seal.exists(state) and not journal.size(path)
    # A crash leaves no seal; only then, or where somebody changed it, is the journal read whole.
    trusted = left.ledger is seal.Left.AS_SEALED
    whole = left.journal is seal.Left.AS_SEALED or (not trusted and journal_is_whole(state))
    database = sqlite3.connect(path)
    try:
        ledger = _examined(state, database, left, whole)
        if whole or not trusted:  # else what the journal says now is not what the ledger took in
            catch_up(ledger, state)
        if lost:
            ledger.notes.append(f"the ledger in `{_shown(state)}` was gone; it was rebuilt")
        if not whole or journal.size(state / seal.JOURNAL) < (ledger.fact(JOURNAL) or 0):
            renew_journal(ledger, state)
        if left.racy:
            seal.put(state)
    except BaseException:
        database.close()
        raise
    return ledger


def _examined(
    state: Path, database: sqlite3.Connection, left: seal.Standing, whole: bool
) -> Ledger:
    """Return the ledger of a database that is new, is as it was sealed, or was examined."""
    fresh = not database.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    _check_newer(database, state)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    if fresh:
        database.executescript(
            f"BEGIN; {TABLES} PRAGMA application_id = {_APPLICATION};"
            f" PRAGMA user_version = {_VERSION}; COMMIT;"
        )
    ledger = Ledger(state, database)
    as_sealed = left.ledger is seal.Left.AS_SEALED and not fresh
    if not (fresh or as_sealed):
        examine(ledger, database, replayed if whole else None)
        forget_shortcuts(database)
    ledger.keep_sealed(as_sealed)
    return ledger


def _check_length(path: Path) -> None:
    """Raise what SQLite raises for damage where a file ends within a page, which it overlooks."""
    if not path.exists() or journal.size(path.with_name(f"{seal.LEDGER}-wal")):
        return  # a write-ahead log holds the whole pages
    with path.open("rb") as file:
        page = int.from_bytes(file.read(18)[16:], "big")
    if journal.size(path) % (65536 if page == 1 else page or 512):
        raise sqlite3.DatabaseError("it was cut off")


def _check_version(state: Path) -> None:
    """Raise where the file's header names a newer version: by a newer prep, or by damage.

    Who writes through SQLite raises its counters. Damage leaves them as they were sealed, or
    makes nonsense of what stands around them.
    """
    head, path = b"", state / seal.LEDGER
    if path.is_dir():
        raise sqlite3.DatabaseError("a folder stands in its place")
    with suppress(FileNotFoundError, NotADirectoryError), path.open("rb") as file:
        head = file.read(100)
    version = int.from_bytes(head[60:64], "big")
    if len(head) < 100 or not head.startswith(_MAGIC) or version <= _VERSION:
        return
    counters = seal.counters(state / seal.LEDGER) or ["", ""]
    told = int.from_bytes(head[68:72], "big") == _APPLICATION and counters[0] == counters[1]
    if not told or version > _MOST or counters == seal.sealed_counters(state):
        raise sqlite3.DatabaseError("its version was overwritten")
    raise _newer(state, version)


def _check_newer(database: sqlite3.Connection, state: Path) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version > _VERSION:
        raise _newer(state, version)


def _newer(state: Path, version: int) -> DatasetError:
    return DatasetError(
        f"`{state}` was written by a newer prep (ledger {version}, this is {_VERSION})",
        "update with `pip install -U prep-and-train`",
    )


def _shown(state: Path) -> str:
    return os.path.relpath(state)


def set_aside(state: Path) -> str:
    """Move a damaged ledger out of the way; return its new name, or nothing where it was empty."""
    path, name = state / seal.LEDGER, ""
    seal.break_seal(state)
    for end in ("-wal", "-shm"):
        (state / (seal.LEDGER + end)).unlink(missing_ok=True)
    if path.exists():
        name = unused_name(state, "ledger.damaged")
        path.replace(state / name)
    return name
