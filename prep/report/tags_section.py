"""How often tags occur, and which occur together."""

from collections.abc import Iterator

from prep.pages.markup import Markup, coded, element
from prep.pages.page_table import table
from prep.report.gathered import Gathered
from prep.tags import frequency
from prep.tags.tag_text import parsed

_TAGS, _PAIRS = 300, 100  # lines of the tables; `prep tags` has them all
_MOST = 400  # tags of which pairs are looked for, the most frequent ones
_LIFT = 1.5  # times as often as by chance


def tags(found: Gathered) -> Markup | None:
    """Return the most frequent tags, and pairs that occur more often than by chance."""
    each = [parsed(one.row["tags"]) for one in found.kept]
    often = frequency.often(each)
    if not often:
        return None
    rows = [(one.tag, str(one.pictures), f"{one.share:.0%}") for one in often[:_TAGS]]
    known = {one.tag for one in often[:_MOST]}
    pairs = frequency.pairs([[tag for tag in one if tag in known] for one in each])
    both = [
        (f"{two.one} + {two.other}", str(two.pictures), f"{two.lift:.1f}x")
        for two in pairs
        if two.lift >= _LIFT
    ][:_PAIRS]
    return element("div", *_tables(len(often), rows, both), class_="plots")


def _tables(
    total: int, rows: list[tuple[str, str, str]], both: list[tuple[str, str, str]]
) -> Iterator[Markup]:
    few = f"The first {_TAGS} of {total}; `prep tags FOLDER --top 0` lists all."
    yield element(
        "div",
        element("h3", "How often"),
        element("p", coded(few), class_="quiet") if total > _TAGS else None,
        element("div", table(("tag", "pictures", "of all"), rows), class_="tall", tabindex=0),
    )
    yield element(
        "div",
        element("h3", "Together more often than by chance"),
        element("div", table(("tags", "pictures", "by chance"), both), class_="tall", tabindex=0)
        if both
        else element("p", "None of them.", class_="quiet"),
    )
