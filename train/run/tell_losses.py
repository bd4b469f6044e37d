"""`train losses`: what a run wrote down of its pictures, told."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError
from train.run import fixed_losses, loss_report, picture_losses, run_folder
from train.run.fixed_losses import Measured
from train.run.memorised import BOUND, Fall, falls
from train.run.wrong_captions import DOUBT, Doubt, doubts


def tell_losses(folder: Path, console: Console, most: int) -> None:
    """Print the hardest and the quickest learnt pictures of a run, and those learnt by heart.

    Args:
        most: Pictures of each list; with `--json` all are told.

    Raises:
        ConfigError: It is no run folder, or nothing was written down in it.
        MachineError: Its file of losses is damaged.
    """
    run_folder.run_folder(folder)
    found = picture_losses.read(folder)
    if found is None:
        raise ConfigError(
            f"`{folder}` has no losses of its pictures", "they are written from its next step on"
        )
    each = loss_report.report(found)
    rows = fixed_losses.read(folder / fixed_losses.NAME)
    fell = falls(rows[0].trained, rows[-1].trained) if len(rows) > 1 else []
    doubted = doubts(rows[0]) if rows else []
    first, last = int(found.step_N[0]), int(found.step_N[-1])
    shown = counted(len(found.loss_N), "showing")
    console.say(
        f"{folder}: {shown} of {counted(len(found.keys), 'picture')}, steps {first} to {last}",
        *(loss_report.lines(each, most) if each else ["no picture was shown often enough"]),
        *_fixed(rows, fell, most),
        *_doubted(doubted, most),
        pictures=[one._asdict() for one in each],
        captions=[one._asdict() | {"stands_out": one.stands_out()} for one in doubted],
        memorised=[fall._asdict() | {"stands_out": fall.stands_out()} for fall in fell],
        fixed=[{"step": row.step, **row.means()} for row in rows],
    )


def _fixed(rows: Sequence[Measured], fell: Sequence[Fall], most: int) -> Iterator[str]:
    """Yield what was measured at fixed noise: over time, and by picture."""
    if not rows:
        yield "nothing was measured at fixed noise: `--watch 64` or `--held-out 0.1` do"
        return
    yield "at fixed noise:"
    for row in rows:
        means = row.means()
        told = f"held out {means['held_out_loss']:.4f}, " if "held_out_loss" in means else ""
        yield f"  step {row.step}: {told}trained {means.get('trained_loss', 0):.4f}"
    if not fell:
        return
    yield (
        "fallen furthest at fixed noise (loss over what it was at first; deviations from the "
        f"others, {-BOUND:g} and less: learnt by heart):"
    )
    for fall in fell[:most]:
        mark = "  LEARNT BY HEART" if fall.stands_out() else ""
        yield f"  {fall.ratio:5.2f}  {fall.distance:6.1f}  {fall.key}{mark}"


def _doubted(each: Sequence[Doubt], most: int) -> Iterator[str]:
    """Yield the pictures whose captions helped least before anything was learnt."""
    if not each:
        return
    yield (
        "caption helped least at first (loss with it over loss without any text; deviations from "
        f"the others, {DOUBT:g} and more: it may be wrong):"
    )
    for one in each[:most]:
        mark = "  CAPTION MAY BE WRONG" if one.stands_out() else ""
        yield f"  {one.ratio:5.2f}  {one.distance:6.1f}  {one.key}{mark}"
