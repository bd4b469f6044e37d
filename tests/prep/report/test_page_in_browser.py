"""The page of a folder in a real browser: looked at, edited by keys alone, saved, imported."""

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests import chromium
from tests.chromium import Chromium, browsing
from tests.prep.conftest import BuiltOnce
from tinyworld.pictures import CORRUPT, write_pictures

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no chromium here")

HOSTILE = "</script><img src=http://x.invalid/a.png onerror=throw(1)>"
COPY = "copy.jpg"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser of its own profile."""
    with browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.fixture
def folder(prep: Callable[..., Any], built_once: BuiltOnce) -> Path:
    """The demo's 20 drawings and its broken one, a smaller copy of one, hostile words, a page."""

    def build() -> None:
        raw = Path("raw")
        write_pictures(raw)
        Image.open(raw / "beach 2.png").convert("RGB").resize((160, 120)).save(raw / COPY)
        for path in sorted(raw.iterdir()):
            path.with_suffix(".txt").write_text(f"mascot, {path.stem}, {HOSTILE}")
        assert prep("report", "raw").code == 3

    return built_once(build) / "raw"


@pytest.mark.parametrize("width", [1440, 400])
def test_a_page_opens_from_disk(folder: Path, browser: Chromium, width: int) -> None:
    """No error on the console, no request, nothing beside the window, all reached by Tab."""
    browser.open(folder / "report.html", width)

    assert (browser.said, browser.asked) == ([], [])
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert unnumbered(browser.usable()) == unnumbered(browser.reached())
    assert browser.run("each('img[src]').every((one) => !one.complete || one.naturalWidth)")
    assert browser.run("pictures.length") == 21
    assert "22 pictures, and every one" in browser.run("document.body.innerText")
    browser.run("openEditor(0)")
    assert browser.run("editor.scrollWidth <= editor.clientWidth")
    assert HOSTILE in browser.run("one('[data-column=tags]').value")
    assert (browser.said, browser.asked) == ([], [])


def unnumbered(names: set[str]) -> set[str]:
    """Return names without their places, which scrolling changes."""
    return {name.rpartition(" ")[0] for name in names}


def to_gallery(browser: Chromium) -> None:
    """Press Tab until a picture of the gallery has the focus."""
    for _ in range(60):
        browser.press("Tab")
        if browser.run("document.activeElement.classList.contains('tile')"):
            return
    pytest.fail("no picture is reached by Tab")


def to_picture(browser: Chromium, name: str) -> None:
    """Go by the arrow until a picture has the focus."""
    browser.press("Home")
    for _ in range(25):
        if browser.run("document.activeElement.ariaLabel.split(', ')[0]") == name:
            return
        browser.press("ArrowRight")
    pytest.fail(f"{name} is not reached by the arrow")


def write_field(browser: Chromium, name: str, column: str, text: str) -> None:
    """Open a picture by Enter, go to a field by Tab, type, and leave by Escape."""
    to_picture(browser, name)
    browser.press("Enter")
    for _ in range(12):
        if browser.run("document.activeElement.dataset.column") == column:
            break
        browser.press("Tab")
    browser.type(text)
    browser.press("Escape")


def save(browser: Chromium, folder: Path) -> Path:
    """Go to the button by Tab, press it, and return the file that the page saved."""
    browser.downloads(folder)
    for _ in range(120):
        browser.press("Tab")
        if browser.run("document.activeElement.id") == "save":
            break
    browser.press("Enter")
    file = folder / "edits.json"
    for _ in range(100):
        if file.exists() and file.stat().st_size:
            break
        time.sleep(0.05)
    return file


def cells(prep: Callable[..., Any], folder: Path) -> dict[tuple[str, str], str]:
    """Return (key, column) -> cell of the sheet as it is exported now."""
    assert prep("review", "export", folder).code in (0, 3)
    rows = csv.DictReader(io.StringIO((folder / "tags.csv").read_text(encoding="utf-8-sig")))
    return {
        (row["key"], name): cell
        for row in rows
        for name, cell in row.items()
        if name not in ("key", "revision")
    }


def test_five_edits_come_back_and_nothing_else(
    folder: Path, browser: Chromium, prep: Callable[..., Any], tmp_path: Path
) -> None:
    """Dropped, kept, tagged, captioned and weighted by keys alone; imported; a rerun adds none."""
    before = cells(prep, folder)
    browser.open(folder / "report.html", 1440)
    to_gallery(browser)
    to_picture(browser, "night 1.png")
    browser.press("d")
    to_picture(browser, COPY)
    assert "proposed" in browser.run("document.activeElement.ariaLabel")
    browser.press("k")
    write_field(browser, "beach 1.jpg", "tags", "mascot, 2007, '#N/A'")
    write_field(browser, "snow 1.png", "caption", "one line\nand <b>another</b>")
    write_field(browser, "snow 2.jpg", "weight", "0,5")
    write_field(browser, "snow 3.png", "notes", "typed")
    browser.press("u")  # taken back
    assert browser.run("one('#unsaved').textContent") == "5 edits, not saved"
    file = save(browser, tmp_path)

    done = prep("review", "import", file, "--in", folder)

    assert done.out.splitlines()[0].endswith(
        "edits.json` as the edits of a report: 5 cells changed"
    )
    after = cells(prep, folder)
    assert {at: cell for at, cell in after.items() if before[at] != cell} == {
        ("night 1.png", "keep"): "no",
        (COPY, "keep"): "yes",
        ("beach 1.jpg", "tags"): "mascot, 2007, '#N/A'",
        ("snow 1.png", "caption"): "one line\nand <b>another</b>",
        ("snow 2.jpg", "weight"): "0.5",
    }
    assert (browser.said, browser.asked) == ([], [])
    browser.open(folder / "report.html", 1440)  # written anew by the import
    assert browser.run("edits.size") == 0
    again = prep("review", "import", file, "--in", folder)
    assert again.out.splitlines()[0].endswith("0 cells changed")


