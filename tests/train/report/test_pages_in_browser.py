"""Both pages in a real browser, at the widths of a desk and of a phone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prep.models.locate import Models
from tests import chromium
from tests.chromium import Chromium, browsing
from tests.train.conftest import build_dataset
from tests.train.runs import lora, new_console
from train.grid.draw_grid import grid
from train.grid.grid_wish import GridWish
from train.report.report_pictures import ReportPictures
from train.report.run_report_file import write_report

pytestmark = pytest.mark.skipif(chromium.PROGRAM is None, reason="there is no chromium here")

HOSTILE = "</script><img src=http://x.invalid/a.png onerror=throw(1)> mascot"
WIDTHS = (1440, 400)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, base: Path) -> dict[str, Path]:
    """Grid and report of one run of LoRAs, whose prompts are hostile."""
    top = tmp_path_factory.mktemp("pages")
    models, prompts = Models(top / "home", offline=True), top / "p.txt"
    prompts.write_text(f"{HOSTILE} --s 1 --d 1\nmascot --s 1 --d 2\n")
    run = lora(
        build_dataset(top / "data", base), top / "runs", models, new_console(), name="toy",
        steps=20, save_every_steps=10, watch=4, prompts=prompts,
    ).parent  # fmt: skip
    usual = {"steps": 1, "width": 64, "height": 64}
    wish = GridWish([HOSTILE, "mascot"], usual=usual, strengths=[0.5, 1], seeds=[1, 2])
    found = grid([str(run)], wish, None, models, new_console()).page
    return {"grid": found, "report": write_report(run, ReportPictures())}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """A browser of its own profile."""
    with browsing(tmp_path_factory.mktemp("profile")) as found:
        yield found


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["grid", "report"])
def test_a_page_opens_from_disk(
    pages: dict[str, Path], browser: Chromium, name: str, width: int
) -> None:
    """No error on the console, no request, nothing beside the window, all reached by Tab."""
    browser.open(pages[name], width)

    assert browser.said == []
    assert browser.asked == []
    assert browser.run("document.documentElement.scrollWidth <= innerWidth")
    assert browser.usable() == browser.reached()
    assert browser.run("each('img[src]').every((one) => !one.complete || one.naturalWidth)")
    assert browser.run("document.body.innerText").count("onerror=throw(1)") >= 1


def _seen(browser: Chromium) -> Any:
    return browser.run(
        "each('.stage figure').filter((one) => one.checkVisibility())"
        ".map((one) => one.querySelector('figcaption').textContent)"
    )


@pytest.mark.parametrize("width", WIDTHS)
def test_a_grid_is_used_by_keys_alone(
    pages: dict[str, Path], browser: Chromium, width: int
) -> None:
    """Arrows go from cell to cell, Enter opens one, c chooses two, Space swaps, Escape closes."""
    browser.open(pages["grid"], width)
    here = "document.activeElement.ariaLabel"
    browser.run("one('.cell').focus()")

    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        browser.press(key)
    first = "step 10 x 0.5: mascot, seed 1, ddim"
    assert browser.run(here) == first
    browser.press("Enter")
    assert _seen(browser) == [first]
    browser.press("ArrowRight")
    second = "step 10: mascot, seed 1, ddim"
    assert _seen(browser) == [second]
    before = browser.run("one('#zoom').textContent")
    browser.press("+")
    assert browser.run("one('#zoom').textContent") != before
    browser.press("Escape")
    assert (browser.run("viewer.open"), browser.run(here)) == (False, second)

    browser.press("c")
    browser.press("ArrowLeft")
    browser.press("c")
    assert _seen(browser) == [second, first]
    sizes = browser.run("each('.stage img').map((one) => one.clientWidth)")
    assert sizes[0] == sizes[1] > 64
    browser.press(" ")
    assert _seen(browser) == [first]
    browser.press(" ")
    assert _seen(browser) == [second]
    browser.press("Escape")
    assert (browser.said, browser.asked) == ([], [])


def test_a_filter_hides_rows_and_columns(pages: dict[str, Path], browser: Chromium) -> None:
    """Each axis by its boxes; arrows pass over what is hidden."""
    browser.open(pages["grid"], 1440)
    count = "each('.cell').filter((one) => one.checkVisibility()).length"
    found = [browser.run(count)]
    for axis, value in (("strength", "0.5"), ("seed", "2"), ("export", "step 10")):
        browser.run(f"one('[data-axis={axis}][value=\"{value}\"]').focus()")
        browser.press(" ")
        found.append(browser.run(count))
    browser.run("one('.cell').focus()")
    browser.press("ArrowRight")

    assert found == [20, 12, 6, 4]
    assert browser.run("document.activeElement.ariaLabel").startswith("step 20: ")


def test_a_slider_goes_through_the_samples(pages: dict[str, Path], browser: Chromium) -> None:
    """At first the last step is shown; a key goes one step back, for every prompt."""
    browser.open(pages["report"], 400)
    shown = (
        "each('.steps figure').filter((one) => one.checkVisibility())"
        ".map((one) => one.dataset.step)"
    )
    found = [browser.run(shown)]
    browser.run("one('#steps').focus()")
    browser.press("ArrowLeft")
    found.append(browser.run(shown))
    browser.run("one('#every').focus()")
    browser.press("Enter")
    found.append(browser.run(shown))

    assert found == [["20", "20"], ["10", "10"], ["10", "20", "10", "20"]]
