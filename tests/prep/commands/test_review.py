"""The sheet goes out, is edited in a spreadsheet, and comes back; nothing else changes."""

import csv
import io
import json
import shutil
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from prep.commands import review_import
from prep.dataset import dataset_file
from prep.sheets import csv_text
from prep.sheets.columns import WORDS
from tests.prep.projects import seen_files
from tests.prep.sheet_rows import COLUMNS, row_of, texts_of

STAGES = """\
pipelines:
  words:
    images: ./images
    stages:
      - tag: {model: tiny, threshold: 0.35}
      - duplicates
      - edit: {rules: ./tags.rules}
"""
SHEET = Path("images/tags.csv")
AGAIN = "undo that, or move the sheet away and run `prep review export`"
IMPORT = "take it over with `prep review import images/tags.csv`"


@pytest.fixture
def project(draw: Callable[..., Path], prep: Callable[..., Any], built_once: Any) -> Path:
    """Four pictures, the last a copy of the third; the pipeline ran once."""

    def build() -> None:
        drawn = [draw(f"images/{name}.png") for name in "abc"]
        Path("images/d.png").write_bytes(drawn[-1].read_bytes())
        Path("pipelines.yaml").write_text(STAGES)
        Path("tags.rules").write_text("- rename: {mine: ours}\n")
        assert prep("run").code == 0

    found: Path = built_once(build)
    return found


def rows_of(path: Path = SHEET) -> list[dict[str, str]]:
    """Return a sheet's rows as a spreadsheet shows them."""
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8-sig"))))


def save(rows: Sequence[dict[str, str]], path: Path = SHEET) -> None:
    """Write rows as a spreadsheet saves them: no BOM, semicolons, LF."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, delimiter=";", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(out.getvalue(), encoding="utf-8-sig")


def change(key: str, path: Path = SHEET, **cells: str) -> None:
    """Type into some cells of a row and save."""
    save([row | cells if row["key"] == key else row for row in rows_of_any(path)], path)


def rows_of_any(path: Path) -> list[dict[str, str]]:
    """Return a sheet's rows, whatever separates its cells."""
    return [dict(zip(COLUMNS, astuple, strict=True)) for astuple in _tuples(path)]


def _tuples(path: Path) -> list[tuple[str, ...]]:
    found = csv_text.parse(io.BytesIO(path.read_bytes()), path.name, WORDS)
    return [texts_of(row) for row in found.rows()]


def samples() -> dict[str, dataset_file.Sample]:
    """Return what meta.json holds."""
    return dict(dataset_file.load(Path("meta.json")).samples)


def test_an_edited_sheet_comes_back(project: Path, prep: Callable[..., Any]) -> None:
    """Edited cells count as a person's: sidecar, sheet and dataset file say them, no others do."""
    before = seen_files()
    change("a.png", tags="mine,two", caption="a drawing", concept="hero", weight="0,5", notes="!")

    imported, run = prep("review", "import"), prep("run")

    assert imported.out == (
        "read `images/tags.csv` as UTF-8, separated by semicolons: 5 cells changed\n"
    )
    assert (imported.code, run.code) == (0, 0)
    found = samples()["a.png"]
    assert (found.tags, found.caption) == (("ours", "two"), "a drawing")
    assert (found.concept, found.weight) == ("hero", 0.5)
    assert Path("images/a.txt").read_text() == "mine, two\n"
    assert Path("images/a.caption").read_text() == "a drawing\n"
    changed = {path for path, data in seen_files().items() if before.get(path) != data}
    assert changed == {"images/a.txt", "images/a.caption", "images/tags.csv", "meta.json"}
    row = rows_of()[0]
    assert (row["tags"], row["weight"], row["notes"]) == ("mine, two", "0.5", "!")


def test_importing_again_changes_nothing(project: Path, prep: Callable[..., Any]) -> None:
    """A sheet that was taken over and a sheet that was only saved hold no edits."""
    change("a.png", tags="mine", keep="no")
    prep("review", "import")
    prep("run")
    before = seen_files()

    twice = prep("review", "import")
    save(rows_of())
    saved = prep("review", "import")

    assert twice.out.endswith("separated by commas: 0 cells changed\n")
    assert saved.out.endswith("separated by semicolons: 0 cells changed\n")
    assert seen_files() == before
    assert "up to date" in prep("run").out


