"""A recommendation in a person's words: three sentences, and the lines of its plot. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean

from prep.runtime.counts import counted
from train.pick.choice import ENOUGH_HELD_OUT, Choice, ScoredExport, overtrained_from
from train.pick.export_figures import ExportFigures
from train.pick.pick_plot import ScaledLine, plot

_ENOUGH_ASKED = 8  # pictures of an export, without which a figure says little


@dataclass(frozen=True)
class Found:
    """What was found of a run's exports.

    Attributes:
        figures: Of the base model, then of each export.
        held_out: How many pictures are held out.
        asked: How many pictures were drawn of each export; `judged`: whether a tagger saw them.
    """

    each: Sequence[ScoredExport]
    choice: Choice
    figures: Sequence[ExportFigures]
    held_out: int
    asked: int
    judged: bool

    @property
    def chosen(self) -> ScoredExport:
        """The export that is recommended."""
        return self.each[self.choice.number]


def sentences(found: Found) -> Iterator[str]:
    """Yield three sentences: what it draws, what its losses say, and what is not known."""
    yield _of_pictures(found)
    yield _of_losses(found)
    yield _of_doubt(found)


def _of_pictures(found: Found) -> str:
    if not found.judged:
        return "Nothing was drawn: `--tagger` names who judges pictures."
    base, one = found.figures[0], found.figures[found.choice.number + 1]
    parts = [
        f"{word} at {fmean(each):.2f} ({fmean(alone):.2f} of the base model)"
        for word, each, alone in (
            ("the subject shows", one.identity, base.identity),
            ("what texts ask for", one.obeyed, base.obeyed),
            ("the subject where nothing calls it", one.leak, base.leak),
        )
        if each and alone
    ]
    if not parts:
        return "The tagger can read nothing of the subject or of its texts, and so judges nothing."
    apart = (
        f"; pictures of one text differ {one.diversity:.2f} times as far" if one.diversity else ""
    )
    return f"Of its {found.asked} pictures, as the tagger sees them, {', '.join(parts)}{apart}."


def _of_losses(found: Found) -> str:
    losses = [one.held_out for one in found.each if one.held_out is not None]
    if len(losses) < len(found.each):
        return (
            "No picture is held out, so nothing tells what it has learnt by heart: "
            "`--held-out 0.1` does in the next training."
        )
    one, first, last = found.chosen, found.each[0], found.each[-1]
    gap, begun, end = ((each.held_out or 0) - (each.trained or 0) for each in (one, first, last))
    late = overtrained_from(losses)
    rises = (
        f"is lowest about step {found.each[late - 1].step} and rises from there"
        if late is not None
        else "falls to the end"
    )
    return (
        f"The loss of the {counted(found.held_out, 'picture')} held out {rises}; it is "
        f"{gap:.4f} above that of those that train, {begun:.4f} at step {first.step} and "
        f"{end:.4f} at the end."
    )


def _of_doubt(found: Found) -> str:
    others = [found.each[n].step for n in found.choice.alike if n != found.choice.number]
    few = []
    if found.judged and found.asked < _ENOUGH_ASKED:
        few.append(f"{counted(found.asked, 'picture')} of an export")
    if 0 < found.held_out < ENOUGH_HELD_OUT:
        few.append(f"{counted(found.held_out, 'picture')} held out")
    if few:
        return f"That is too little to say for certain: {' and '.join(few)}."
    if not found.choice.by:
        return "So there is nothing to choose by, and it is simply the last one."
    if len(found.each) == 1:
        return "It is the only export: `--save-every-epochs` leaves several to choose from."
    if others:
        return (
            f"Chance cannot tell it from the exports of steps {', '.join(map(str, others))}: "
            "`--pictures` draws more."
        )
    by = "what it draws" if found.choice.by == "quality" else "its held-out loss alone"
    return f"It is recommended by {by}, evened out over its neighbours."


def plotted(name: str, found: Found) -> str:
    """Return the plot of a run's exports as SVG."""
    figures = found.figures[1:]

    def means(word: str) -> list[float | None]:
        each = [getattr(one, word) for one in figures]
        return [fmean(one) if one else None for one in each]

    unit = (0.0, 1.0)
    losses = [loss for one in found.each for loss in (one.held_out, one.trained) if loss]
    scale = (min(losses), max(losses)) if losses else None
    lines = [
        ScaledLine("quality", [one.quality for one in found.each], unit),
        ScaledLine("identity", means("identity"), unit),
        ScaledLine("obeyed", means("obeyed"), unit),
        ScaledLine("leak", means("leak"), unit),
        ScaledLine("held-out loss", [one.held_out for one in found.each], scale, True),
        ScaledLine("trained loss", [one.trained for one in found.each], scale, True),
    ]
    title = f"{name}: step {found.chosen.step} is recommended"
    return plot(title, [one.step for one in found.each], lines, found.choice.number)
