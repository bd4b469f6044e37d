"""The journal -> a ledger, and a ledger -> the journal: each is made anew from the other."""

import os
import shutil
import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

from prep.engine.state import journal, seal
from prep.engine.state.ledger import JOURNAL, Ledger, Line
from prep.engine.state.ledger_queries import edit_of
from prep.runtime import files

TABLES = """
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


def replayed(state: Path, length: int) -> Ledger:
    """Return a ledger in memory of what the first bytes of the journal tell."""
    database = sqlite3.connect(":memory:")
    database.executescript(TABLES)
    ledger = Ledger(state, database)
    _take_all(ledger, journal.entries(state / seal.JOURNAL, 0, length))
    ledger.caught_up(length)
    return ledger


def catch_up(ledger: Ledger, state: Path) -> None:
    """Take over what the journal tells and the ledger does not know: all of it, or a crash's tail.

    The journal is written before the ledger, which remembers how much of it it has taken in.
    """
    path = state / seal.JOURNAL
    length, known = journal.size(path), ledger.fact(JOURNAL) or 0
    if length <= known:
        return
    _take_all(ledger, journal.entries(path, known))
    ledger.caught_up(length)


def renew_journal(ledger: Ledger, state: Path) -> None:
    """Write the journal anew from what the ledger knows; what is there is set aside."""
    path, scratch = state / seal.JOURNAL, state / "journal.jsonl.new"
    where, was = "", "damaged" if path.exists() else "gone"
    data = journal.packed(ledger.retold())
    with files.disk_errors(path):
        files.write_scratch(scratch, data)
        if was == "damaged":
            name = unused_name(state, "journal.damaged")
            shutil.copyfile(path, state / name)
            where = f"; it was set aside as `{name}`"
        scratch.replace(path)
        files.flush(state)
    ledger.caught_up(len(data))
    ledger.notes.append(
        f"the journal in `{os.path.relpath(state)}` was {was}{where}; it was written anew"
    )


def _take_all(ledger: Ledger, entries: Iterable[dict[str, Any]]) -> None:
    for entry in entries:
        with suppress(ValueError, KeyError, TypeError):
            _take(ledger, entry)


def _take(ledger: Ledger, entry: dict[str, Any]) -> None:
    if Line.EDIT in entry:
        key, field = entry[Line.EDIT]
        back = entry.get("back")
        told = None if back else edit_of(entry["value"], entry["from"], entry["file"])
        ledger.edit(key, field, told)
    elif Line.INTENDS in entry:
        ledger.intend(entry[Line.INTENDS], entry["digest"])
    elif Line.WROTE in entry:
        ledger.wrote(entry[Line.WROTE], entry["digest"])
    elif Line.RENAME in entry:
        ledger.rename(*entry[Line.RENAME])
    elif Line.FACT in entry:
        ledger.set_fact(entry[Line.FACT], entry["value"])
    elif Line.SAMPLE in entry:
        ledger.set_lineage(entry[Line.SAMPLE], entry["digest"], entry["lineage"])


def unused_name(state: Path, name: str) -> str:
    """Return a name that no file has yet: what was set aside before stays."""
    names = (name if number == 1 else f"{name}-{number}" for number in count(1))
    return next(each for each in names if not (state / each).exists())
