"""The sheet through the real LibreOffice Calc: open, sort, edit one cell, save, import."""

import io
import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prep.sheets import csv_text, reading, workbook
from prep.sheets.cells import guarded
from prep.sheets.columns import columns_of
from prep.sheets.comparison import Now, changes_of
from prep.sheets.row import exported, revised
from prep.stages import all_stages
from tests.prep.sheet_rows import row_of
from tests.prep.sheets.test_cells import DATA, names

COLUMNS = columns_of(all_stages().values())
PYTHON = "/usr/bin/python3"
SCRIPT = Path(__file__).with_name("calc.py")
PLAIN = re.compile(r"[a-z][\w()'.:!?/-]*", re.ASCII)
TAGS = {
    "a.png": "=_=, 1girl, @_@",
    "b.png": "+_+, hat (red), a \\, comma",
    "c.png": "1-2",
    "d.png": "39",
    "e.png": "=1+2, -_-, ^_^",
    "f.png": "@_@",
    "g.png": "\u732b, \u65e5\u672c\u8a9e",
}
CAPTIONS = {
    "a.png": "2024-01-02",
    "b.png": 'she says "no", twice',
    "c.png": "it's 'quoted'",
    "d.png": "'tis a cat",
    "e.png": "3/4",
    "g.png": "-1",
}

Calc = Callable[..., None]


@pytest.fixture(scope="module")
def calc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Calc]:
    """Give orders to a LibreOffice that runs for all tests of this file."""
    office = shutil.which("soffice")
    if office is None:
        pytest.skip("LibreOffice is not installed (Debian: libreoffice-calc-nogui python3-uno)")
    found = subprocess.run([PYTHON, "-c", "import uno"], capture_output=True, check=False)
    if found.returncode:
        pytest.skip("LibreOffice's Python bindings are not installed (Debian: python3-uno)")
    home, pipe = tmp_path_factory.mktemp("office"), uuid.uuid4().hex
    started = subprocess.Popen(
        [
            office, "--headless", "--norestore", "--nologo", "--nolockcheck",
            f"-env:UserInstallation={(home / 'profile').as_uri()}",
            f"--accept=pipe,name={pipe};urp;",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    driver = subprocess.Popen(
        [PYTHON, str(SCRIPT), pipe], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )

    def ordered(source: Path, target: Path, by: str = "", *typed: str) -> None:
        words = [str(source.absolute()), str(target.absolute()), by, *(typed or ("", "", ""))]
        assert driver.stdin is not None
        assert driver.stdout is not None
        driver.stdin.write(json.dumps(words) + "\n")
        driver.stdin.flush()
        assert driver.stdout.readline() == "done\n"

    try:
        yield ordered
        driver.communicate(timeout=60)
        started.wait(timeout=60)
    finally:
        driver.kill()
        started.kill()
        driver.communicate()
        started.wait()


@pytest.fixture
def project(home: Path, draw: Callable[..., Path], prep: Callable[..., Any]) -> Path:
    """Pictures whose words a spreadsheet would like to calculate with, exported."""
    for seed, (key, tags) in enumerate(TAGS.items()):
        picture = draw(f"images/{key}", seed=seed)
        picture.with_suffix(".txt").write_text(tags, encoding="utf-8")
        if key in CAPTIONS:
            picture.with_suffix(".caption").write_text(CAPTIONS[key], encoding="utf-8")
    assert prep("review", "export", "images").code == 0
    return home


def words() -> dict[str, str]:
    """Return what the sidecars say."""
    return {
        path.name: path.read_text(encoding="utf-8").strip()
        for path in sorted(Path("images").iterdir())
        if path.suffix in (".txt", ".caption")
    }


@pytest.mark.parametrize("saved", ["csv", "xlsx"])
@pytest.mark.parametrize("source", ["tags.csv", "tags.xlsx"])
def test_one_edit_is_one_change(
    project: Path, prep: Callable[..., Any], calc: Calc, source: str, saved: str
) -> None:
    """Opened, sorted, one cell edited, saved: the import finds that one cell and no other."""
    before = words()
    sheet = Path(f"edited.{saved}")
    calc(Path("images") / source, sheet, "tags", "f.png", "caption", "a dizzy girl")
    order = [
        row.key for row in reading.parse(io.BytesIO(sheet.read_bytes()), sheet.name, COLUMNS).rows()
    ]
    assert order != sorted(order)

    told = prep("review", "import", sheet, "--in", "images")

    assert told.out.splitlines()[0].endswith(": 1 cell changed")
    assert (told.code, told.err) == (0, "")
    assert words() == before | {"f.caption": "a dizzy girl"}


@pytest.mark.parametrize("saved", ["csv", "xlsx"])
@pytest.mark.parametrize("source", ["csv", "xlsx"])
def test_the_vocabularies_survive(tmp_path: Path, calc: Calc, source: str, saved: str) -> None:
    """Row 32: no name that a spreadsheet might act on changes there, nor does a plain one."""
    if not DATA.is_dir():
        pytest.skip("../shared/data is absent")
    every = sorted({name for name in names() if name})
    risky = [name for name in every if guarded(name) != name or not PLAIN.fullmatch(name)]
    found = [*risky, *every[::100]]
    samples = {f"{n}.png": {"digest": f"{n:064x}", "tags": [name]} for n, name in enumerate(found)}
    cells = ("keep", "rating", "caption", "concept", "weight", "notes", "duplicate_of")
    samples = {key: sample | dict.fromkeys(cells) for key, sample in samples.items()}
    file = tmp_path / f"tags.{source}"
    rows = exported(samples, COLUMNS)
    file.write_bytes(
        csv_text.dump(rows, COLUMNS)
        if source == "csv"
        else workbook.dump(workbook.shown(samples, COLUMNS), COLUMNS, 16)
    )

    calc(file, tmp_path / f"saved.{saved}", "tags")
    sheet = reading.parse(io.BytesIO((tmp_path / f"saved.{saved}").read_bytes()), "saved", COLUMNS)
    pictures = {key: sample["digest"] for key, sample in samples.items()}
    changes = changes_of(sheet, Now({row.key: row for row in rows}.get, pictures, {}))

    assert changes.rows == len(found) > 500
    assert (changes.taken, changes.conflicts, changes.mistakes.first) == ({}, {}, [])


def test_a_formula_typed_there_is_refused(
    project: Path, prep: Callable[..., Any], calc: Calc
) -> None:
    """Row 32: what LibreOffice calculated from a tag is told, and nothing is taken."""
    before = words()
    rows = csv_text.parse(
        io.BytesIO(Path("images/tags.csv").read_bytes()), "tags.csv", COLUMNS
    ).rows()
    bare = [revised(row_of(row.key, notes="x"), "0" * 64) for row in rows]
    Path("bare.csv").write_bytes(csv_text.dump(bare, COLUMNS))
    calc(Path("images/tags.csv"), Path("edited.csv"), "", "b.png", "tags", "=_=")

    told = prep("review", "import", "edited.csv", "--in", "images")

    assert told.code == 1
    assert "row 3, column `tags`: the spreadsheet made `" in told.err
    assert words() == before
