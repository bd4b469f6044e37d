"""Damage to prep's memory is damage: set aside, said in a line, made good, and nobody is robbed.

`benchmarks/damaged.py` is the long form: 200 places, after killed runs as well.
"""

import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.engine.state import database, journal, seal
from prep.engine.state.database import opened, snapshot
from prep.engine.state.file_stat import Stat
from prep.engine.state.ledger import Ledger
from prep.runtime.errors import DatasetError
from tests.prep import damaging, killing

Prep = Callable[..., Any]
PIPELINE = """\
pipelines:
  any:
    images: ./images
    stages:
      - tag: {model: tiny, threshold: 0.35}
      - edit
"""
STATE = Path("images/.prep")
LEDGER, JOURNAL = STATE / "ledger.sqlite", STATE / "journal.jsonl"
PLACES = 25


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that ran, with words of a person."""
    return damaging.new_project(tmp_path_factory.mktemp("clean") / "project", killing.TAGGED)


def test_damage_at_drawn_places(clean: Path, tmp_path: Path) -> None:
    """Case E1: ledger or journal overwritten anywhere: two runs later, the same bytes and words."""
    chance = random.Random(7)
    for _ in range(PLACES):
        folder = Path(shutil.copytree(clean, tmp_path / "damaged"))
        said = damaging.damaged(folder, chance)
        assert damaging.two_runs_later(clean, folder) == "", said
        shutil.rmtree(folder)


def test_a_memory_deleted_at_drawn_moments(clean: Path, tmp_path: Path) -> None:
    """Case E2: `.prep` deleted between or during runs: two runs later, the same bytes and words."""
    chance = random.Random(3)
    for number in range(4):
        folder = Path(shutil.copytree(clean, tmp_path / "deleted"))
        said = damaging.deleted(folder, chance, during=number % 2 == 1)
        assert damaging.two_runs_later(clean, folder) == "", said
        shutil.rmtree(folder)


@pytest.fixture
def project(home: Path, draw: Callable[..., Path], prep: Prep, built_once: Any) -> Path:
    """Three pictures that were tagged; b.txt is a person's."""

    def build() -> None:
        for name in "abc":
            draw(f"images/{name}.png")
        Path("images/b.txt").write_text("mine\n")
        Path("pipelines.yaml").write_text(PIPELINE)
        assert prep("run").code == 0
        assert prep("edit", "images", "--where", "mine", "--add", "hat").code == 0
        assert prep("run").code == 0

    found: Path = built_once(build)
    return found


def notes(told: Any) -> str:
    """Return what was said on stderr, but for the progress that a slow machine shows."""
    lines = told.err.splitlines(keepends=True)
    return "".join(line for line in lines if not line.endswith(" left\n"))


def rewritten(change: Callable[[bytearray], None], file: Path = LEDGER) -> None:
    """Change the bytes of a file."""
    data = bytearray(file.read_bytes())
    change(data)
    file.write_bytes(data)


def put(data: bytearray, at: int, value: bytes) -> None:
    data[at : at + len(value)] = value


def cell(sql: str, *values: object) -> None:
    """Change a cell behind prep's back, so that SQLite finds nothing wrong."""
    database = sqlite3.connect(LEDGER)
    database.execute(sql, values)
    database.commit()
    database.close()


def garble(data: bytearray) -> None:
    """Make a key of the ledger no UTF-8, everywhere."""
    data[:] = data.replace(b"b.png", b"\xff.png")


