"""Loss and learning rate over the steps."""

from collections import deque
from collections.abc import Sequence
from statistics import fmean

from prep.pages.line_plot import PlotLine, plot
from prep.pages.markup import Markup, element
from train.report.report_pictures import ReportPictures
from train.report.run_files import RunFiles

_MEAN_OF = 100


def losses(run: RunFiles, pictures: ReportPictures) -> Markup:
    """Return the loss with its running mean, and what was measured at fixed noise."""
    each = run.losses
    width = max(1, min(_MEAN_OF, len(each) // 5))
    lines = [
        PlotLine("loss of a step", each, faint=True),
        PlotLine(f"mean of {width} steps", running_mean(each, width)),
        *_measured(run),
    ]
    loss = element(
        "div", element("h3", "Loss"), plot(lines, "step", f"loss over {len(each)} steps")
    )
    return element("div", loss, *_rates(run), class_="plots")


def running_mean(points: Sequence[tuple[int, float]], width: int) -> list[tuple[int, float]]:
    """Return for each point the mean of the last `width` up to it, or of as many as there are."""
    last: deque[float] = deque(maxlen=width)
    found = []
    for step, value in points:
        last.append(value)
        found.append((step, fmean(last)))
    return found


def _measured(run: RunFiles) -> list[PlotLine]:
    names = {
        "held_out_loss": "held-out pictures, fixed noise",
        "trained_loss": "trained pictures, fixed noise",
    }
    means = [(row.step, row.means()) for row in run.measured]
    each = {
        told: [(step, one[name]) for step, one in means if name in one]
        for name, told in names.items()
    }
    return [PlotLine(told, points, dots=True) for told, points in each.items() if points]


def _rates(run: RunFiles) -> list[Markup]:
    rates = [
        (row["step"], row["learning_rate"])
        for row in run.metrics
        if row.get("learning_rate") is not None
    ]
    if not rates:
        return []
    line = PlotLine("learning rate", rates)
    drawn = plot([line], "step", "learning rate over the steps")
    return [element("div", element("h3", "Learning rate"), drawn)]
