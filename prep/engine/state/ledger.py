"""The memory of one dataset: an SQLite file, and a readable journal it can be rebuilt from.

What a person wrote, and what we last wrote where, is in the journal too; lost results are
computed again. How any of it is stored is this module's secret, and `ledger_file`'s.
"""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from enum import StrEnum, auto
from itertools import islice
from pathlib import Path
from typing import Any

from prep.engine.state import journal, seal
from prep.engine.state.file_stat import Stat
from prep.engine.state.ledger_queries import Edit, Queries, is_damage
from prep.engine.state.recipe import Made
from prep.runtime import files
from prep.runtime.errors import MachineError
from prep.runtime.files import canonical

JOURNAL = "journal"  # the fact that says how many bytes of the journal are in the ledger
_RECORDED = 256  # rows of a stage at a time: no list of them all is held


class Line(StrEnum):
    """What a line of the journal tells, by a word of its own."""

    EDIT = auto()
    FACT = auto()
    INTENDS = auto()
    RENAME = auto()
    SAMPLE = auto()
    WROTE = auto()


class Ledger(Queries):
    """An open ledger; changes become durable together, at the end of a `with ledger.batch()`.

    Attributes:
        state: The folder where it lies, with the journal.
        notes: What became of it when it was opened, where a person should know.
    """

    def __init__(self, state: Path, database: sqlite3.Connection) -> None:
        super().__init__(database)
        self.state = state
        self.notes: list[str] = []
        self._lines: list[str] = []
        self._file: int | None = None
        self._sealed = True
        self._changes = database.total_changes

    def keep_sealed(self, sealed: bool) -> None:
        """Note which file it is, and whether a seal tells how it was left."""
        self._file = seal.inode(self.state / seal.LEDGER)
        self._sealed = sealed

    @property
    def writable(self) -> bool:
        """Whether it was opened to be changed."""
        return self._file is not None

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Make all changes of the block durable at once, journal first; none if it raises."""
        try:
            yield
            self._begin_to_write()
            if self._lines:
                length = journal.append(self.state / "journal.jsonl", self._lines)
                self.set_fact(JOURNAL, length)
            self._sql.commit()
        except sqlite3.OperationalError as error:
            self._roll_back()
            if is_damage(error):
                raise
            raise unwritable(self.state, error) from error
        except BaseException:
            self._roll_back()
            raise
        finally:
            self._lines.clear()

    def _roll_back(self) -> None:
        with suppress(sqlite3.Error):  # a disk that refused the commit may refuse this too
            self._sql.rollback()

    def _begin_to_write(self) -> None:
        """Break the seal before the first change; make sure that the file is still ours."""
        if self._file is None or (not self._lines and self._sql.total_changes == self._changes):
            return
        if seal.inode(self.state / seal.LEDGER) != self._file:
            raise MachineError(
                f"`{self.state}` was deleted or replaced during the run",
                "run the same command again",
            )
        if self._sealed:
            seal.break_seal(self.state)
        self._sealed = False
        self._changes = self._sql.total_changes

    def close(self) -> None:
        """Close the file, and seal what was changed; what was not committed is dropped."""
        self._sql.close()
        if self._file is not None and not self._sealed:
            seal.put(self.state)
            self._sealed = True

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
        self._log({Line.SAMPLE: key, "digest": digest, "lineage": lineage})

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
        each = iter(rows)
        while some := list(islice(each, _RECORDED)):
            self._sql.executemany(
                "REPLACE INTO results VALUES(?, ?, ?, ?, ?, ?, ?)",
                ((stage, key, *made) for key, made, _ in some),
            )
            if again:
                self._sql.executemany(
                    "REPLACE INTO past VALUES(?, ?, ?, ?, ?, ?)",
                    ((stage, m.inputs, m.base, m.digest, m.state, m.why) for _, m, _ in some),
                )
            self._sql.executemany(
                "INSERT OR IGNORE INTO bodies VALUES(?, ?)",
                ((made.digest, body) for _, made, body in some if body is not None),
            )

    def edit(self, key: str, field: str, edit: Edit | None) -> None:
        """Remember what a person wrote for a field; None takes it back."""
        if edit is None:
            self._sql.execute("DELETE FROM edits WHERE key = ? AND field = ?", (key, field))
            self._log({Line.EDIT: [key, field], "back": True})
            return
        row = (key, field, canonical(edit.value), edit.source, edit.stored())
        self._sql.execute("REPLACE INTO edits VALUES(?, ?, ?, ?, ?)", row)
        told = {Line.EDIT: [key, field], "value": edit.value, "from": edit.source}
        self._log(told | {"file": edit.stored()})

    def intend(self, path: str, digest: str) -> None:
        """Say, before it happens, that these bytes will stand at this path."""
        self._sql.execute("INSERT OR IGNORE INTO intents VALUES(?, ?)", (path, digest))
        self._log({Line.INTENDS: path, "digest": digest})

    def wrote(self, path: str, digest: str | None) -> None:
        """Say that a path holds what we wrote or adopted; None: that it is gone."""
        self._sql.execute("DELETE FROM intents WHERE path = ?", (path,))
        if digest is None:
            self._sql.execute("DELETE FROM outputs WHERE path = ?", (path,))
        else:
            self._sql.execute("REPLACE INTO outputs VALUES(?, ?)", (path, digest))
        self._log({Line.WROTE: path, "digest": digest})

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
        self._log({Line.RENAME: [old, new]})

    def set_fact(self, name: str, value: Any, *, told: bool = False) -> None:
        """Remember a value about the whole dataset; `told`: the journal tells it too."""
        self._sql.execute("REPLACE INTO facts VALUES(?, ?)", (name, canonical(value)))
        self._lines += [canonical({Line.FACT: name, "value": value})] * told

    def _log(self, line: dict[str, Any]) -> None:
        self._lines.append(canonical(line))

    def caught_up(self, length: int) -> None:
        """Keep what was taken from the first `length` bytes of the journal, without a new line."""
        self._lines.clear()
        self.set_fact(JOURNAL, length)
        self._begin_to_write()
        self._sql.commit()

    def retold(self) -> list[str]:
        """Return the lines of a journal from which this ledger, but for results, can be rebuilt."""
        self._lines.clear()
        for at, edit in self.edits().items():
            self.edit(*at, edit)
        for path, digest in self.outputs().items():
            self.wrote(path, digest)
        for key, (digest, lineage) in self.samples().items():
            if lineage is not None:
                self._log({Line.SAMPLE: key, "digest": digest, "lineage": lineage})
        for name in self.operations():
            self.set_fact(name, self.fact(name), told=True)
        lines, self._lines = self._lines, []
        self._roll_back()
        return lines


def unwritable(state: Path, error: Exception) -> MachineError:
    """Return the error for a ledger, or a file beside it, that the disk does not take."""
    if isinstance(error, OSError) and error.filename:
        return files.disk_error(Path(os.path.relpath(error.filename)), error, state)
    full = "full" in str(error) or "No space" in str(error)
    return MachineError(
        f"the ledger in `{state}` cannot be written: {error}",
        "free some space, then run the same command: it goes on where it stopped"
        if full
        else "check the disk, or name another folder with `--state DIR`",
    )
