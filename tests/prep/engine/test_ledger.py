"""What a ledger remembers outlives damage, truncation and loss: the journal brings it back."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from prep.engine.state import digest_cache
from prep.engine.state.database import looked_at, open_ledger, opened, snapshot
from prep.engine.state.file_stat import stat_of
from prep.engine.state.ledger import Ledger
from prep.engine.state.ledger_queries import Edit
from prep.engine.state.recipe import Made
from prep.runtime.errors import DatasetError, MachineError
from prep.runtime.files import digest_bytes

EDIT = Edit("solo, \u5e3d\u5b50", "a.txt", "e" * 64)


def fill(state: Path) -> None:
    """Write a ledger with an edit, an output, a result and a derived sample."""
    with opened(state) as ledger:
        base = ledger.recipe("{}")
        with ledger.batch():
            ledger.edit("a.png", "tags", EDIT)
            ledger.edit("b.png", "tags", Edit("gone", "b.txt"))
            ledger.intend("b.txt", "1" * 64)
        with ledger.batch():
            ledger.wrote("b.txt", "1" * 64)
            ledger.edit("b.png", "tags", None)
            ledger.record("score", [("a.png", Made(base, "i", digest_bytes(b"v")), b"v")])
        with ledger.batch():
            ledger.rename("b.png", "c.png")
            ledger.set_lineage("a.png@crop.png", "2" * 64, "{}")


def remembered(ledger: Ledger) -> tuple[object, ...]:
    """Return all that must never be lost."""
    return ledger.edits(), ledger.outputs(), ledger.intents(), ledger.samples()


KEPT = (
    {("a.png", "tags"): EDIT},
    {"b.txt": "1" * 64},
    {},
    {"a.png@crop.png": ("", "{}")},
)


@pytest.fixture
def state(tmp_path: Path) -> Path:
    fill(tmp_path / "state")
    return tmp_path / "state"


def test_everything_comes_back_after_closing(state: Path) -> None:
    """A ledger that is opened again says what it was told."""
    with opened(state) as ledger:
        assert remembered(ledger) == KEPT
        assert ledger.made("score")["a.png"].inputs == "i"


def test_a_deleted_ledger_is_rebuilt_from_the_journal(state: Path) -> None:
    """What a person wrote and what we wrote where is in the journal too; results are not."""
    (state / "ledger.sqlite").unlink()
    with opened(state) as ledger:
        assert remembered(ledger) == KEPT
        assert ledger.made("score") == {}
    (state / "ledger.sqlite").unlink()
    ledger = snapshot(state)
    assert remembered(ledger) == KEPT
    ledger.close()


def test_cut_off_at_any_byte_it_is_rebuilt(state: Path, tmp_path: Path) -> None:
    """A ledger that ends too early, wherever, is set aside and loses nothing of a person's."""
    whole = (state / "ledger.sqlite").read_bytes()
    ends = {0, 1, 15, 16, 99, 100, 101, *range(4096, len(whole), 4096), *range(7, len(whole), 1499)}
    for end in sorted(ends):
        cut = Path(shutil.copytree(state, tmp_path / f"cut{end}"))
        (cut / "ledger.sqlite").write_bytes(whole[:end])
        ledger = snapshot(cut)
        assert remembered(ledger) == KEPT, end
        ledger.close()
        with opened(cut) as ledger:
            assert remembered(ledger) == KEPT, end
        assert (cut / "ledger.damaged").exists() == (end > 0), end


def test_a_journal_cut_off_anywhere_hurts_nobody(state: Path, tmp_path: Path) -> None:
    """Row 72: a torn last line is left out, the lines before it hold, and new ones are whole."""
    whole = (state / "journal.jsonl").read_bytes()
    lines = [json.loads(line) for line in whole.splitlines()]
    for end in range(0, len(whole) + 1, 11):
        cut = tmp_path / f"cut{end}"
        cut.mkdir()
        (cut / "journal.jsonl").write_bytes(whole[:end])
        with opened(cut) as ledger:
            edits = len(ledger.edits())
            with ledger.batch():
                ledger.edit("new.png", "tags", EDIT)
        (cut / "ledger.sqlite").unlink()
        with opened(cut) as ledger:
            assert ledger.edits()["new.png", "tags"] == EDIT, end
            assert len(ledger.edits()) == edits + 1, end
        shutil.rmtree(cut)
    assert [next(iter(line)) for line in lines] == [
        "edit", "edit", "digest", "digest", "back", "rename", "digest",
    ]  # fmt: skip


def test_a_ledger_behind_its_journal_catches_up(state: Path, tmp_path: Path) -> None:
    """A crash after the journal and before the ledger, or a lost write-ahead log, costs nothing."""
    with opened(state):
        before = (state / "ledger.sqlite").read_bytes()
    with opened(state) as ledger, ledger.batch():
        ledger.edit("late.png", "tags", EDIT)
        ledger.wrote("late.txt", "3" * 64)
    (state / "ledger.sqlite").write_bytes(before)
    with opened(state) as ledger:
        assert ledger.edits()["late.png", "tags"] == EDIT
        assert ledger.outputs()["late.txt"] == "3" * 64
        assert ledger.made("score")["a.png"].inputs == "i"


