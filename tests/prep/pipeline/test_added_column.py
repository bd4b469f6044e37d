"""A column is added as one file: a stage that declares it has it in every sheet, both ways."""

import csv
import shutil
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from PIL import Image

from tests.prep.pipeline.test_added_stage import ROOT, python

LUMA = '''\
"""How bright each picture is."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prep.sheets.columns import Column, Kind
from prep.stage import param, stage

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    white: float = param(1.0, "what a white picture is given", gt=0)


@stage(
    version=1,
    reads=("image",),
    writes="luma",
    params=Params,
    column=Column("luma", Kind.NUMBER, width=8, least=0),
)
def luma(image: "Image.Image", params: Params) -> float:
    """Tell how bright each picture is."""
    return params.white * image.convert("L").getpixel((0, 0)) / 255
'''
GREYS = {"a.png": 51, "b.png": 102, "c.png": 204}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code, where three pictures were exported before prep/stages got one file."""
    top = tmp_path_factory.mktemp("checkout")
    for name in ("prep", "tagger_models", "tinyworld"):
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    (top / "raw").mkdir()
    for name, grey in GREYS.items():
        Image.new("RGB", (64, 64), (grey,) * 3).save(top / "raw" / name)
        (top / "raw" / name).with_suffix(".txt").write_text(f"grey, {name[0]}")
    prep(top, "review", "export", "./raw")
    for name in ("tags.csv", "tags.xlsx"):
        shutil.copy(top / "raw" / name, top / f"before_{name}")
    (top / "prep" / "stages" / "luma.py").write_text(LUMA)
    prep(top, "luma", "./raw")
    prep(top, "review", "export", "./raw")
    return top


def prep(checkout: Path, *words: str) -> str:
    """Return what a command says that ends well."""
    done = python(checkout, "-m", "prep", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def rows_of(file: Path) -> list[dict[str, str]]:
    """Return the rows of a sheet in CSV."""
    with file.open(encoding="utf-8-sig", newline="") as lines:
        return list(csv.DictReader(lines))


def save(file: Path, rows: list[dict[str, str]]) -> None:
    """Write rows as a spreadsheet saves them."""
    with file.open("w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0].keys(), delimiter=";", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def lumas(checkout: Path) -> list[str]:
    """Return the column as tags.csv shows it."""
    return [row["luma"] for row in rows_of(checkout / "raw" / "tags.csv")]


def test_every_sheet_has_the_column(checkout: Path) -> None:
    """The number stands in tags.csv, tags.xlsx and tags_long.csv, as one that can be sorted."""
    page: Any = openpyxl.load_workbook(checkout / "raw" / "tags.xlsx").worksheets[0]
    at = [cell.value for cell in page[1]].index("luma") + 1
    letter = page.cell(1, at).column_letter

    assert lumas(checkout) == ["0.2", "0.4", "0.8"]
    assert list(rows_of(checkout / "raw" / "tags.csv")[0])[-2:] == ["notes", "luma"]
    assert [(page.cell(row, at).value, page.cell(row, at).data_type) for row in (2, 3, 4)] == [
        (0.2, "n"), (0.4, "n"), (0.8, "n"),
    ]  # fmt: skip
    assert page.auto_filter.ref.endswith(f"{page.cell(1, page.max_column).column_letter}4")
    assert page.column_dimensions[letter].width == pytest.approx(8, abs=1)
    (taken,) = [one for one in page.data_validations.dataValidation if f"{letter}2" in one.sqref]
    assert (taken.type, taken.operator, taken.formula1) == ("decimal", "greaterThanOrEqual", "0")
    long = rows_of(checkout / "raw" / "tags_long.csv")
    assert list(long[0])[-2:] == ["kept", "luma"]
    assert [(row["tag"], row["luma"]) for row in long][:3] == [
        ("grey", "0.2"), ("a", "0.2"), ("grey", "0.4"),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["tags.csv", "tags.xlsx"])
def test_a_sheet_from_before_the_column_was_added(
    checkout: Path, name: str, tmp_path: Path
) -> None:
    """It imports without one false edit; what was edited in it is taken, and nothing else."""
    here = shutil.copytree(checkout, tmp_path / "here")
    untouched = prep(here, "review", "import", f"before_{name}", "--in", "./raw")
    if name == "tags.csv":
        rows = rows_of(here / f"before_{name}")
        rows[1]["notes"] = "mine"
        save(here / f"before_{name}", rows)
    else:
        book = openpyxl.load_workbook(here / f"before_{name}")
        page = book.worksheets[0]
        page.cell(3, [cell.value for cell in page[1]].index("notes") + 1).value = "mine"
        book.save(here / f"before_{name}")
    edited = prep(here, "review", "import", f"before_{name}", "--in", "./raw")

    assert untouched.splitlines()[0].endswith(": 0 cells changed")
    assert edited.splitlines()[0].endswith(": 1 cell changed")
    assert [row["notes"] for row in rows_of(here / "raw" / "tags.csv")] == ["", "mine", ""]
    assert lumas(here) == ["0.2", "0.4", "0.8"]


def test_an_edited_number_holds(checkout: Path, tmp_path: Path) -> None:
    """A number that was typed over is a person's from then on, whatever the stage says later."""
    here = shutil.copytree(checkout, tmp_path / "here")
    sheet = here / "raw" / "tags.csv"
    rows = rows_of(sheet)
    rows[0]["luma"] = "0,9"
    save(sheet, rows)

    imported = prep(here, "review", "import", "raw/tags.csv")
    prep(here, "luma", "./raw", "--white", "10")
    prep(here, "review", "export", "./raw")

    assert imported.splitlines()[0].endswith(": 1 cell changed")
    assert lumas(here) == ["0.9", "4", "8"]

    rows = rows_of(sheet)
    rows[0]["luma"] = ""
    save(sheet, rows)
    prep(here, "review", "import", "raw/tags.csv")
    assert lumas(here) == ["2", "4", "8"]


def test_what_is_no_number_is_refused(checkout: Path, tmp_path: Path) -> None:
    """Nothing is taken of a sheet where the column holds what it cannot."""
    rows = rows_of(checkout / "raw" / "tags.csv")
    rows[0]["luma"], rows[1]["luma"], rows[2]["notes"] = "bright", "-1", "mine"
    save(tmp_path / "edited.csv", rows)

    told = python(
        checkout, "-m", "prep", "review", "import", str(tmp_path / "edited.csv"), "--in", "raw"
    )

    assert told.returncode == 1
    assert told.stderr == (
        "error: `luma` of `a.png` is `bright`\nhint: write a number from 0\n"
        "error: `luma` of `b.png` is `-1`\nhint: write a number from 0\n"
    )


def test_no_file_had_to_be_touched(checkout: Path) -> None:
    """The code of the copy is that of the project, byte for byte, but for the one new file."""
    found = {path.relative_to(checkout) for path in checkout.rglob("*.py")}
    added = {path for path in found if not (ROOT / path).is_file()}

    assert added == {Path("prep/stages/luma.py")}
    assert all(
        (checkout / path).read_bytes() == (ROOT / path).read_bytes() for path in found - added
    )
