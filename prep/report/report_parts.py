"""Pieces that several sections of the page are made of: pictures, and the names that open them.

The pictures are in the page once, among the data of its script: a section says which one, and the
script draws it when it is seen.
"""

from collections.abc import Mapping, Sequence

from prep.pages.markup import Markup, element, join
from prep.report.shown_picture import ShownPicture

SHOWN = 200  # lines of a list; of more, the gallery shows them all


class PageParts:
    """Makes the pieces; knows the place of each picture among the page's data."""

    def __init__(self, found: Sequence[ShownPicture]) -> None:
        self._places: Mapping[str, int] = {one.key: place for place, one in enumerate(found)}

    def shot(self, one: ShownPicture, box: Sequence[float] | None = None) -> Markup:
        """Return a place for a picture, perhaps with a region of it, px, drawn."""
        drawn = ",".join(map(str, box)) if box else None
        return element("span", class_="shot", data_n=self._places[one.key], data_box=drawn)

    def named(self, one: ShownPicture) -> Markup:
        """Return the name of a picture as a button that opens it."""
        return element(
            "button", one.key, type="button", class_="link", data_open=self._places[one.key]
        )

    def place(self, one: ShownPicture) -> int:
        """Return the place of a picture among the page's data."""
        return self._places[one.key]


def listed(rows: Sequence[Markup], filtered: str = "") -> Markup:
    """Return the first of many rows as a list, and how many more there are.

    Args:
        filtered: What the gallery calls these pictures; empty where it does not.
    """
    more = len(rows) - SHOWN
    told = f"and {more} more" + (f"; the pictures above show `{filtered}`" if filtered else "")
    return join(
        element("ul", *rows[:SHOWN], class_="cards"),
        element("p", told, class_="quiet") if more > 0 else None,
    )
