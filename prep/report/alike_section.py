"""Pictures that are alike, side by side, and those that validation shares with training."""

from prep.pages.markup import Markup, coded, element, join
from prep.report.alike_pairs import AlikePair
from prep.report.gathered import Gathered
from prep.report.report_parts import listed
from prep.report.shown_picture import VALIDATION
from prep.runtime.counts import counted


def alike(found: Gathered) -> Markup | None:
    """Return copies and variants, each beside the picture that it is of."""
    if not found.compared:
        return element("p", coded("It was not looked for: type `prep duplicates FOLDER`."))
    made = found.alike
    if not made:
        return element("p", "No picture repeats another one.")
    proposed = sum(pair.proposed for pair in made)
    told = (
        f"{counted(proposed, 'copy', 'copies')}, proposed for dropping until you say yes or no, "
        f"and {counted(len(made) - proposed, 'variant')}, which nobody proposes to drop. "
        "A frame is where they differ, or what was cut out."
    )
    return join(element("p", told), listed([_pair(found, pair) for pair in made], "alike"))


def leak(found: Gathered) -> Markup | None:
    """Return the pictures kept for validation of which training sees the same."""
    held = sum(one.place == VALIDATION for one in found.pictures)
    if not held:
        told = (
            "No picture is kept for validation: write `split: validation` at some in meta.json, "
            "or train with `--held-out`."
        )
        return element("p", coded(told), class_="quiet")
    torn = found.leaks
    if not torn:
        return element("p", f"None of the {held} pictures for validation is alike one that trains.")
    rows = [
        element(
            "li", found.parts.shot(one.kept), found.parts.shot(one.trained),
            element("strong", "validation: "), found.parts.named(one.kept), " and ",
            found.parts.named(one.trained), " trains",
            element("br"), element("span", one.why, class_="quiet"),
        )
        for one in torn
    ]  # fmt: skip
    few = "What training shows as well says nothing about what was not seen: move one of the two."
    return join(element("p", few), listed(rows))


def _pair(found: Gathered, pair: AlikePair) -> Markup:
    like = pair.picture.like or {}
    place = found.parts.place(pair.picture)
    decide = [
        element("button", "Drop", type="button", data_keep="no", data_of=place),
        element("button", "Keep both", type="button", data_keep="yes", data_of=place),
    ]
    return element(
        "li",
        found.parts.shot(pair.picture, like.get("box")),
        found.parts.shot(pair.other, like.get("there")),
        found.parts.named(pair.picture), " and ", found.parts.named(pair.other), element("br"),
        element("span", pair.told, class_="quiet"), element("br"),
        *(decide if pair.proposed else []),
        element("span", class_="said", data_said=place),
        class_="pair",
    )  # fmt: skip
