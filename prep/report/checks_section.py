"""What `prep check` found wrong with pictures, and what it proposes."""

from collections.abc import Mapping
from typing import Any

from prep.pages.markup import Markup, coded, element, join
from prep.report.gathered import Gathered
from prep.report.report_parts import listed
from prep.report.shown_picture import ShownPicture
from prep.runtime.counts import counted

_NOBODY = "It was not looked for what is wrong with them: type `prep check FOLDER`."


def checks(found: Gathered) -> Markup:
    """Return each finding with its picture, its region and its reason."""
    rows = [_row(found, one, check) for one in found.pictures for check in one.checks]
    if not rows:
        told = "Nothing is wrong with them." if found.checked else _NOBODY
        return element("p", coded(told))
    told = f"{counted(len(rows), 'finding')}. Nothing is dropped until you say so."
    return join(element("p", told), listed(rows, "findings"))


def _row(found: Gathered, one: ShownPicture, check: Mapping[str, Any]) -> Markup:
    place = found.parts.place(one)
    return element(
        "li",
        found.parts.shot(one, check.get("box")),
        element("strong", f"{check['propose']}: {check['kind']} "),
        found.parts.named(one), element("br"), str(check["why"]), element("br"),
        element("button", "Drop", type="button", data_keep="no", data_of=place),
        element("button", "Keep", type="button", data_keep="yes", data_of=place),
        _cut(check, place),
        element("span", class_="said", data_said=place),
    )  # fmt: skip


def _cut(check: Mapping[str, Any], place: int) -> Markup | None:
    """Return what takes the box of a fix as crop box; the script shows it where one is taken."""
    if check["propose"] != "fix" or not check.get("box"):
        return None
    box = ",".join(map(str, check["box"]))
    words = "Crop to the frame"
    return element("button", words, type="button", data_crop=box, data_of=place, hidden=True)
