"""HTML and SVG from Python: every text is escaped, whatever a caption or a name holds. Pure."""

import html
from collections.abc import Iterable

# Elements of HTML that have no end tag, and of SVG that hold nothing.
_VOID = ("br", "img", "input", "link", "meta")
_EMPTY = ("circle", "line", "polyline", "rect")


class Markup(str):
    """Text that is HTML already; all other text is escaped where it is put into a page."""

    __slots__ = ()


Child = str | int | float | None


def element(name: str, /, *children: Child | Iterable[Child], **attributes: object) -> Markup:
    """Return an element.

    Args:
        name: As `td`.
        children: Texts, which are escaped, and `Markup`, which is not; None for nothing.
        attributes: `class_` and `for_` stand for words that Python has; `_` is `-`. True gives the
            bare name, False and None nothing.
    """
    told = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Markup(f"<{name}{told}>")
    if name in _EMPTY:
        return Markup(f"<{name}{told}/>")
    return Markup(f"<{name}{told}>{join(*children)}</{name}>")


def join(*children: Child | Iterable[Child]) -> Markup:
    """Return several pieces as one, in their order."""
    return Markup("".join(map(_piece, children)))


def coded(text: str) -> Markup:
    """Return a text in which what stands between backticks is code."""
    pieces = text.split("`")
    return join(element("code", one) if at % 2 else one for at, one in enumerate(pieces))


def _piece(child: Child | Iterable[Child]) -> str:
    if child is None:
        return ""
    if isinstance(child, Markup):
        return child
    if isinstance(child, str | int | float):
        return html.escape(str(child))
    return join(*child)


def _attribute(key: str, value: object) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{html.escape(str(value))}"'
