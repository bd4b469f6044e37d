"""The tags of a picture, a column for each category: apart in a sheet, and together again."""

from collections.abc import Iterable, Mapping, Sequence

from prep.tags import tag_text

# The category of a tag that no tagger said.
OTHER = "other"

Graded = Mapping[str, Sequence[Sequence[str | float]]]


def category_of(graded: Iterable[Graded]) -> dict[str, str]:
    """Return tag -> category, from what was said of all pictures; the first category holds.

    A rating has a column of its own: where it is among the tags, it is an `other` one.
    """
    found: dict[str, str] = {}
    for one in graded:
        for category in sorted(one, key=_place):
            if category != "rating":
                for tag, _ in one[category]:
                    found.setdefault(str(tag), category)
    return found


def in_order(names: Iterable[str]) -> list[str]:
    """Return categories in the order of a tag list's blocks, unknown ones by name."""
    return sorted(set(names), key=lambda name: (_place(name), name))


def apart(listed: Sequence[str], of: Mapping[str, str], categories: Iterable[str]) -> list[str]:
    """Return for each category the cell of its tags, in their order.

    Args:
        listed: A picture's tags.
        of: Tag -> category; a tag without one is an `other` one.
        categories: The columns of the sheet.
    """
    return [
        tag_text.joined([tag for tag in listed if of.get(tag, OTHER) == name], escape=False)
        for name in categories
    ]


def together(cell: str, categories: Mapping[str, str]) -> str:
    """Return the tags that a person made of a picture's by editing the cells of categories.

    A tag that stands in no cell is gone. One that is new stands after its neighbour in the cell,
    else before the next one, else where the first of those that are gone stood, else last.

    Args:
        cell: All tags as they were exported.
        categories: Category -> its cell as it is now.
    """
    before = tag_text.parsed(cell)
    lists = [tag_text.parsed(one) for one in categories.values()]
    left = {tag for one in lists for tag in one}
    gone = next((at for at, tag in enumerate(before) if tag not in left), None)
    made = [tag for tag in before if tag in left]
    start = len(made) if gone is None else gone
    for one in lists:
        for at, tag in enumerate(one):
            if tag not in made:
                made.insert(_position(made, one, at, min(start, len(made))), tag)
    return tag_text.joined(made, escape=False)


def _position(made: Sequence[str], cell: Sequence[str], at: int, start: int) -> int:
    if at and cell[at - 1] in made:
        return made.index(cell[at - 1]) + 1
    after = [made.index(tag) for tag in cell[at + 1 :] if tag in made]
    return after[0] if after else start


def _place(name: str) -> int:
    order = [block for block in tag_text.BLOCKS if block != "count"]
    if name in order:
        return order.index(name)
    return len(order) + (name == OTHER)
