"""How often tags occur, and which occur together. pandas."""

from collections.abc import Iterator

from prep.pages.markup import Markup, coded, element
from prep.pages.page_table import table
from prep.report.gathered import Gathered
from prep.tags import tag_frame
from prep.tags.tag_text import parsed

_TAGS, _PAIRS = 300, 100  # lines of the tables; `prep tags` has them all
_MOST = 400  # tags of which pairs are looked for, the most frequent ones
_LIFT = 1.5  # times as often as by chance


def tags(found: Gathered) -> Markup | None:
    """Return the most frequent tags, and pairs that occur more often than by chance."""
    each = [parsed(one.row["tags"]) for one in found.kept]
    tagged = tag_frame.frame(each)
    if tagged.empty:
        return None
    often = tag_frame.counts(tagged)
    rows = [
        (str(tag), str(count), f"{count / len(each):.0%}")
        for tag, count in zip(often["tag"][:_TAGS], often["pictures"][:_TAGS], strict=True)
    ]
    known = tagged[tagged["tag"].isin(often["tag"][:_MOST])]
    pairs = tag_frame.together(known, len(each))
    pairs = pairs[pairs["lift"] >= _LIFT][:_PAIRS]
    both = [
        (f"{one} + {other}", str(count), f"{lift:.1f}x")
        for one, other, count, lift in pairs.itertuples(index=False)
    ]
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
