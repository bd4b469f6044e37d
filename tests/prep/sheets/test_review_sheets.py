"""`prep review`: the three sheets that go out, and whose word holds when one comes back."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from prep.dataset import dataset_file
from tests.prep.projects import seen_files

Prep = Callable[..., Any]
STAGES = """\
pipelines:
  words:
    images: ./images
    stages:
      - tag: {model: tiny}
      - edit
"""
XLSX = Path("images/tags.xlsx")


@pytest.fixture
def project(draw: Callable[..., Path], prep: Prep, built_once: Any) -> Path:
    """Three pictures, one with a person's words; tagged and exported."""

    def build() -> None:
        for name in "abc":
            draw(f"images/{name}.png", size=(96, 64))
        Path("images/b.txt").write_text("=_=, mine, 1girl")
        Path("pipelines.yaml").write_text(STAGES)
        assert prep("run").code == 0
        assert prep("review", "export", "images").code == 0

    found: Path = built_once(build)
    return found


def typed(key: str, file: Path = XLSX, calculated: bool = False, **cells: object) -> None:
    """Type into some cells of a workbook's row and save it; text may be taken for a formula."""
    book = openpyxl.load_workbook(file)
    page = book.worksheets[0]
    columns = [cell.value for cell in page[1]]
    at = [row[1].value for row in page.iter_rows()].index(key) + 1
    for name, text in cells.items():
        cell = page.cell(at, columns.index(name.replace("_", " ")) + 1)
        cell.value = text
        if isinstance(text, str) and not calculated:
            cell.data_type = "s"
    book.save(file)


def seen(file: Path = XLSX) -> dict[str, dict[str, Any]]:
    """Return key -> column -> cell."""
    rows = list(openpyxl.load_workbook(file).worksheets[0].iter_rows(values_only=True))
    return {row[1]: dict(zip(rows[0], row, strict=True)) for row in rows[1:]}


def test_three_sheets_go_out_once(project: Path, prep: Prep) -> None:
    """CSV, XLSX and long form are written; a second export has nothing to do."""
    before = seen_files()

    again = prep("review", "export", "images")

    assert {"images/tags.csv", "images/tags.xlsx", "images/tags_long.csv"} <= before.keys()
    assert again.out.splitlines()[0] == "`images` is up to date: nothing to do"
    assert seen_files() == before
    page = openpyxl.load_workbook(XLSX).worksheets[0]
    assert [(picture.width, picture.height) for picture in page._images] == [(96, 64)] * 3


def test_the_workbook_shows_what_the_tagger_saw(project: Path, prep: Prep) -> None:
    """Tags stand in the column of their category, with scores; a person's own under `other`."""
    shown = seen()
    with Path("images/tags_long.csv").open(encoding="utf-8-sig", newline="") as lines:
        long = list(csv.DictReader(lines))

    assert shown["b.png"]["tags"] == "=_=, mine, 1girl"
    assert "mine" in shown["b.png"]["other tags"].split(", ")
    listed = [
        tag
        for name, cell in shown["a.png"].items()
        if name.endswith(" tags") and cell
        for tag in cell.split(", ")
    ]
    assert sorted(listed) == sorted((shown["a.png"]["tags"] or "").split(", "))
    assert "general " in shown["a.png"]["rating scores"]
    kept = [row["tag"] for row in long if row["key"] == "b.png" and row["kept"] == "yes"]
    assert kept == ["'=_=", "mine", "1girl"]


def test_a_workbook_comes_back(project: Path, prep: Prep) -> None:
    """Edited cells of tags.xlsx become a person's words in every view; drop and weight hold."""
    before = seen_files()
    typed("a.png", tags="mine, two", weight=0.5, notes="look again")
    typed("c.png", keep="drop")

    told = prep("review", "import", XLSX)

    assert told.out == "read `images/tags.xlsx` as XLSX: 4 cells changed\n"
    assert (told.code, told.err) == (0, "")
    assert Path("images/a.txt").read_text() == "mine, two\n"
    assert prep("run").code == 0
    found = dataset_file.load(Path("meta.json"))
    assert found.samples["a.png"].weight == 0.5
    assert found.left_out == {"c.png": "dropped in tags.xlsx (sheet)"}
    changed = {path for path, data in seen_files().items() if before.get(path) != data}
    assert changed == {
        "images/a.txt", "images/tags.csv", "images/tags.xlsx", "images/tags_long.csv", "meta.json",
    }  # fmt: skip
    shown = seen()
    assert (shown["a.png"]["weight"], shown["a.png"]["notes"]) == (0.5, "look again")
    assert shown["c.png"]["keep"] == "no"
    assert "tags: yours, from tags.xlsx (sheet): mine, two\n" in prep("why", "a.png").out
    assert prep("review", "import", XLSX).out.endswith(": 0 cells changed\n")