DAMAGE: dict[str, Callable[[], None]] = {
    "schema format 9": lambda: rewritten(lambda data: put(data, 47, b"\x09")),
    "text encoding": lambda: rewritten(lambda data: put(data, 59, b"\x07")),
    "wal version": lambda: rewritten(lambda data: put(data, 18, b"\x09\x09")),
    "user version": lambda: rewritten(lambda data: put(data, 63, b"\x09")),
    "user version, large": lambda: rewritten(lambda data: put(data, 60, b"\x17\x2a\x99\x03")),
    "header": lambda: rewritten(lambda data: put(data, 0, bytes(100))),
    "no UTF-8": lambda: rewritten(garble),
    "cut off": lambda: rewritten(lambda data: data.__delitem__(slice(5000, None))),
    "another file": lambda: LEDGER.write_bytes(b"<html>" * 999) and None,
    "an output": lambda: cell("UPDATE outputs SET digest = ?", "0" * 64),
    "an output gone": lambda: cell("DELETE FROM outputs WHERE path = 'a.txt'"),
    "an edit": lambda: cell("UPDATE edits SET value = ?", '"other words"'),
    "an edit gone": lambda: cell("DELETE FROM edits"),
    "an edit more": lambda: cell("INSERT INTO edits VALUES('a.png','tags','\"x\"','a.txt','')"),
    "an edit's file": lambda: cell("UPDATE edits SET file = ?", "0" * 64),
    "an operation": lambda: cell("DELETE FROM facts WHERE name GLOB 'operation*'"),
    "a number": lambda: cell("UPDATE facts SET value = '7' WHERE name = 'journal'"),
    "a result": lambda: cell("UPDATE results SET digest = (SELECT max(digest) FROM bodies)"),
    "a body": lambda: cell("UPDATE bodies SET body = ?", b"[]"),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_each_kind_of_damage(project: Path, prep: Prep, what: str) -> None:
    """Case E1: whatever it hit, readers say it or read on, and the next runs make it good."""
    before = {path.name: path.read_bytes() for path in Path("images").glob("*.*") if path.is_file()}
    meta = Path("meta.json").read_bytes()
    DAMAGE[what]()
    damaged = LEDGER.read_bytes()

    for words in (["status"], ["plan"], ["why", "b.png"], ["tags", "images"]):
        told = prep(*words)
        assert told.code == 0 or (told.code, notes(told).count("\n")) == (1, 2), (words, told)
        assert LEDGER.read_bytes() == damaged
    first = prep("run")
    second = prep("run")

    assert first.code == 0 or (notes(first).startswith("error: the ledger in"), first.code) == (
        True,
        1,
    )
    assert second.code == 0
    found = {path.name: path.read_bytes() for path in Path("images").glob("*.*") if path.is_file()}
    assert (found, Path("meta.json").read_bytes()) == (before, meta)
    ledger = snapshot(STATE)
    assert {at: edit.value for at, edit in ledger.edits().items()} == {
        ("b.png", "tags"): "mine, hat\n"
    }
    ledger.close()
    assert prep("undo").code == 0
    assert Path("images/b.txt").read_text() == "mine\n"


def test_what_is_said_of_a_damaged_ledger(project: Path, prep: Prep) -> None:
    """Case E1: it is kept under a plain name, one more where there is one, and said in one line."""
    for number, name in enumerate(("ledger.damaged", "ledger.damaged-2"), 1):
        rewritten(garble)
        kept = LEDGER.read_bytes()

        looked, told = prep("status"), prep("run")

        assert (
            notes(looked) == "the ledger in `images/.prep` is damaged: the next run rebuilds it\n"
        )
        assert told.code == 0
        assert notes(told).count("\n") == 1
        assert notes(told).startswith("the ledger in `images/.prep` was damaged (")
        assert notes(told).endswith(f"); it was set aside as `{name}` and rebuilt\n")
        assert (STATE / name).read_bytes() == kept
        assert len(list(STATE.glob("ledger.damaged*"))) == number
        assert notes(prep("run")) == ""


def test_an_emptied_ledger(project: Path, prep: Prep) -> None:
    """Case E1: of a ledger without a byte nothing is kept; that it was gone is said."""
    LEDGER.write_bytes(b"")

    told = prep("run")

    assert (told.code, notes(told)) == (
        0,
        "the ledger in `images/.prep` was gone; it was rebuilt\n",
    )


def test_a_damaged_journal(project: Path, prep: Prep) -> None:
    """Case E1: a damaged line is set aside with its journal, which is written anew; all is kept."""
    whole = JOURNAL.read_bytes()
    for damaged in (whole.replace(b"hat", b"cat"), whole[: len(whole) // 2], None):
        JOURNAL.unlink()
        if damaged is not None:
            JOURNAL.write_bytes(damaged)
        told = prep("run")
        word = "gone" if damaged is None else "damaged; it was set aside as `journal.damaged"
        assert told.code == 0
        assert notes(told).startswith(f"the journal in `images/.prep` was {word}")
        assert notes(told).endswith("; it was written anew\n")
        assert notes(told).count("\n") == 1
        assert notes(prep("run")) == ""
        assert journal.damaged(JOURNAL) == 0
    LEDGER.unlink()
    assert prep("run").code == 0
    assert "  tags: yours, from b.txt: mine, hat\n" in prep("why", "b.png").out


def test_both_are_damaged(project: Path, prep: Prep) -> None:
    """Case E1: what is sound of the journal holds; nothing of the machine's becomes a person's."""
    rewritten(garble)
    lines = JOURNAL.read_bytes().splitlines(keepends=True)
    lines[1] = b"\x00" * len(lines[1])
    JOURNAL.write_bytes(b"".join(lines))

    assert prep("run").code == 0

    assert (STATE / "journal.damaged").read_bytes() == b"".join(lines)
    ledger = snapshot(STATE)
    assert list(ledger.edits()) == [("b.png", "tags")]
    ledger.close()


def test_a_torn_log_of_a_run_that_died(project: Path, prep: Prep, tmp_path: Path) -> None:
    """Case E1: whatever is in the files that SQLite keeps beside a ledger, runs end the same."""
    meta = Path("meta.json").read_bytes()
    with opened(STATE) as ledger:
        with ledger.batch():
            ledger.wrote("a.txt", ledger.outputs()["a.txt"])
            ledger.know_files([("/x", Stat(1, 2, 3, 4), "0" * 64, False)])
        died = Path(shutil.copytree(STATE, tmp_path / "died"))
    chance = random.Random(1)
    for name in ("ledger.sqlite-wal", "ledger.sqlite-shm", "ledger.sqlite-wal"):
        shutil.rmtree(STATE)
        shutil.copytree(died, STATE)
        data = bytearray((STATE / name).read_bytes())
        at = chance.randrange(len(data))
        put(data, at, chance.randbytes(64))
        (STATE / name).write_bytes(data)

        assert (prep("run").code, prep("run").code) == (0, 0)

        assert Path("meta.json").read_bytes() == meta
        assert "tags: yours" not in prep("why", "a.png").out


def test_a_newer_version_is_no_damage(project: Path) -> None:
    """Case E1: a version that SQLite wrote is a newer prep's, sealed or not: nothing is touched."""
    for sealed in (True, False):
        cell("PRAGMA user_version = 9")
        if not sealed:
            (STATE / "ledger.seal").unlink()
        before = {path.name: path.read_bytes() for path in STATE.iterdir() if path.is_file()}
        with pytest.raises(DatasetError, match="newer prep"), opened(STATE):
            pass
        assert before == {p.name: p.read_bytes() for p in STATE.iterdir() if p.is_file()}


def test_a_memory_that_vanishes_during_a_run(project: Path, prep: Prep) -> None:
    """Case E2: a run whose memory is deleted ends in two lines; the next one goes on."""
    record = Ledger.record

    def deleting(self: Ledger, stage: str, rows: Any, *, again: bool = True) -> None:
        shutil.rmtree(STATE, ignore_errors=True)
        record(self, stage, rows, again=again)

    Path("pipelines.yaml").write_text(PIPELINE.replace("0.35", "0.6"))
    with pytest.MonkeyPatch.context() as bad_day:
        bad_day.setattr(Ledger, "record", deleting)
        told = prep("run")

    assert told.code == 1
    assert notes(told) == (
        "error: `images/.prep` was deleted or replaced during the run\n"
        "hint: run the same command again\n"
    )
    assert prep("run").code == 0
    assert "tags: yours" not in prep("why", "a.png").out


def test_a_run_with_nothing_to_do_reads_no_ledger_to_examine_it(
    project: Path, prep: Prep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case E1: what is as it was sealed is known by its stats: neither hashed nor examined."""
    for _ in range(2):  # what was written a moment ago is read once more
        time.sleep(2.1)
        prep("run")
    looked: list[object] = []
    monkeypatch.setattr(seal, "digest", lambda path: looked.append(path))
    monkeypatch.setattr(database, "examine", lambda *args: looked.append(args))

    assert (prep("run").code, prep("status").code, looked) == (0, 0, [])


def test_damage_that_the_seal_does_not_tell(project: Path, prep: Prep) -> None:
    """Case E1: damage that comes to light in the middle of a command ends it in two lines."""
    cell("UPDATE bodies SET body = ?", b"[]")
    seal.put(STATE)

    looked, stopped = prep("why", "a.png"), prep("review", "export", "images")
    again = prep("run")

    assert notes(looked) == (
        f"error: the ledger in `{STATE}` is damaged (a result is not as it was stored)\n"
        "hint: run `prep run`, or the stage that you need: it is set aside and rebuilt\n"
    )
    assert notes(stopped) == (
        f"error: the ledger in `{STATE}` is damaged (a result is not as it was stored); "
        "it was set aside\n"
        "hint: run the same command again: the ledger is rebuilt from journal.jsonl\n"
    )
    assert (looked.code, stopped.code, again.code) == (1, 1, 0)
    assert (STATE / "ledger.damaged").exists()


def test_a_damaged_body_of_a_ledger_that_is_told_by_its_seal(project: Path, prep: Prep) -> None:
    """Case E1: other scores under the same digest are found out, and the pictures scored again."""
    before = Path("meta.json").read_bytes()
    cell("UPDATE bodies SET body = substr(body, 1, length(body) - 1) || x'00'")
    Path("pipelines.yaml").write_text(PIPELINE.replace("0.35", "0.9"))
    prep("run")
    Path("pipelines.yaml").write_text(PIPELINE)

    prep("run")

    assert prep("run").code == 0
    assert Path("meta.json").read_bytes() == before
