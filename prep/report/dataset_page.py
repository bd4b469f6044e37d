"""The page of a folder of pictures, section by section."""

from collections.abc import Callable
from typing import NamedTuple

from prep.pages.document import document, own
from prep.pages.markup import Markup, element
from prep.report.alike_section import alike, leak
from prep.report.bucket_section import buckets, sizes
from prep.report.checks_section import checks
from prep.report.editor_parts import bar, editor, gallery
from prep.report.gathered import Gathered
from prep.report.overview_section import left_out, overview
from prep.report.page_data import data
from prep.report.shown_picture import Count, ReportParams, pictures_of, trigger_of
from prep.report.tags_section import tags
from prep.report.words_section import concepts, unused_words, words
from prep.stage import Rows

_HERE = "prep.report"
_SCRIPTS = ("edits.js", "shots.js", "gallery.js", "editor.js", "box.js", "saving.js")


class PageSection(NamedTuple):
    """A section of the page.

    Attributes:
        body: What stands in it; None leaves it out.
    """

    title: str
    body: Callable[[Gathered], Markup | None]


SECTIONS = (
    PageSection("Where every picture went", overview),
    PageSection("Pictures", gallery),
    PageSection("Alike", alike),
    PageSection("Findings", checks),
    PageSection("Words", words),
    PageSection("Words that do not train", unused_words),
    PageSection("Tags", tags),
    PageSection("Concepts", concepts),
    PageSection("Sizes", sizes),
    PageSection("Buckets", buckets),
    PageSection("Validation", leak),
    PageSection("Left out", left_out),
)


def page(rows: Rows, params: ReportParams, count: Count) -> bytes:
    """Return the page of all that a view is given.

    Args:
        rows: See `prep.stages.report`.
        params: What a person asked for.
        count: What counts the tokens of texts.
    """
    made = rows.facts["made_by"]
    found = Gathered(
        pictures_of(rows, params, count),
        rows.left_out,
        trigger_of(rows),
        bucketed="bucket" in made,
        compared="duplicates" in made,
        checked="check" in made,
    )
    shown = [(one.title, body) for one in SECTIONS if (body := one.body(found)) is not None]
    links = [element("a", title, href=f"#{_anchor(title)}") for title, _ in shown]
    whole = [
        element("h1", "Pictures", id="folder"),
        element("nav", *links, aria_label="Sections"),
        *(
            element("section", element("h2", title, id=_anchor(title)), inner)
            for title, inner in shown
        ),
        bar(),
        editor(),
        data(found, rows.columns),
    ]
    script = "\n".join(own(name, _HERE) for name in _SCRIPTS)
    return document("Pictures", whole, style=own("dataset_page.css", _HERE), script=script)


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")
