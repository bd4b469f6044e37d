"""Whether face and upper-body crops, added to full-body pictures, improve small details.

`python -m benchmarks.crops FOLDER [--seeds N] [--first N] [--count N]`

In the tiny world a LoRA of the mascot is trained, for as many steps each, on 16 full-body pictures
(`full`), on these and 16 crops of the same scenes, half upper bodies and half faces, drawn at their
full size (`crops`), and on these and 16 further full-body pictures of other scenes (`more`): so
that what crops do is told from what more pictures do. Small details are hat and accessory of
full-body pictures that the LoRA draws, as the tagger sees them; body and colour are large ones.
FOLDER keeps what is done: the same command goes on.
"""

import argparse
import math
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tiny_reading, tiny_runs
from benchmarks.tiny_runs import Shown
from tinyworld.words import look_tags
from tinyworld.world import MASCOT

PICTURES, STEPS = 16, 120
SETTINGS = {"rank": 8, "learning_rate": 2e-3}
KINDS = ("full", "crops", "more")
SMALL, LARGE = ("hat", "accessory"), ("body", "colour")


def shown(seed: int, kind: str) -> list[Shown]:
    """Return the pictures of a kind; those of `full` are the first of all kinds."""
    dice = random.Random(f"crops:{seed}")
    scenes = tiny_runs.scenes(dice, 2 * PICTURES, ("full_body",))
    first, others = scenes[:PICTURES], scenes[PICTURES:]
    if kind == "full":
        others = []
    if kind == "crops":
        framings = ("upper_body", "face")
        others = [replace(one, framing=framings[n % 2]) for n, one in enumerate(first)]
    return [Shown(one, one) for one in (*first, *others)]


def details(folder: Path, seed: int, kind: str, count: int) -> dict[str, float]:
    """Return how surely the tagger sees small and large details in what a LoRA draws."""
    place = folder / f"seed {seed} {kind}"
    meta = tiny_runs.dataset(place, seed, shown(seed, kind))
    made = tiny_runs.trained(meta, seed, **SETTINGS, steps=STEPS)
    dice = random.Random("asked")
    texts = [
        f"{tiny_runs.TRIGGER}, {dice.choice(('standing', 'waving', 'arms up', 'jumping'))}, "
        f"full body, {tiny_runs.PLACES[n % len(tiny_runs.PLACES)]}"
        for n in range(count)
    ]
    judge = tiny_reading.tagger_judge(tiny_runs.TAGGER)
    seen = judge(tiny_runs.painted(tiny_runs.opened(made), texts))
    look = look_tags(MASCOT)

    def share(words: Sequence[str]) -> float:
        return fmean(one[word] == look[word] for one in seen for word in words)

    return {"small": share(SMALL), "large": share(LARGE)}


def main() -> int:
    """Train and judge what is not done yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=48)
    given: Any = parser.parse_args()
    folder = given.folder.resolve()
    each: dict[str, list[dict[str, float]]] = {kind: [] for kind in KINDS}
    for seed in range(given.first, given.first + given.seeds):
        for kind in KINDS:
            file = folder / f"seed {seed} {kind}" / "details.json"
            each[kind].append(tiny_runs.kept(
                file, lambda s=seed, k=kind: details(folder, s, k, given.count)
            ))  # fmt: skip
        told = (f"{kind} {each[kind][-1]['small']:.3f} {each[kind][-1]['large']:.3f}"
                for kind in KINDS)  # fmt: skip
        print(f"seed {seed:2}, small and large details: {', '.join(told)}", flush=True)
    for kind in KINDS[1:]:
        for word in ("small", "large"):
            gains = [
                one[word] - full[word] for one, full in zip(each[kind], each["full"], strict=True)
            ]
            error = stdev(gains) / math.sqrt(len(gains)) if len(gains) > 1 else math.nan
            print(f"{kind} over full, {word} details: {fmean(gains):+.3f} +- {error:.3f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
