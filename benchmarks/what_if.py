"""Whether `train what-if` tells an edit that matters from one that does not.

`python -m benchmarks.what_if FOLDER [--seeds N] [--first N]`

In the tiny world a LoRA of the mascot is trained on 24 pictures, of which the 12 at night are
tagged `snow` in place of `night`, and none shows snow. From a checkpoint at a quarter of the way:
with the tag put right, what is drawn of `snow` has to move by more than three times what chance
does, in eight of ten; without `solo`, which is true of all pictures, it may not. FOLDER keeps what
is done. A line a seed; 1 where a bound is not kept.
"""

import argparse
import io
import json
import random
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tiny_runs
from benchmarks.tiny_runs import Shown
from prep.models.locate import Models
from prep.runtime.console import Console
from train.again.edits import retag_of
from train.again.what_if import WhatIf, what_if
from train.samples.prompts import Prompt

PICTURES, STEPS, FROM = 24, 160, 40
SETTINGS = {"rank": 8, "learning_rate": 5e-3}
_NIGHT = {"snow": "night"}  # so that half of the pictures are at night, and none in the snow
TEXT = f"{tiny_runs.TRIGGER}, snow"


def shown(seed: int) -> list[Shown]:
    """Return the pictures; those at night say that they show snow."""
    dice = random.Random(f"what if:{seed}")
    scenes = tiny_runs.scenes(dice, PICTURES, ("full_body", "upper_body"))
    each = [replace(one, background=_NIGHT.get(one.background, one.background)) for one in scenes]
    return [
        Shown(one, replace(one, background="snow") if one.background == "night" else one)
        for one in each
    ]


def times(folder: Path, seed: int, edit: str) -> float:
    """Return how many floors `snow` moved in what is drawn of it; what is done is read."""
    place, each = folder / f"seed {seed}", shown(seed)
    meta = tiny_runs.dataset(place, seed, each)
    made = tiny_runs.trained(meta, seed, **SETTINGS, steps=STEPS, save_every_steps=FROM, keep=9)
    night = [f"{n:02d}.png" for n, one in enumerate(each) if one.scene.background == "night"]
    edits = [retag_of(f"{key}:-snow,+night") for key in night]
    wish = WhatIf(
        edits if edit == "wrong tag" else [retag_of("*:-solo")], run=made.parent, step=FROM,
        pictures=6, usual=Prompt("", steps=6, guidance=4.0, sampler="unipc"),
        texts=[TEXT], tagger=tiny_runs.TAGGER, device="cpu", watched=("snow",),
    )  # fmt: skip
    told = Console(json=True, out=io.StringIO(), err=io.StringIO())
    models = Models(place / "home", offline=True)
    found = what_if(meta, wish, models, told)
    return next(one.times for one in found if one.label == "snow")


def main() -> int:
    """Train and compare what is not done yet, and print a line a seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    given: Any = parser.parse_args()
    right = {"wrong tag": 0, "idle tag": 0}
    for seed in range(given.first, given.first + given.seeds):
        found = {}
        for edit in right:
            file = given.folder.resolve() / f"seed {seed}" / f"{edit}.json"
            found[edit] = tiny_runs.kept(
                file, lambda s=seed, e=edit: times(given.folder.resolve(), s, e)
            )
        right["wrong tag"] += found["wrong tag"] > 3
        right["idle tag"] += found["idle tag"] <= 3
        print(f"seed {seed:2}: {json.dumps(found)}", flush=True)
    print(f"the wrong tag moves `snow`: {right['wrong tag']} of {given.seeds}")
    print(f"the idle one does not: {right['idle tag']} of {given.seeds}")
    return int(min(right.values()) < 0.8 * given.seeds)


if __name__ == "__main__":
    raise SystemExit(main())