def test_words_of_any_sheet_are_rendered(project: Path, prep: Prep) -> None:
    """Tags typed into a workbook are escaped in the sidecar, as those of tags.csv are."""
    Path("pipelines.yaml").write_text(STAGES.replace("tiny", "tiny, escape: true"))
    assert prep("run").code == 0
    assert prep("review", "export", "images").code == 0
    typed("a.png", tags="saber (fate), two")

    assert prep("review", "import", XLSX).code == 0
    assert prep("run").code == 0

    assert Path("images/a.txt").read_text() == "saber \\(fate\\), two\n"


def test_a_category_is_edited_in_its_column(project: Path, prep: Prep) -> None:
    """What is typed into a category's column goes into the tags, beside its neighbours."""
    cell = seen()["b.png"]["other tags"]
    typed("b.png", other_tags=cell.replace("mine", "mine, yours"))

    told = prep("review", "import", XLSX)

    assert (told.out, told.err) == ("read `images/tags.xlsx` as XLSX: 1 cell changed\n", "")
    assert Path("images/b.txt").read_text() == "=_=, mine, yours, 1girl\n"
    assert "yours" in seen()["b.png"]["other tags"]


def test_a_number_in_a_tag_cell_is_refused(project: Path, prep: Prep) -> None:
    """Row 35: what a spreadsheet made of tags is said with its place; no other edit is taken."""
    typed("a.png", notes="a good edit")
    typed("b.png", tags=0)
    typed("c.png", calculated=True, tags="=_=")
    before = seen_files()

    told = prep("review", "import", XLSX)

    assert told.code == 1
    assert told.err == (
        "error: `tags.xlsx` row 3, column `tags`: `0` may be a number that the spreadsheet made\n"
        "hint: if not, type `''0`\n"
        "error: `tags.xlsx` row 4, column `tags`: a formula stands where text was\n"
        "hint: type it again with a `'` in front\n"
    )
    assert seen_files() == before
    assert "notes: yours" not in prep("why", "a.png").out


@pytest.mark.parametrize(("side", "word"), [("--ours", "from the sidecar"), ("--theirs", "sheet")])
def test_a_side_may_be_right(project: Path, prep: Prep, side: str, word: str) -> None:
    """Row 37: conflicts end with 4 and take nothing of their row, until one side is named."""
    typed("a.png", tags="sheet", notes="kept")
    typed("b.png", notes="fine")
    Path("images/a.txt").write_text("from the sidecar")

    asked = prep("review", "import", XLSX)
    assert asked.code == 4
    why = "the sheet says `sheet`, a.txt says `from the sidecar`"
    assert asked.out.splitlines() == [
        "read `images/tags.xlsx` as XLSX: 1 cell changed",
        f"  conflict: a.png: tags: {why}; nothing of this row was taken",
        "  add `--theirs` to take what the sheet says, `--ours` to keep these",
        *asked.out.splitlines()[3:],
    ]
    assert seen()["a.png"]["notes"] == "kept"

    decided = prep("review", "import", XLSX, side)
    assert decided.code == 0
    assert Path("images/a.txt").read_text().strip() == word
    assert (seen()["a.png"]["tags"], seen()["a.png"]["notes"]) == (word, "kept")


def test_an_import_says_why_it_ends_with_3(project: Path, prep: Prep) -> None:
    """A picture that cannot be one is named by an import too, with what is wrong with it."""
    Path("images/c.txt").write_bytes(b"caf\xe9")
    typed("a.png", notes="mine")

    told = prep("review", "import", XLSX)

    assert told.code == 3
    assert told.out.splitlines() == [
        "read `images/tags.xlsx` as XLSX: 1 cell changed",
        "  failed: c.png: `c.txt` cannot be read: it is not UTF-8 at byte 3; save it as UTF-8",
    ]


