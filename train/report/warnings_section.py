"""What a person should know of a run: what was told before it began, and what was seen since."""

from collections.abc import Iterator

from prep.pages.markup import Markup, element
from train.report.pictures_section import memorised
from train.report.report_pictures import ReportPictures
from train.report.run_files import RunFiles
from train.run.loss_range import WINDOW, LossRange


def warnings(run: RunFiles, pictures: ReportPictures) -> Markup | None:
    """Return the notes of a run; None where there is nothing to say."""
    each = [*map(str, run.facts.get("notes", [])), *_seen(run)]
    return element("ul", *(element("li", one) for one in each)) if each else None


def _seen(run: RunFiles) -> Iterator[str]:
    for key in memorised(run):
        yield f"learnt by heart: {key}"
    span = LossRange()
    for step, loss in run.losses:
        if times := span.left_with(loss):
            yield (
                f"the loss left its range at step {step}: over {WINDOW} steps it is {times:.1f} "
                f"times that of the first {WINDOW}"
            )
    for path in sorted(run.folder.glob("*-not-proven*")):
        yield f"an export did not pass its proof: {path.name}"
