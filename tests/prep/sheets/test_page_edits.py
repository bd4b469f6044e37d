"""Edits that a page saved: read as rows of a sheet, or refused in two lines; nothing is guessed."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prep.runtime.errors import DatasetError
from prep.sheets import reading
from prep.sheets.columns import FIELDS, WORDS, columns_of, in_sheets
from prep.stage import PersonsField
from prep.stages import all_stages

AGAIN = "save the edits in the page once more"
GOOD: dict[str, Any] = {
    "key": "a.png",
    "revision": "v2.0123456789:aaaaaa",
    "cells": {"tags": "one"},
}


def edits(*pictures: Any, **more: Any) -> bytes:
    """Return a file as the page saves it."""
    told = {"edits_of": "prep report", "version": 1, "pictures": list(pictures)}
    return json.dumps(told | more).encode()


def refused(data: bytes) -> list[tuple[str, str]]:
    """Return message and hint of what is wrong with a file."""
    with pytest.raises(DatasetError) as told:
        reading.parse(io.BytesIO(data), "edits.json", WORDS)
    return [(str(told.value), told.value.hint or ""), *told.value.others]


def test_what_was_typed_is_read_as_it_stands() -> None:
    """No apostrophe is taken off, no number is a date: no spreadsheet was at it."""
    data = edits(GOOD | {"cells": {"tags": "'2007-01, #N/A", "caption": "two\nlines"}})

    found = reading.parse(io.BytesIO(b"\xef\xbb\xbf" + data), "edits.json", WORDS)

    (row,) = found.rows()
    assert (row.key, dict(row.cells), row.revision) == (
        "a.png", {"tags": "'2007-01, #N/A", "caption": "two\nlines"}, "v2.0123456789:aaaaaa",
    )  # fmt: skip
    assert (found.read_as, found.typed) == ("the edits of a report", True)


@pytest.mark.parametrize(
    ("data", "message", "hint"),
    [
        (edits()[:-1], "`edits.json` is not JSON at line 1, column 57: Expecting ',' delimiter",
         AGAIN),
        (b'{"edits_of": "\xff"}', "`edits.json` is not UTF-8 at byte 14", AGAIN),
        (b'{"a":' * 100_000, "`edits.json` cannot be read: it is nested too deep", AGAIN),
        (b'{"samples": {}}', "`edits.json` is not the edits of a report",
         "name the file that it saved"),
        (edits(GOOD, version=2), "`edits.json` was saved by a page of another version",
         "run `prep report` and edit again"),
        (edits(pictures={}), "`edits.json` is damaged: it has no list of pictures alone", AGAIN),
        (edits(GOOD, more=1), "`edits.json` is damaged: it has no list of pictures alone", AGAIN),
        (edits([]), "`edits.json` picture 1 is not a key, a revision and cells", AGAIN),
        (edits(GOOD | {"x": 1}), "`edits.json` picture 1 is not a key, a revision and cells",
         AGAIN),
        (edits(GOOD, GOOD), "`edits.json` has several rows for `a.png`", AGAIN),
        (edits(GOOD | {"key": ""}), "`edits.json` picture 1: it has no key", AGAIN),
        (edits(GOOD | {"key": 1}), "`edits.json` picture 1: `key` is not text", AGAIN),
        (edits(GOOD | {"cells": {"tag": ""}}), "`edits.json` picture 1: there is no column `tag`",
         "did you mean `tags`?"),
        (edits(GOOD | {"cells": {"weight": 2}}), "`edits.json` picture 1: `weight` is not text",
         AGAIN),
        (edits(GOOD | {"cells": {"keep": "no\n"}}),
         "`edits.json` picture 1: `keep` holds several lines", "write one"),
        (edits(GOOD | {"cells": {"tags": "a\0"}}),
         "`edits.json` picture 1: `tags` holds the control character U+0000", "delete it"),
        (edits(GOOD | {"cells": {"tags": "\ud800"}}),
         "`edits.json` picture 1: `tags` holds the control character U+D800", "delete it"),
        (edits(GOOD | {"cells": {"notes": "a" * 1_000_001}}),
         "`edits.json` picture 1: `notes` has over 1,000,000 characters", "shorten it"),
    ],
)  # fmt: skip
def test_what_no_page_saves_is_refused(data: bytes, message: str, hint: str) -> None:
    """Damage, other files and values that no field takes: two lines, and no traceback."""
    assert refused(data) == [(message, hint)]


def test_an_import_refuses_what_a_sheet_would_be_refused_for(
    draw: Callable[..., Path], prep: Callable[..., Any]
) -> None:
    """Another dataset, values out of limits, a revision that is not whole: nothing is taken."""
    for name in ("a", "b"):
        draw(f"images/{name}.png")
    assert prep("report", "images").code == 0
    page = Path("images/report.html").read_text()
    known = json.loads(page.split('id="data">')[1].split("</script>")[0])["pictures"]
    revision = known[0]["revision"]

    def imported(*pictures: Any) -> tuple[int, str]:
        Path("e.json").write_bytes(edits(*pictures))
        done = prep("review", "import", "e.json", "--in", "images")
        return done.code, done.err

    row = {"key": "a.png", "revision": revision}
    for cells, told in (
        (
            {"weight": "1e9"},
            ("`weight` of `a.png` is `1000000000`", "write a number from 0 to 1000"),
        ),
        ({"keep": "maybe"}, ("`keep` of `a.png` is `maybe`", "write yes or no")),
    ):
        assert imported(row | {"cells": cells}) == (1, "error: {}\nhint: {}\n".format(*told))
    assert imported(row | {"revision": revision[:-1], "cells": {"tags": "x"}}) == (
        1, f"error: `e.json` picture 1 (`a.png`) has no whole `revision`\nhint: {AGAIN}\n",
    )  # fmt: skip
    other = revision.replace(revision[3:13], "0123456789")
    foreign = {"key": "../../etc/passwd", "revision": other, "cells": {"tags": "x"}}
    told = "`e.json` is the sheet of another dataset: its picture is not in `images`"
    hint = "name the folder whose sheet it is with `--in DIR`"
    assert imported(foreign) == (1, f"error: {told}\nhint: {hint}\n")
    assert not Path("images/a.txt").exists()
    swapped = [row | {"cells": {"tags": "x, y"}}, {
        "key": "b.png", "revision": known[1]["revision"], "cells": {"tags": "z"},
    }]  # fmt: skip
    assert imported(*swapped)[0] == 0
    assert Path("images/a.txt").read_text() == "x, y\n"


def test_a_crop_box_is_four_whole_numbers() -> None:
    """However a person spaces them; anything else is told before it is taken."""
    column = FIELDS["crop_box"]

    assert column.said(" 1, 20 ,300,  400 ") == column.said("1 20 300 400") == "1,20,300,400"
    assert column.hint("1,20,300,400") == column.hint("") == ""
    for wrong in ("1,2,3", "1,2,3,4,5", "1,2,3,-4", "a", "1.5,2,3,4", "1" * 9 + ",1,1,1"):
        assert column.hint(column.said(wrong)) == (
            "write left, top, right and bottom in px, as 10,20,300,400"
        )


def test_it_is_brought_where_a_stage_takes_it_and_no_sheet_shows_it() -> None:
    """No column is there for what no stage would read; the sheets stay as narrow as they were."""
    stages = all_stages()
    takes = next(one for one in stages.values() if one.fields and one.name != "crop")

    assert "crop_box" not in columns_of([takes])
    assert "crop_box" in columns_of([replace(takes, fields=(PersonsField("crop_box"),))])
    assert "crop_box" in columns_of(stages.values())
    assert "crop_box" not in in_sheets(columns_of(stages.values()))
    assert [name for name, one in stages.items() if "crop_box?" in one.reads] == ["crop", "report"]
