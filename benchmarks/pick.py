"""Whether `train pick` finds the best export of a run, and loss histories a wrong caption.

`python -m benchmarks.pick FOLDER [--seeds N] [--first N] [--count N]`

In the tiny world a LoRA of the mascot is trained until it has forgotten others: 30 pictures, one
of which has the caption of another scene, six more are held out. What each export really draws is
counted by the tagger from far more pictures than `train pick` draws, of prompts that it does not
know. FOLDER keeps what is done: the same command goes on. A line a seed; 1 where a bound is not
kept: within one save of the best in eight of ten, on average no worse than the last export, the
wrong caption first in eight of ten.
"""

import argparse
import random
import sys
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tiny_runs
from benchmarks.tiny_runs import Shown

PICTURES, HELD_OUT = 30, 6
STEPS, EVERY = 240, 30
SETTINGS = {"rank": 16, "learning_rate": 4e-3}


class Trained(NamedTuple):
    """A run that is done.

    Attributes:
        wrong: The picture whose caption is wrong.
        truth: Of each export in the order of their steps, and `base` of the base model.
    """

    run: Path
    wrong: str
    truth: list[dict[str, float]]


def shown(seed: int, wrong: bool = True) -> tuple[str, list[Shown]]:
    """Return the name of the picture whose caption is wrong, and all pictures; held-out ones last.

    Args:
        wrong: Whether it is; else its caption is true, too.
    """
    dice = random.Random(f"pick:{seed}")
    scenes = tiny_runs.scenes(dice, PICTURES + HELD_OUT, ("full_body", "upper_body"))
    each = [Shown(scene, scene) for scene in scenes]
    planted = dice.randrange(PICTURES)
    if wrong:
        each[planted] = Shown(scenes[planted], tiny_runs.wrong_of(scenes[planted], dice))
    return f"{planted:02d}.png", each


def trained(folder: Path, seed: int, count: int) -> Trained:
    """Train, and count what each export draws; what is done is read."""
    wrong, each = shown(seed)
    place = folder / f"seed {seed}"
    meta = tiny_runs.dataset(place, seed, each[:PICTURES], each[PICTURES:])
    made = tiny_runs.trained(
        meta, seed, **SETTINGS, steps=STEPS, save_every_steps=EVERY, watch=PICTURES
    )
    truth = [
        tiny_runs.kept(place / f"truth {n}.json", lambda one=one: tiny_runs.accuracy(one, count))
        for n, one in enumerate(tiny_runs.exports(made.parent))
    ]
    return Trained(made.parent, wrong, truth)


def main() -> int:
    """Train and judge what is not done yet, and print a line a seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=24)
    given: Any = parser.parse_args()
    for seed in range(given.first, given.first + given.seeds):
        found = trained(given.folder.resolve(), seed, given.count)
        print(seed, [f"{one['all']:.3f}" for one in found.truth], flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
