"""One HTML document that holds all it needs: style, script and pictures are in the file.

Its Content-Security-Policy forbids every request; style and script are let in by their digests.
Source: Content Security Policy Level 3 (W3C), sections 2.3.1 and 6.7.
"""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from prep.pages.markup import Child, Markup, element, join

GENERATOR = "prep and train"
_HEAD_BYTES = 2048


def document(
    title: str,
    body: Sequence[Child],
    *,
    style: str = "",
    script: str = "",
) -> bytes:
    """Return a page as UTF-8.

    Args:
        body: What stands in `<main>`; a text is escaped.
        style: CSS of this kind of page, behind that of every page.
        script: JavaScript of this kind of page, likewise.
    """
    css, js = own("page.css") + style, own("page.js") + script
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(css)}'; "
        f"script-src '{_digest(js)}'; base-uri 'none'; form-action 'none'"
    )
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="generator", content=GENERATOR),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("link", rel="icon", href="data:,"),
        element("title", title),
        element("style", _verbatim(css)),
    )
    inner = element("body", element("main", body), element("script", _verbatim(js)))
    return join(Markup("<!doctype html>\n"), element("html", head, inner, lang="en")).encode()


def is_page(path: Path) -> bool:
    """Return whether a file is a page that this program wrote."""
    try:
        with path.open("rb") as file:
            return f'content="{GENERATOR}"'.encode() in file.read(_HEAD_BYTES)
    except OSError:
        return False


def own(name: str, package: str = "prep.pages") -> str:
    """Return a file of style or script that ships with a package."""
    return files(package).joinpath(name).read_text(encoding="utf-8")


def _verbatim(text: str) -> Markup:
    """Return style or script as it stands; it is our own, and ends no element."""
    if "</" in text:
        raise ValueError("style and script must not hold an end tag")
    return Markup(text)


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
