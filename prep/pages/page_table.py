"""A table within a page; a narrow screen scrolls it by itself."""

from collections.abc import Sequence

from prep.pages.markup import Child, Markup, element


def table(head: Sequence[str], rows: Sequence[Sequence[Child]]) -> Markup:
    """Return a table; all but the first column of one with a head are numbers."""
    kind = {"class_": "number"} if head else {}
    top = [element("th", one, scope="col", **(kind if nth else {})) for nth, one in enumerate(head)]
    each = [
        element(
            "tr",
            element("th", first, scope="row"),
            *(element("td", one, **kind) for one in rest),
        )
        for first, *rest in rows
    ]
    inner = [element("thead", element("tr", *top))] if head else []
    return element("div", element("table", *inner, element("tbody", *each)), class_="scroll")
