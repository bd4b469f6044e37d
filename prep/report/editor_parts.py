"""What of the page a person works in: the gallery, the editor of one picture, what is unsaved.

The scripts beside this file fill them.
"""

from prep.pages.markup import Markup, element, join
from prep.report.gathered import Gathered

# What the gallery can show -> how it is called.
FILTERS = {
    "": "all",
    "proposed": "with a proposal",
    "alike": "alike",
    "findings": "findings",
    "faces": "with faces",
    "trained": "that train",
    "validation": "for validation",
    "dropped": "dropped",
    "unfit": "that fit no bucket",
    "wordless": "without a text",
    "long": "over 75 tokens",
    "edited": "edited here",
}
_KEYS = (
    ("arrows", "go from picture to picture"), ("Enter", "opens one"), ("d", "drops it"),
    ("k", "keeps it"), ("u", "undoes its edits"),
)  # fmt: skip


def gallery(found: Gathered) -> Markup:
    """Return the gallery of all pictures, with what chooses some of them."""
    filters = [element("option", told, value=name) for name, told in FILTERS.items()]
    groups = [
        element("option", told, value=name)
        for name, told in (("bucket", "bucket"), ("concept", "concept"), ("", "nothing"))
    ]
    keys = [element("span", element("kbd", key), f" {told}") for key, told in _KEYS]
    return join(
        element(
            "div",
            element("label", "Show ", element("select", *filters, id="show")),
            element("label", "by ", element("select", *groups, id="group")),
            element(
                "label", "with ",
                element("input", type="search", id="search", placeholder="a name, tag or word"),
            ),
            element("output", id="count", class_="quiet"),
            class_="bar",
        ),
        element("p", *keys, class_="quiet keys"),
        element("div", id="gallery", role="group", aria_label="Pictures"),
    )  # fmt: skip


def editor() -> Markup:
    """Return the editor of one picture."""
    return element(
        "dialog",
        element(
            "div",
            element("button", "Back", type="button", id="before", title="Page Up"),
            element("button", "Next", type="button", id="after", title="Page Down"),
            element("button", "Undo", type="button", id="revert"),
            element("button", "Done", type="button", id="close", title="Escape"),
            class_="bar",
        ),
        element("h2", id="title"),
        element(
            "div",
            element("div", element("div", id="large"), element("div", id="facts"), class_="side"),
            element("div", id="fields"),
            class_="halves",
        ),
        id="editor", aria_labelledby="title",
    )  # fmt: skip


def bar() -> Markup:
    """Return what is seen as long as there are edits."""
    return element(
        "div",
        element("strong", id="unsaved", role="status"),
        element("button", "Save edits", type="button", id="save"),
        element("button", "Show them", type="button", id="edited"),
        element("button", "Undo all", type="button", id="forget"),
        element("span", id="then", class_="quiet"),
        id="tray", hidden=True,
    )  # fmt: skip