def test_sorted_and_missing_rows(project: Path, prep: Callable[..., Any]) -> None:
    """Row 36: rows may stand in any order, and a row that is not there says nothing."""
    change("a.png", tags="mine")
    save(list(reversed([row for row in rows_of_any(SHEET) if row["key"] != "b.png"])))

    assert prep("review", "import").out.endswith(": 1 cell changed\n")

    assert [row["key"] for row in rows_of()] == ["a.png", "b.png", "c.png", "d.png"]
    assert prep("run").code == 0
    assert samples()["a.png"].tags == ("ours",)
    assert samples()["b.png"].tags


def test_emptied_cells(project: Path, prep: Callable[..., Any]) -> None:
    """No tags and no caption are answers; an emptied decision is no decision any more."""
    change("a.png", weight="3", concept="hero", notes="x")
    prep("review", "import")
    change("a.png", tags="", weight="", concept="", notes="")

    prep("review", "import")
    prep("run")

    found = samples()["a.png"]
    assert (found.tags, found.weight, found.concept) == ((), 1.0, "")
    assert Path("images/a.txt").read_text() == "\n"
    assert rows_of()[0]["notes"] == ""


def test_keep_no_drops_and_keep_yes_brings_back(project: Path, prep: Callable[..., Any]) -> None:
    """Row 18: a proposed duplicate stays until a person says no; yes brings it back."""
    assert rows_of()[3]["keep"] == "duplicate of c.png (same file)"
    assert "d.png" in samples()

    change("d.png", keep="No")
    prep("review", "import")
    dropped = prep("run")
    assert dropped.code == 0
    assert "  left out: d.png: dropped in tags.csv\n" in dropped.out
    assert dropped.out.endswith("4 pictures: 3 good, 1 left out, 0 failed\n")
    assert dataset_file.load(Path("meta.json")).left_out == {"d.png": "dropped in tags.csv"}
    assert rows_of()[3]["keep"] == "no"

    change("d.png", keep="yes")
    prep("review", "import")
    assert prep("run").code == 0
    assert "d.png" in samples()
    assert rows_of()[3]["keep"] == "yes"

    change("d.png", keep="duplicate of c.png")  # as an earlier version wrote it
    prep("review", "import")
    prep("run")
    assert rows_of()[3]["keep"] == "duplicate of c.png (same file)"


def test_the_rating_is_the_machines_until_a_person_says_another(
    project: Path, prep: Callable[..., Any]
) -> None:
    """The column shows the most probable rating; an emptied cell returns to it."""
    machine = rows_of()[0]["rating"]
    assert machine in ("general", "sensitive", "questionable", "explicit")

    change("a.png", rating="mine")
    prep("review", "import")
    assert rows_of()[0]["rating"] == "mine"

    change("a.png", rating="")
    prep("review", "import")
    assert rows_of()[0]["rating"] == machine


def test_an_edited_sheet_is_not_overwritten(project: Path, prep: Callable[..., Any]) -> None:
    """A sheet that waits for its import stays as it is; the run goes on and names the command."""
    change("a.png", notes="unsaved work")
    waiting = SHEET.read_bytes()
    Path("pipelines.yaml").write_text(STAGES.replace("0.35", "0.9"))

    first, second = prep("run"), prep("run")

    for told in (first, second):
        assert told.code == 0
        assert f"kept `images/tags.csv`: it was edited and not yet imported; {IMPORT}" in told.out
    assert SHEET.read_bytes() == waiting
    assert "  tags_csv      skip\n" in prep("plan", "-v").out
    assert "meta.json" in first.out
    assert "tags_csv" not in first.out.splitlines()[0]

    prep("review", "import")
    assert rows_of()[0]["notes"] == "unsaved work"


def test_a_sheet_of_another_program_is_left_alone(project: Path, prep: Callable[..., Any]) -> None:
    """A tags.csv that was there before prep is not prep's to write; the run says so."""
    shutil.rmtree("images/.prep")
    Path("meta.json").unlink()
    SHEET.write_text("file,tags\n")

    told = prep("run")

    assert told.code == 0
    said = "prep did not write it; move it away and run again for a sheet"
    assert f"  kept `images/tags.csv`: {said}\n" in told.out
    assert SHEET.read_text() == "file,tags\n"


def test_two_edits_of_one_value_conflict(project: Path, prep: Callable[..., Any]) -> None:
    """Row 37: a sidecar and a cell that both changed are listed; nothing of the row is taken."""
    change("a.png", tags="from the sheet", notes="lost?")
    change("b.png", notes="fine")
    Path("images/a.txt").write_text("from the sidecar")
    waiting = SHEET.read_bytes()

    told = prep("review", "import")

    assert told.code == 4
    first, second = told.out.splitlines()[:2]
    assert first == "read `images/tags.csv` as UTF-8, separated by semicolons: 1 cell changed"
    says = "the sheet says `from the sheet`, a.txt says `from the sidecar`"
    assert second == f"  conflict: a.png: tags: {says}; nothing of this row was taken"
    assert SHEET.read_bytes() == waiting
    assert Path("images/a.txt").read_text() == "from the sidecar"
    assert prep("run").code == 0
    assert samples()["a.png"].tags == ("from the sidecar",)