def test_both_sides_cannot_be_right(project: Path, prep: Prep) -> None:
    """Two options that contradict each other are a mistake of the command line."""
    told = prep("review", "import", XLSX, "--ours", "--theirs")

    assert (told.code, told.err) == (
        2,
        "error: `--ours` and `--theirs` contradict each other\nhint: choose one\n",
    )


@pytest.mark.parametrize("name", ["tags.csv", "tags.xlsx"])
def test_a_sheet_of_another_dataset(
    project: Path, prep: Prep, draw: Callable[..., Path], name: str
) -> None:
    """A sheet from another dataset is two lines, though its keys are the same; nothing changes."""
    for seed, key in enumerate("abc"):
        draw(f"others/{key}.png", seed=seed)
    assert prep("review", "export", "others").code == 0
    Path("mail").mkdir()
    sheet = Path("mail") / name
    sheet.write_bytes((Path("others") / name).read_bytes())
    before = seen_files()

    told = prep("review", "import", sheet, "--in", "images")

    assert told.code == 1
    assert told.err == (
        f"error: `mail/{name}` is the sheet of another dataset: "
        "none of its 3 pictures is in `images`\n"
        "hint: name the folder whose sheet it is with `--in DIR`\n"
    )
    assert seen_files() == before


def test_an_old_sheet_still_knows_what_was_edited(project: Path, prep: Prep) -> None:
    """Row 37: a sheet from before other runs, renames and imports brings exactly its edits."""
    Path("old.xlsx").write_bytes(XLSX.read_bytes())
    typed("a.png", Path("old.xlsx"), notes="old but mine")
    Path("pipelines.yaml").write_text(STAGES.replace("tiny", "tiny, threshold: 0.9"))
    Path("images/a.png").rename(Path("images/z.png"))
    Path("images/c.txt").write_text("edited since")
    assert prep("run").code == 0
    shutil.copytree("images/.prep", "copy")

    told = prep("review", "import", "old.xlsx", "--in", "images")

    assert told.out.splitlines() == [
        "read `old.xlsx` as XLSX: 1 cell changed",
        "  `a.png` is `z.png` now: it is the same picture",
    ]
    assert "notes: yours, from old.xlsx (sheet): old but mine" in prep("why", "z.png").out
    assert Path("images/c.txt").read_text() == "edited since"
    assert Path("images/b.txt").read_text() == "=_=, mine, 1girl"


def test_an_edited_workbook_is_never_overwritten(project: Path, prep: Prep) -> None:
    """A sheet with edits that were not imported yet is kept, and the command to type is named."""
    typed("a.png", notes="unsaved work")
    Path("images/a.txt").write_text("mine")
    before = XLSX.read_bytes()

    told = prep("review", "export", "images")

    assert XLSX.read_bytes() == before
    said = "take it over with `prep review import images/tags.xlsx`"
    assert f"  kept `images/tags.xlsx`: it was edited and not yet imported; {said}\n" in told.out


@pytest.mark.parametrize("lock", [".~lock.tags.xlsx#", "~$tags.xlsx"])
def test_a_sheet_that_is_open_is_told(project: Path, prep: Prep, lock: str) -> None:
    """Row 39: what a spreadsheet has open and unsaved cannot be read, and that is said."""
    (Path("images") / lock).write_text("somebody")

    told = prep("review", "import", XLSX)

    said = "is open in a spreadsheet: what was not saved there was not read"
    assert told.out.splitlines()[1:] == [f"  `images/tags.xlsx` {said}"]


def test_the_long_form_cannot_be_imported(project: Path, prep: Prep) -> None:
    """The form for pivot tables is only looked at: two lines say which sheet to edit."""
    told = prep("review", "import", "images/tags_long.csv")

    assert told.code == 1
    assert told.err == (
        "error: `tags_long.csv` is the long form, which is only looked at\n"
        "hint: edit tags.csv or tags.xlsx, and import that\n"
    )