def test_the_write_ahead_log_may_end_anywhere(tmp_path: Path) -> None:
    """Whatever is left of the log of a run that died, no edit and no output is forgotten."""
    state = tmp_path / "state"
    alive = open_ledger(state)
    with alive.batch():
        alive.edit("a.png", "tags", EDIT)
    with alive.batch():
        alive.wrote("a.txt", "1" * 64)
    died = Path(shutil.copytree(state, tmp_path / "died"))
    alive.close()
    log = (died / "ledger.sqlite-wal").read_bytes()
    for end in range(0, len(log), 997):
        cut = Path(shutil.copytree(died, tmp_path / "cut"))
        (cut / "ledger.sqlite-wal").write_bytes(log[:end])
        with opened(cut) as ledger:
            assert ledger.edits() == {("a.png", "tags"): EDIT}, end
            assert ledger.outputs() == {"a.txt": "1" * 64}, end
        shutil.rmtree(cut)


def test_damage_that_shows_late_is_told_and_mended_by_running_again(state: Path) -> None:
    """A result that is not as it was stored stops the run; the ledger is set aside, not lost."""
    database = sqlite3.connect(state / "ledger.sqlite")
    database.execute("UPDATE bodies SET body = ?", (b"other",))
    database.commit()
    database.close()
    with pytest.raises(MachineError) as told, opened(state) as ledger:
        ledger.body(digest_bytes(b"v"))
    assert str(told.value) == (
        f"the ledger in `{state}` is damaged (a result is not as it was stored); it was set aside"
    )
    assert told.value.hint == "run the same command again: the ledger is rebuilt from journal.jsonl"
    with opened(state) as ledger:
        assert remembered(ledger) == KEPT
    assert (state / "ledger.damaged").exists()


def test_something_else_under_its_name_is_set_aside(state: Path) -> None:
    """A file that is no database is kept, and the ledger is rebuilt."""
    (state / "ledger.sqlite").write_bytes(b"not a database" * 1000)
    with opened(state) as ledger:
        assert remembered(ledger) == KEPT
    assert (state / "ledger.damaged").read_bytes() == b"not a database" * 1000


def test_a_folder_in_the_place_of_a_file(tmp_path: Path) -> None:
    """Case C3: a folder for the ledger is set aside; one for the journal, or a file, is named."""
    (tmp_path / "ledger.sqlite").mkdir()
    with looked_at(tmp_path) as ledger:
        assert "is damaged: the next run rebuilds it" in ledger.notes[0]
    with opened(tmp_path) as ledger:
        assert "(a folder stands in its place)" in ledger.notes[0]
    assert (tmp_path / "ledger.damaged").is_dir()

    other = tmp_path / "other"
    (other / "journal.jsonl").mkdir(parents=True)
    with pytest.raises(MachineError) as told, opened(other) as ledger, ledger.batch():
        ledger.edit("x.png", "tags", EDIT)
    assert str(told.value).endswith("journal.jsonl` cannot be written: Is a directory")
    assert told.value.hint == "a folder is in the way: move it, then run the same command again"

    (tmp_path / "file").write_text("mine", encoding="utf-8")
    with looked_at(tmp_path / "file") as ledger:
        assert ledger.samples() == {}


def test_a_newer_ledger_is_refused_and_untouched(state: Path) -> None:
    """Row 48: state of a newer version stops the command, and stays as it is to the byte."""
    database = sqlite3.connect(state / "ledger.sqlite")
    database.execute("PRAGMA user_version = 99")
    database.close()
    before = {path.name: path.read_bytes() for path in state.iterdir()}
    for use in (snapshot, open_ledger):
        with pytest.raises(DatasetError) as told:
            use(state)
        assert str(told.value) == (f"`{state}` was written by a newer prep (ledger 99, this is 1)")
        assert told.value.hint == "update with `pip install -U prep-and-train`"
    assert {path.name: path.read_bytes() for path in state.iterdir()} == before


def test_a_batch_that_fails_changes_nothing(state: Path) -> None:
    """All changes of a batch become durable together, in the journal too, or none does."""
    before = (state / "journal.jsonl").read_bytes()
    with opened(state) as ledger:
        with pytest.raises(TypeError, match="JSON"):
            _fail(ledger)
        assert remembered(ledger) == KEPT
    assert (state / "journal.jsonl").read_bytes() == before


def _fail(ledger: Ledger) -> None:
    with ledger.batch():
        ledger.edit("x.png", "tags", EDIT)
        ledger.set_fact("no JSON", object())


def test_a_ledger_that_another_program_locks_is_not_called_damaged(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the disk or of a lock is told; the ledger stays where it is."""
    connect = sqlite3.connect
    monkeypatch.setattr(sqlite3, "connect", lambda *args, **more: connect(*args, timeout=0, **more))
    other = connect(state / "ledger.sqlite")
    with opened(state) as ledger:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(MachineError) as told, ledger.batch():
            ledger.edit("x.png", "tags", EDIT)
    other.close()
    assert str(told.value) == f"the ledger in `{state}` cannot be written: database is locked"
    assert not (state / "ledger.damaged").exists()


def test_what_is_read_of_many_files_does_not_wait_for_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ledger is told of digests while files are read: no list of all of them is held."""
    monkeypatch.setattr(digest_cache, "_MOST_NEWS", 2)
    stats = {}
    for name in "abcde":
        (tmp_path / name).write_text(name)
        stats[name] = stat_of(str(tmp_path / name))
    with opened(tmp_path / ".prep") as ledger:
        digests = digest_cache.Digests(ledger, 0)
        found = digests.of_all(tmp_path, {name: stat for name, stat in stats.items() if stat})

        assert found == {name: digest_bytes(name.encode()) for name in "abcde"}
        told = [ledger.file(str(tmp_path / name)) for name in "abcde"]
        assert [row and row[1] for row in told] == [*[found[name] for name in "abcd"], None]
        assert [path for path, *_ in digests.news] == [str(tmp_path / "e")]