@pytest.mark.parametrize("settled_by", ["the sheet", "the sidecar"])
def test_a_conflict_ends_where_one_side_gives_way(
    project: Path, prep: Callable[..., Any], settled_by: str
) -> None:
    """Once both sides say the same, the import takes the whole row."""
    change("a.png", tags="from the sheet", notes="kept")
    Path("images/a.txt").write_text("from the sidecar")
    assert prep("review", "import").code == 4
    if settled_by == "the sheet":
        change("a.png", tags="from the sidecar")
    else:
        Path("images/a.txt").write_text("from the sheet")

    assert prep("review", "import").code == 0

    wanted = f"from {'the sidecar' if settled_by == 'the sheet' else 'the sheet'}"
    row = rows_of()[0]
    assert (row["tags"], row["notes"]) == (wanted, "kept")
    assert Path("images/a.txt").read_text().strip() == wanted


def test_a_sidecar_edited_after_the_import_is_newer(
    project: Path, prep: Callable[..., Any]
) -> None:
    """What was imported is settled: a later edit of the sidecar, or of the sheet, replaces it."""
    change("a.png", tags="one,  two")
    prep("review", "import")
    Path("images/a.txt").write_text("three")
    assert prep("run").code == 0
    assert rows_of()[0]["tags"] == "three"

    change("a.png", tags="four")
    assert prep("review", "import").code == 0
    assert Path("images/a.txt").read_text() == "four\n"


def test_two_sheets(project: Path, prep: Callable[..., Any]) -> None:
    """Two people edit copies of one sheet: different cells come together, equal ones conflict."""
    for name in ("one.csv", "two.csv"):
        Path(name).write_bytes(SHEET.read_bytes())
    change("a.png", Path("one.csv"), notes="one")
    change("b.png", Path("two.csv"), notes="two")
    assert prep("review", "import", "one.csv").code == 0
    assert prep("review", "import", "two.csv").code == 0
    assert [row["notes"] for row in rows_of()] == ["one", "two", "", ""]

    change("a.png", Path("two.csv"), notes="no, two")
    told = prep("review", "import", "two.csv")
    assert told.code == 4
    says = "the sheet says `no, two`, a sheet imported before says `one`"
    assert f"  conflict: a.png: notes: {says}; nothing of this row was taken\n" in told.out
    assert rows_of()[0]["notes"] == "one"


def test_an_import_as_json_says_what_it_says_and_no_more(
    project: Path, prep: Callable[..., Any]
) -> None:
    """One line of JSON with the counts, where there is nothing else to tell."""
    change("a.png", notes="mine")

    told = prep("review", "import", "--json").out.splitlines()

    assert [json.loads(line) for line in told] == [
        {
            "say": "read `images/tags.csv` as UTF-8, separated by semicolons: 1 cell changed",
            "cells": 1,
            "same": 0,
            "elsewhere": 0,
            "conflicts": 0,
        }
    ]


def test_an_older_sheet_brings_no_old_values_back(project: Path, prep: Callable[..., Any]) -> None:
    """Row 37: the machine's old tags in a sheet that was exported earlier are nobody's edit."""
    Path("old.csv").write_bytes(SHEET.read_bytes())
    old = rows_of()[0]["tags"]
    Path("pipelines.yaml").write_text(STAGES.replace("0.35", "0.9"))
    prep("run")
    assert rows_of()[0]["tags"] != old
    before = seen_files()

    assert prep("review", "import", "old.csv").out.endswith(": 0 cells changed\n")

    assert seen_files() == before


def test_a_sheet_elsewhere_names_its_folder(project: Path, prep: Callable[..., Any]) -> None:
    """A sheet may lie anywhere: `--in`, or the only pipeline, says whose it is."""
    outside = project.parent / "mail"
    outside.mkdir()
    (outside / "edited.csv").write_bytes(SHEET.read_bytes())
    change("a.png", outside / "edited.csv", notes="by mail")
    SHEET.unlink()

    told = prep("review", "import", outside / "edited.csv")

    assert told.code == 0
    assert rows_of()[0]["notes"] == "by mail"
    assert sorted(path.name for path in outside.iterdir()) == ["edited.csv"]
    change("a.png", outside / "edited.csv", notes="again")
    assert prep("review", "import", outside / "edited.csv", "--in", "images").code == 4


