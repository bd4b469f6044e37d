"""Is a ledger that is not as it was sealed still to be believed? SQLite and the journal tell.

What a person wrote, and what we last wrote where, has to be what the journal says up to the byte
that the ledger has taken in. Results have to agree with what is remembered of their recipes; the
rest is only remembered to save time, and is forgotten.
"""

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path

from prep.engine.state import journal
from prep.engine.state.ledger import JOURNAL, Ledger


def examine(
    ledger: Ledger, database: sqlite3.Connection, replayed: Callable[[Path, int], Ledger] | None
) -> None:
    """Raise where a ledger is damaged.

    Args:
        ledger: Nothing of it was used yet.
        database: Its connection.
        replayed: Makes a ledger of the first bytes of the journal; None where the journal itself
            cannot be believed.

    Raises:
        sqlite3.DatabaseError: It is damaged, and how.
    """
    found = database.execute("PRAGMA integrity_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(str(found).splitlines()[0])
    check_cells(ledger)
    length = int(ledger.fact(JOURNAL) or 0)
    if replayed is not None and not _agree(ledger, replayed(ledger.state, length)):
        raise sqlite3.DatabaseError("it says something else than the journal")
    if database.execute(_OTHER_RESULT).fetchone():
        raise sqlite3.DatabaseError("a result is not what its recipe made")


_OTHER_RESULT = """
SELECT 1 FROM results r LEFT JOIN past p USING(stage, inputs, base)
WHERE stage IN (SELECT DISTINCT stage FROM past) AND NOT (r.state = 'failed' AND inputs = '')
AND (r.digest, r.state, r.why) IS NOT (p.digest, p.state, p.why) LIMIT 1
"""


def forget_shortcuts(database: sqlite3.Connection) -> None:
    """Forget what only saves time, and what no second place confirms: it is worked out again."""
    database.execute("DELETE FROM files")
    database.execute("DELETE FROM results WHERE stage NOT IN (SELECT DISTINCT stage FROM past)")
    database.commit()


def check_cells(ledger: Ledger) -> None:
    """Raise sqlite3.DatabaseError where a cell cannot be what prep wrote there."""
    try:
        _read_all(ledger)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise sqlite3.DatabaseError("a cell is not as it was written") from error


def _read_all(ledger: Ledger) -> None:
    ledger.samples(), ledger.intents(), ledger.edits(), ledger.outputs()
    int(ledger.fact(JOURNAL) or 0)
    for text in ledger.recipes().values():
        json.loads(text)
    for name in ledger.facts():
        ledger.fact(name)
    for stage in ledger.stages():
        for made in ledger.made(stage).values():
            int(made.base), made.why.encode()


def _agree(ledger: Ledger, told: Ledger) -> bool:
    try:
        known = ledger.operations()
        return (
            ledger.edits() == told.edits()
            and ledger.outputs() == told.outputs()
            and set(told.operations()) <= set(known)  # one that can be taken back no more is null
            and all(ledger.fact(name) in (None, told.fact(name)) for name in known)
        )
    finally:
        told.close()


def journal_is_whole(state: Path) -> bool:
    """Return whether no line of the journal is damaged."""
    return not journal.damaged(state / "journal.jsonl")
