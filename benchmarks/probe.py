"""Whether `--probe` chooses steps that draw well, and better than a fixed recipe.

`python -m benchmarks.probe FOLDER [--seeds N] [--first N] [--count N]`

In the tiny world a LoRA of the mascot is to be trained on 18 pictures, with settings that are too
much for so few. The probe chooses rate, rank and steps by pictures that are held out; with those
all pictures train, for as many steps as were asked for, and what each export draws is counted by
the tagger from pictures that nobody chose by. FOLDER keeps what is done: the same command goes on.
A line a seed; 1 where a bound is not kept: what the probe chose draws at most 10 points less than
the best export in each seed, and on average more than the fixed recipe at its end.
"""

import argparse
import json
import random
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tiny_runs
from benchmarks.tiny_runs import Shown
from prep.models.locate import Models
from prep.runtime.console import Console
from train.config import Config
from train.methods import config_of
from train.methods.lora_options import LoraOptions
from train.run.start import start
from train.trials.probe_settings import probed

PICTURES, STEPS, EXPORTS = 18, 160, 8
SETTINGS = {"rank": 8, "learning_rate": 4e-3, "batch": 2}
_MOST_LESS = 0.10


class Outcome(NamedTuple):
    """What came of a seed, all as shares of what was asked for; see `tiny_runs.accuracy`.

    Attributes:
        chosen: Rank, learning rate and steps.
        exports: Of the chosen rank and rate, in the order of their steps.
        picked: Of the steps that the probe chose.
        fixed: Of the recipe as it was asked for, at its end.
    """

    chosen: tuple[int, float, int]
    exports: list[float]
    picked: float
    fixed: float


def shown(seed: int) -> list[Shown]:
    """Return the pictures of a seed."""
    dice = random.Random(f"probe:{seed}")
    return [
        Shown(one, one) for one in tiny_runs.scenes(dice, PICTURES, ("full_body", "upper_body"))
    ]


def outcome(folder: Path, seed: int, count: int) -> Outcome:
    """Probe, train, and count what comes of it; what is done is read."""
    place = folder / f"seed {seed}"
    meta = tiny_runs.dataset(place, seed, shown(seed))
    models, told = Models(place / "home", offline=True), Console(level=0)
    asked = config_of(
        "lora", **SETTINGS, steps=STEPS, seed=seed, device="cpu", out=place / "runs", name="asked"
    )

    def made(config: Config, name: str, steps: int) -> Path:
        every = STEPS // EXPORTS
        wish = replace(config, name=name, steps=steps, save_every_steps=every)
        return start([meta], wish, models, told)

    def truth(export: Path) -> float:
        file = place / f"{export.parent.name} {export.stem}.json"
        return float(tiny_runs.kept(file, lambda: tiny_runs.accuracy(export, count))["all"])

    chosen = probed([meta], asked, models, told)
    own, steps = chosen.own_as(LoraOptions), chosen.steps or 0
    whole = made(chosen, "all", STEPS)
    picked = made(chosen, "picked", steps)
    return Outcome(
        (own.rank, chosen.learning_rate or 0.0, steps),
        [truth(one) for one in tiny_runs.exports(whole.parent)],
        truth(picked),
        truth(made(asked, "asked", STEPS)),
    )


def main() -> int:
    """Train and count what is not done yet, print a line a seed, then how often bounds are kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=16, help="pictures of each kind")
    given: Any = parser.parse_args()
    each = []
    for seed in range(given.first, given.first + given.seeds):
        each.append(one := outcome(given.folder.resolve(), seed, given.count))
        print(f"seed {seed:2}: {json.dumps(one._asdict())}", flush=True)
    return _told(each)


def _told(each: Sequence[Outcome]) -> int:
    near = sum(one.picked >= max(one.exports) - _MOST_LESS for one in each)
    picked, fixed = fmean(one.picked for one in each), fmean(one.fixed for one in each)
    print(f"within {_MOST_LESS:.0%} of the best export: {near} of {len(each)}")
    print(f"on average {picked:.3f}, the fixed recipe {fixed:.3f}")
    return int(near < len(each) or picked <= fixed)


if __name__ == "__main__":
    raise SystemExit(main())