def test_a_sheet_elsewhere_and_a_state_elsewhere(
    home: Path, draw: Callable[..., Path], prep: Callable[..., Any]
) -> None:
    """With `--state`, the sheet lies there; one from anywhere is that of the only pipeline."""
    draw("images/sub/a.png")
    Path("pipelines.yaml").write_text(STAGES)
    Path("tags.rules").write_text("[]\n")
    assert prep("review", "export", "images", "--state", "state").code == 0
    published = Path("state/views/tags.csv")
    Path("mail").mkdir()
    mailed = published.rename("mail/tags.csv")
    change("sub/a.png", mailed, notes="by mail")

    told = prep("review", "import", mailed, "--state", "state")

    assert (told.err, told.code) == ("", 0)
    assert rows_of(published)[0]["notes"] == "by mail"
    Path("pipelines.yaml").unlink()
    change("sub/a.png", published, notes="here")
    assert prep("review", "import", published, "--state", "state", "--in", "images").code == 0
    assert not SHEET.exists()


def test_an_edit_of_a_gone_picture_is_told(project: Path, prep: Callable[..., Any]) -> None:
    """Words for a picture that has left are not lost in silence; for a renamed one they follow."""
    change("a.png", notes="for a")
    change("b.png", notes="for b")
    Path("images/a.png").unlink()
    Path("images/b.png").rename("images/z.png")

    told = prep("review", "import")

    assert told.code == 4
    assert "a.png: notes: the sheet says `for a`, but the picture is gone" in told.out
    assert told.out.splitlines()[2] == "  add `--ours` to let these words go"
    assert "  notes: yours, from tags.csv: for b\n" in prep("why", "z.png").out


def test_escapes_stay_as_they_were(project: Path, prep: Callable[..., Any]) -> None:
    """An import writes sidecars with the params they had, for a person's tags as well."""
    Path("pipelines.yaml").write_text(STAGES.replace("0.35", "0.35, escape: true"))
    prep("run")
    change("a.png", tags="hat (red)")
    before = Path("images/b.txt").stat().st_mtime_ns

    prep("review", "import")

    assert Path("images/a.txt").read_text() == "hat \\(red\\)\n"
    assert Path("images/b.txt").stat().st_mtime_ns == before
    assert rows_of()[0]["tags"] == "hat (red)"
    Path("images/a.txt").write_text("hat \\(blue\\)")
    assert prep("run").code == 0
    assert rows_of()[0]["tags"] == "hat (blue)"


def _unbalanced(data: bytes) -> bytes:
    return data.replace(b"b.png,", b'b.png,"', 1)


def _cut(column: str, cell: str) -> Callable[[bytes], bytes]:
    def damaged(data: bytes) -> bytes:
        SHEET.write_bytes(data)
        change("b.png", SHEET, **{column: cell})
        return SHEET.read_bytes()

    return damaged


DAMAGE: list[tuple[str, Callable[[bytes], bytes], str, str]] = [
    (
        "34",
        _unbalanced,
        "`tags.csv` is not CSV in the row that begins in line 3",
        "look for a quote without its partner; nothing was imported",
    ),
    (
        "36",
        lambda data: data.replace(b",notes", b",remarks", 1),
        "`tags.csv` has no column `notes`",
        AGAIN,
    ),
    (
        "36",
        lambda data: data + data.splitlines(keepends=True)[1].replace(b"v", b"w", 1),
        "`tags.csv` has 2 rows for `a.png`",
        "keep one of them",
    ),
    (
        "35",
        lambda data: data.replace(b"b.png,v", b"1E+10,0", 1),
        "`tags.csv` row 3 has no whole `revision`",
        AGAIN,
    ),
    (
        "33",
        lambda data: data.decode("utf-8-sig").replace("b.png,", "b.png,\u65e5", 1).encode("cp932"),
        "`tags.csv` is not UTF-8, and its code page is not certain",
        'save it as "CSV UTF-8"',
    ),
    (
        "38",
        _cut("notes", "x" * 1_100_000),
        "`tags.csv` is not CSV in the row that begins in line 3",
        "look for a quote without its partner; nothing was imported",
    ),
    (
        "32",
        _cut("notes", "#NAME?"),
        "`tags.csv` row 3, column `notes`: the spreadsheet made `#NAME?` of the text",
        "type it again with a `'` in front",
    ),
    ("", _cut("weight", "inf"), "`weight` of `b.png` is `inf`", "write a number from 0 to 1000"),
    (
        "",
        _cut("weight", "1e9"),
        "`weight` of `b.png` is `1000000000`",
        "write a number from 0 to 1000",
    ),
    ("", _cut("keep", "maybe"), "`keep` of `b.png` is `maybe`", "write yes or no"),
]