def test_edits_outlive_the_page_and_meet_what_changed_on_the_disk(
    folder: Path, browser: Chromium, prep: Callable[..., Any], tmp_path: Path
) -> None:
    """A page that is left asks, has its edits again, and conflicts where the disk says another."""
    browser.open(folder / "report.html", 1440)
    to_gallery(browser)
    write_field(browser, "beach 1.jpg", "tags", "of the page")
    browser.open(folder / "report.html", 1440)
    assert browser.dialogs == ["beforeunload"]
    (folder / "beach 1.txt").write_text("of the disk")
    (folder / CORRUPT).unlink()
    assert prep("report", folder).code == 0
    browser.open(folder / "report.html", 1440)
    assert browser.run("one('#unsaved').textContent") == "1 edit, not saved"
    file = save(browser, tmp_path)

    done = prep("review", "import", file, "--in", folder)

    assert done.code == 4
    assert (
        "conflict: beach 1.jpg: tags: the sheet says `of the page`, beach 1.txt says "
        "`of the disk`; nothing of this row was taken"
    ) in done.out
    assert (folder / "beach 1.txt").read_text() == "of the disk"
    assert prep("review", "import", file, "--in", folder, "--theirs").code == 0
    assert (folder / "beach 1.txt").read_text() == "of the page\n"


def test_the_gallery_holds_only_what_is_near(folder: Path, browser: Chromium) -> None:
    """Filters, groups and words choose; of what is far off nothing is in the page."""
    browser.open(folder / "report.html", 400, 600)
    browser.run("scrollTo(0, 0)")

    assert browser.run("tiles.size") < 21
    browser.run("one('#show').value = 'proposed'; one('#show').dispatchEvent(new Event('change'))")
    assert browser.run("order.map((n) => pictures[n].key)") == [COPY]
    drop, said = "one('[data-keep=no]').click()", "one('[data-said]').textContent"
    browser.run(drop)
    assert (browser.run(said), browser.run("decided(order[0])")) == (" dropped", "no")
    browser.run(drop)
    assert (browser.run(said), browser.run("edits.size")) == ("", 0)
    browser.run("one('#show').value = ''; one('#search').value = 'SNOW 3'; choose()")
    assert browser.run("order.map((n) => pictures[n].key)") == ["snow 3.png"]
    assert json.loads(browser.run("JSON.stringify(pictures[0].size)")) == [480, 640]


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A page of one picture with a face, a finding and a column for a crop box."""
    from prep.report.dataset_page import page
    from prep.report.small_pictures import packed
    from prep.sheets.columns import FIELDS, WORDS
    from prep.stage import Rows
    from prep.stages.report import Params

    row = {
        "digest": "ab" * 32, "looks": {"size": [400, 300]}, "duplicate_of": None,
        "page_thumbnail": packed(Image.new("RGB", (400, 300))),
        "faces": [{"box": [10, 20, 60, 80], "kind": "face", "score": 0.9, "detector": "x"}],
        "checks": [{"kind": "blur", "propose": "drop", "why": "it is not sharp", "box": None}],
    }  # fmt: skip
    columns = {**WORDS, **FIELDS}
    rows = Rows({"a.png": row}, {}, {"made_by": {}}, columns=columns)
    file = tmp_path / "drawn.html"
    file.write_bytes(page(rows, Params(), lambda texts: [0 for _ in texts]))
    return file


def test_a_crop_box_is_moved_by_keys(drawn: Path, browser: Chromium) -> None:
    """Arrows move it, with Shift its corner; what is drawn follows; what was found is told."""
    browser.open(drawn, 1440)
    to_gallery(browser)
    assert browser.run("document.activeElement.ariaLabel") == "a.png"
    assert browser.run("tiles.get(0).querySelectorAll('.face').length") == 1
    assert "it is not sharp" in browser.run("one('#findings').parentElement.innerText")
    browser.press("Enter")
    for _ in range(20):
        if browser.run("document.activeElement.id") == "large":
            break
        browser.press("Tab")
    box = "one('[data-column=crop_box]').value"
    # The bucket of 400x300 is 576x448: of the picture, 386x300 px in its middle.
    browser.press("ArrowLeft")
    assert browser.run(box) == "3,0,389,300"
    browser.press("ArrowRight", shift=True)
    browser.press("ArrowUp", shift=True)
    assert browser.run(box) == "3,0,393,296"
    assert browser.run("one('#large .crop').getAttribute('width')") == "390"
    assert browser.run("edits.get('a.png').cells.crop_box") == "3,0,393,296"
    assert (browser.said, browser.asked) == ([], [])
