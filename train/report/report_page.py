"""The page of a run, section by section."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from prep.pages.document import document, own
from prep.pages.markup import Markup, element
from prep.runtime.console import duration
from train.report.birth_section import birth
from train.report.data_sections import buckets, cut_texts, settings
from train.report.loss_section import losses
from train.report.machine_section import machine, paces
from train.report.pictures_section import hardest
from train.report.report_pictures import ReportPictures
from train.report.run_files import RunFiles, run_files
from train.report.samples_section import samples
from train.report.warnings_section import warnings

_HERE = "train.report"


class ReportSection(NamedTuple):
    """A section of the page.

    Attributes:
        body: What stands in it; None leaves it out.
    """

    title: str
    body: Callable[[RunFiles, ReportPictures], Markup | None]


SECTIONS = (
    ReportSection("Warnings", warnings),
    ReportSection("Loss", losses),
    ReportSection("Samples", samples),
    ReportSection("Pictures", hardest),
    ReportSection("Texts that are cut", cut_texts),
    ReportSection("Speed and memory", machine),
    ReportSection("Buckets", buckets),
    ReportSection("Settings", settings),
    ReportSection("Certificate", birth),
)


def page(folder: Path, pictures: ReportPictures) -> bytes:
    """Return the page of a run folder, as far as the run has come.

    Raises:
        ConfigError: It is no run folder.
    """
    run = run_files(folder)
    found = [(one.title, body) for one in SECTIONS if (body := one.body(run, pictures)) is not None]
    links = [element("a", title, href=f"#{_anchor(title)}") for title, _ in found]
    whole = [
        element("h1", f"Run: {run.name}"),
        element("p", _state(run)),
        element("nav", *links, aria_label="Sections"),
        *(
            element("section", element("h2", title, id=_anchor(title)), inner)
            for title, inner in found
        ),
    ]
    title = f"Run: {run.name}"
    return document(title, whole, style=own("report.css", _HERE), script=own("report.js", _HERE))


def _anchor(title: str) -> str:
    return title.lower().replace(" ", "-")


def _state(run: RunFiles) -> str:
    """Return how far a run is, in a sentence."""
    done = run.losses[-1][0] if run.losses else 0
    of = f" of {run.steps}" if run.steps else ""
    method, base = run.config.get("method", "training"), run.config.get("base", "?")
    parts = [f"{method} on {base}", f"step {done}{of}"]
    parts += [f"{len(run.pictures)} pictures"] if run.pictures else []
    if passed := paces(run)[1]:
        parts.append(f"{duration(passed[-1][0] * 60)} of training")
    parts.append(f"folder {run.folder.name}")
    return ", ".join(parts) + "."
