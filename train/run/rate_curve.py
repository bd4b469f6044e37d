"""The learning rate over a run, drawn with letters: it looks the same on every terminal."""

from collections.abc import Callable, Iterator

_WIDTH, _HEIGHT = 64, 7


def curve(rate: Callable[[int], float], steps: int) -> Iterator[str]:
    """Yield the lines of a drawing, from the highest rate to 0; none of a rate that never changes.

    A column stands for some steps that follow each other, and shows the first of them; the last
    one shows the last step.

    Args:
        rate: Of a step, from 0.
        steps: Of the run.
    """
    width = min(_WIDTH, steps)
    shown = [column * (steps - 1) // max(1, width - 1) for column in range(width)]
    rates = [rate(step) for step in shown]
    highest = max(rates)
    if min(rates) == highest:
        return
    heights = [round(one / highest * (_HEIGHT - 1)) for one in rates]
    labels = {_HEIGHT - 1: f"{highest:.3g}", 0: "0"}
    margin = max(map(len, labels.values()))
    for level in reversed(range(_HEIGHT)):
        marks = "".join("*" if level == height else " " for height in heights)
        yield f"{labels.get(level, ''):>{margin}} |{marks}".rstrip()
    ends = f"1{steps:>{width - 1}}" if width > len(str(steps)) else str(steps)
    yield f"{'step':>{margin}}  {ends}"
