"""How fast a run went, and how much memory it took, over the time that it trained."""

from itertools import pairwise

from prep.pages.line_plot import PlotLine, plot
from prep.pages.markup import Markup
from train.report.report_pictures import ReportPictures
from train.report.run_files import RunFiles
from train.run.card_sizes import GIB

_MINUTE = 60.0


def machine(run: RunFiles, pictures: ReportPictures) -> Markup | None:
    """Return rate and memory over the minutes of training; time between two starts left out."""
    rates, memory = paces(run)
    if not memory:
        return None
    lines = [PlotLine("steps a second", rates), PlotLine("memory, GiB", memory, right=True)]
    return plot(lines, "minutes of training", "steps a second, and memory, over time")


def paces(run: RunFiles) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Return (minutes, steps a second) and (minutes, GiB) as they were written down."""
    rates: list[tuple[float, float]] = []
    memory: list[tuple[float, float]] = []
    passed = 0.0
    for before, row in pairwise([{"begins": True}, *run.progress]):
        if not row.get("begins") and "at" in before:
            seconds = row["at"] - before["at"]
            passed += max(0.0, seconds) / _MINUTE
            if seconds > 0:
                rates.append((passed, (row["step"] - before["step"]) / seconds))
        memory.append((passed, row["memory"] / GIB))
    return rates, memory
