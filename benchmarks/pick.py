"""Whether `train pick` finds the best export of a run, and held-out losses tell when to stop.

`python -m benchmarks.pick FOLDER [--seeds N] [--first N] [--count N]`

In the tiny world a LoRA of the mascot is trained on 30 pictures, one of which has the caption of
another scene; six more are held out. Its learning rate rises to the end, so that every run is
trained too little first and too long last. What each export really draws is counted by the tagger
from far more pictures than `train pick` draws, of prompts that it does not know. FOLDER keeps what
is done: the same command goes on. A line a seed; 1 where a bound is not kept: within one save of
the best in eight of ten, and on average no worse than the last export.
"""

import argparse
import io
import json
import random
import sys
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tiny_runs
from benchmarks.tiny_runs import Shown
from prep.models.locate import Models
from prep.runtime.console import Console
from train.pick.pick import PickWish, pick
from train.run import fixed_losses
from train.samples.prompts import Prompt

PICTURES, HELD_OUT = 30, 6
STEPS, EVERY = 240, 30
SETTINGS = {"rank": 16, "learning_rate": 8e-3, "warmup": STEPS - 1}
DRAWN = 8  # pictures of an export that `train pick` draws


class Outcome(NamedTuple):
    """What came of a seed.

    Attributes:
        truth: What each export draws, in the order of their steps; see `tiny_runs.accuracy`.
        picked: Number of the export that is recommended; `by_loss`: without a tagger.
        held_out: Mean loss of the held-out pictures at each export.
    """

    truth: list[float]
    picked: int
    by_loss: int
    held_out: list[float]

    def best(self) -> int:
        """Return the number of the export that draws best."""
        return max(range(len(self.truth)), key=lambda n: self.truth[n])


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


def outcome(folder: Path, seed: int, count: int) -> Outcome:
    """Train, pick, and count what each export draws; what is done is read."""
    _, each = shown(seed)
    place = folder / f"seed {seed}"
    meta = tiny_runs.dataset(place, seed, each[:PICTURES], each[PICTURES:])
    made = tiny_runs.trained(
        meta, seed, **SETTINGS, steps=STEPS, save_every_steps=EVERY, watch=PICTURES
    )
    exports = tiny_runs.exports(made.parent)
    picked = [
        tiny_runs.kept(place / f"picked {word}.json", lambda t=tagger: _picked(made.parent, t))
        for word, tagger in (("by tagger", tiny_runs.TAGGER), ("by loss", None))
    ]
    truth = [
        tiny_runs.kept(place / f"truth {n}.json", lambda one=one: tiny_runs.accuracy(one, count))
        for n, one in enumerate(exports)
    ]
    rows = fixed_losses.read(made.parent / fixed_losses.NAME)[1:]
    numbers = [[one.name for one in exports].index(name) for name in picked]
    return Outcome(
        [one["all"] for one in truth], *numbers, [row.means()["held_out_loss"] for row in rows]
    )


def _picked(run: Path, tagger: str | None) -> str:
    usual = Prompt("", steps=6, guidance=4.0, sampler="unipc")
    wish = PickWish(tagger, DRAWN, usual, device="cpu")
    told = Console(json=True, out=io.StringIO(), err=io.StringIO())
    return pick(run, wish, Models(run.parent.parent / "home", offline=True), told).name


def main() -> int:
    """Train and judge what is not done yet, and print a line a seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=16)
    given: Any = parser.parse_args()
    each = []
    for seed in range(given.first, given.first + given.seeds):
        each.append(one := outcome(given.folder.resolve(), seed, given.count))
        lowest = min(range(len(one.held_out)), key=lambda n: one.held_out[n])
        print(
            f"seed {seed:2}: drawn {' '.join(f'{value:.2f}' for value in one.truth)}; best "
            f"{one.best()}, picked {one.picked}, by loss alone {one.by_loss}; held-out loss "
            f"{' '.join(f'{value:.4f}' for value in one.held_out)}, lowest {lowest}",
            flush=True,
        )
    print(json.dumps([one._asdict() for one in each]))
    near = sum(abs(one.best() - one.picked) <= 1 for one in each)
    gain = fmean(one.truth[one.picked] - one.truth[-1] for one in each)
    lost = fmean(one.truth[one.best()] - one.truth[one.picked] for one in each)
    print(
        f"within one save of the best: {near} of {len(each)}, with losses alone "
        f"{sum(abs(one.best() - one.by_loss) <= 1 for one in each)}"
    )
    print(f"above the last export: {gain:+.3f}; below the best one: {lost:.3f}")
    return int(near < 0.8 * len(each) or gain < 0)


if __name__ == "__main__":
    raise SystemExit(main())
