"""Where every picture went, and why some are left out."""

from collections import Counter, defaultdict

from prep.models.tokenizer import CHUNKS
from prep.pages.markup import Markup, coded, element, join
from prep.pages.page_table import table
from prep.report.gathered import Gathered
from prep.report.report_parts import SHOWN
from prep.report.shown_picture import DROPPED, TRAIN, UNFIT, VALIDATION
from prep.runtime.counts import counted

_LEFT = "left out"
_TOLD = {
    TRAIN: "train",
    VALIDATION: "are kept for validation: `split` in the dataset file says so",
    DROPPED: "are dropped by you: `keep` is no, or a dataset file lost them",
    UNFIT: "fit no bucket",
    _LEFT: "cannot be used; below is why",
}


def overview(found: Gathered) -> Markup:
    """Return how many pictures there are and what becomes of each; they add up."""
    places = Counter(one.place for one in found.pictures)
    places[_LEFT] = len(found.left_out)
    rows = [(f"{count}", coded(_TOLD[place])) for place in _TOLD if (count := places[place])]
    sources = {one.source for one in found.pictures} - {""}
    derived = sum(one.source != "" for one in found.pictures)
    made = f"{derived} of them were made from {counted(len(sources), 'other picture')}."
    total = sum(places.values())
    return join(
        _to_decide(found),
        element("p", f"{counted(total, 'picture')}, and every one of them is in this table:"),
        table((), [*rows, (f"{total}", "in all")]),
        element("p", made, class_="quiet") if derived else None,
    )


def _to_decide(found: Gathered) -> Markup | None:
    """Return what a person should look at, each with a link to it; None for nothing."""
    findings = sum(len(one.checks) for one in found.pictures)
    silent = sum(not one.text for one in found.kept)
    numbers = (
        ("alike", sum(one.proposed for one in found.alike), "repeat another one"),
        ("findings", findings, "findings of checks"),
        ("left-out", sum(one.place == UNFIT for one in found.pictures), "fit no bucket"),
        ("left-out", len(found.left_out), "cannot be used"),
        ("words", silent, "have no text"),
        ("words", sum(one.tokens > CHUNKS[0] for one in found.kept), "have texts that are cut"),
        ("validation", len(found.leaks), "for validation are trained on as well"),
    )
    rows = [
        element("li", element("a", f"{number} {told}", href=f"#{anchor}"))
        for anchor, number, told in numbers
        if number
    ]
    return element("ul", *rows, class_="decide") if rows else None


def left_out(found: Gathered) -> Markup | None:
    """Return the pictures that do not train, by reason; None where all do."""
    reasons: defaultdict[str, list[str]] = defaultdict(list)
    for key, why in found.left_out.items():
        reasons[why].append(key)
    for one in found.pictures:
        if one.place in (DROPPED, UNFIT):
            reasons[one.why].append(one.key)
    if not reasons:
        return None
    return element("div", *(_reason(why, sorted(keys)) for why, keys in sorted(reasons.items())))


def _reason(why: str, keys: list[str]) -> Markup:
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return element(
        "details",
        element("summary", coded(f"{counted(len(keys), 'picture')}: {why}")),
        element("p", ", ".join(keys[:SHOWN]) + more, class_="code"),
        open=len(keys) <= 5,
    )