@pytest.mark.parametrize("row", DAMAGE, ids=lambda row: f"{row[0]} {row[2]}")
def test_a_damaged_sheet_is_refused_whole(
    project: Path,
    prep: Callable[..., Any],
    row: tuple[str, Callable[[bytes], bytes], str, str],
) -> None:
    """Rows 32 to 38: what a spreadsheet destroyed is said in two lines, and nothing is taken."""
    _, damaged, error, hint = row
    change("a.png", notes="a good edit")
    save(rows_of_any(SHEET))
    rows = csv_text.parse(io.BytesIO(SHEET.read_bytes()), "tags.csv", WORDS).rows()
    SHEET.write_bytes(damaged(csv_text.dump(rows, WORDS)))
    before = seen_files()

    told = prep("review", "import")

    assert told.code == 1
    assert told.err.splitlines()[0].startswith(f"error: {error}")
    assert told.err.splitlines()[1] == f"hint: {hint}"
    assert seen_files() == before
    assert "notes: yours" not in prep("why", "a.png").out


def test_a_formula_survives_the_round_trip(project: Path, prep: Callable[..., Any]) -> None:
    """Row 32: a tag that looks like a formula is disarmed in the sheet and itself elsewhere."""
    Path("images/a.txt").write_text("=1+2, -_-")
    prep("run")
    assert rows_of()[0]["tags"] == "'=1+2, -_-"

    assert prep("review", "import").out.endswith(": 0 cells changed\n")
    change("a.png", notes="x")
    assert prep("review", "import").out.endswith(": 1 cell changed\n")
    assert Path("images/a.txt").read_text() == "=1+2, -_-"


def test_a_sheet_without_an_export(home: Path, draw: Any, prep: Callable[..., Any]) -> None:
    """A sheet that no prep exported says nothing of what was edited, so nothing is taken."""
    draw("new/a.png")
    Path("new/tags.csv").write_bytes(csv_text.dump([row_of("a.png", tags="mine")], WORDS))

    told = prep("review", "import", "new/tags.csv", "--in", "new")

    assert told.err == (f"error: `tags.csv` row 2 has no whole `revision`\nhint: {AGAIN}\n")
    assert told.code == 1
    assert not Path("new/a.txt").exists()


def test_a_workbook_that_was_edited_is_named_by_every_run(
    project: Path, prep: Callable[..., Any]
) -> None:
    """Case A7: a sheet that the pipeline does not write is named too, until it is imported."""
    prep("review", "export", "images")
    book = openpyxl.load_workbook("images/tags.xlsx")
    page = book.active
    columns = {cell.value: cell.column for cell in page[1]}
    page.cell(2, columns["notes"]).value = "mine"
    book.save("images/tags.xlsx")
    long = Path("images/tags_long.csv")
    long.write_text(long.read_text() + "x\n")
    told = (
        "  kept `images/tags.xlsx`: it was edited and not yet imported; "
        "take it over with `prep review import images/tags.xlsx`\n"
    )
    looked_at = (
        "  kept `images/tags_long.csv`: it was edited and cannot be imported: "
        "`tags_long.csv` is the long form, which is only looked at\n"
    )

    for _ in range(2):
        run = prep("run")
        assert run.code == 0
        assert told in run.out
        assert looked_at in run.out
    imported = prep("review", "import", "images/tags.xlsx")
    after = prep("run").out

    assert "1 cell changed" in imported.out
    assert "tags.xlsx" not in after
    assert rows_of()[0]["notes"] == "mine"


def test_a_killed_import_writes_every_sheet_that_was_exported(
    project: Path, prep: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the cells were taken, and the ledger not sealed: all sheets are written anew."""
    prep("review", "export", "images")
    first = Path("images/tags.xlsx").read_bytes()
    book = openpyxl.load_workbook("images/tags.xlsx")
    page = book.active
    columns = {cell.value: cell.column for cell in page[1]}
    page.cell(2, columns["notes"]).value = "mine"
    book.save("images/tags.xlsx")
    theirs = Path("images/tags.xlsx").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr(review_import, "carry_out", lambda *_: signal.raise_signal(signal.SIGINT))
        prep("review", "import", "images/tags.xlsx")
    Path("images/.prep/ledger.seal").unlink()

    again = prep("review", "import", "images/tags.xlsx")

    assert "0 cells changed" in again.out
    assert Path("images/tags.xlsx").read_bytes() not in (first, theirs)
    assert rows_of()[0]["notes"] == "mine"
