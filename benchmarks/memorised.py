"""Whether a picture that is learnt by heart is found, and none where there is none.

`python -m benchmarks.memorised [--runs N] [--first SEED] [--pictures N] [--copies N] [--steps N]`

In the tiny world a LoRA of the mascot is trained on pictures of which one lies there again and
again under other names, and on the same pictures without the copies. The first has to lead the
list and stand out, in nine of ten; in the second nothing may stand out, in nine of ten. The loss
of no run may leave its range. A line a run, and a JSON file; 1 where a bound is not kept.
"""

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.models import vae, vae_files
from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.console import Console
from tinyworld.draw import draw
from tinyworld.words import general_tags, look_tags
from tinyworld.world import BACKGROUNDS, FRAMINGS, MASCOT, POSES, Scene
from train.methods import config_of
from train.run import fixed_losses
from train.run.loss_range import LossRange
from train.run.memorised import falls
from train.run.start import start

BASE = Path(__file__).resolve().parents[1] / "tinyworld" / "models" / "base"
_SIZES = ((128, 128), (96, 128))
_FRESH = 70_000_000  # seeds of drawings that no model was trained on


@dataclass(frozen=True)
class Plan:
    """What is trained."""

    pictures: int
    copies: int
    steps: int


@dataclass(frozen=True)
class Outcome:
    """What a run showed.

    Attributes:
        planted: The picture that was copied; empty where none was.
        first: The one that leads the list, and `distance` from what is usual, in deviations.
        second: Distance of the one behind it.
        standing_out: How many stand out.
        left_range: Whether the loss was said to have left its range.
    """

    seed: int
    planted: str
    first: str
    distance: float
    second: float
    standing_out: int
    left_range: bool

    def found(self) -> bool:
        """Return whether the planted picture was found, or rightly none."""
        right = self.first == self.planted if self.planted else True
        return right and self.standing_out == (1 if self.planted else 0)


def dataset(folder: Path, seed: int, plan: Plan, copies: int) -> tuple[Path, str]:
    """Write a dataset with latents; return its file and the name of the picture with copies."""
    dice = random.Random(f"memorised:{seed}")
    scenes = [
        Scene(MASCOT, dice.choice(BACKGROUNDS), dice.choice(POSES), dice.choice(FRAMINGS),
              dice.choice(_SIZES))
        for _ in range(plan.pictures)
    ]  # fmt: skip
    planted = dice.randrange(plan.pictures)
    coder, state = vae.open_vae(BASE, "cpu"), folder / "images" / ".prep"
    for number, scene in enumerate(scenes):
        latents = vae.encode(coder, [draw(scene, _FRESH + 1000 * seed + number)])[0]
        assert latents is not None
        files.write(state / f"latents/{number}.safetensors", vae.dump(latents))
    names = {f"{number:02d}.png": number for number in range(plan.pictures)}
    names |= {f"copy {number:02d}.png": planted for number in range(copies)}
    samples = {name: _sample(scenes[number], number) for name, number in names.items()}
    found = Dataset(
        root="images", state="images/.prep", samples=samples, base=str(BASE),
        concepts={"": Concept(trigger="lumi")}, vae=vae_files.numbers(BASE, "tiny"),
    )  # fmt: skip
    files.write(folder / "meta_lat.json", dataset_file.dump(found))
    return folder / "meta_lat.json", f"{planted:02d}.png"


def _sample(scene: Scene, number: int) -> Sample:
    looks = set(look_tags(MASCOT).values())
    tags = [tag.replace("_", " ") for tag in general_tags(scene) if tag not in looks]
    return Sample(
        digest=f"{number:064x}", original_size=scene.size, tags=tuple(tags), bucket=scene.size,
        latents=f"latents/{number}.safetensors",
    )  # fmt: skip


def outcome(folder: Path, seed: int, plan: Plan, copies: int) -> Outcome:
    """Train, and return what the run's own files say."""
    meta, planted = dataset(folder, seed, plan, copies)
    config = config_of(
        "lora", steps=plan.steps, batch=4, rank=8, learning_rate=2e-3, schedule="cosine",
        seed=seed, text_encoder=True, watch=plan.pictures, out=folder / "runs",
    )  # fmt: skip
    run = start([meta], config, Models(folder / "home", offline=True), Console(level=0)).parent
    rows = fixed_losses.read(run / fixed_losses.NAME)
    found = falls(rows[0].trained, rows[-1].trained)
    log = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steady = LossRange()
    left = [steady.left_with(row["loss"]) is not None for row in log if "loss" in row]
    return Outcome(
        seed, planted if copies else "", found[0].key, found[0].distance, found[1].distance,
        sum(fall.stands_out() for fall in found), any(left),
    )  # fmt: skip


def outcomes(seeds: range, plan: Plan) -> Iterator[Outcome]:
    """Yield what runs show, with copies and without by turns."""
    for seed in seeds:
        for copies in (plan.copies, 0):
            with tempfile.TemporaryDirectory() as folder:
                yield outcome(Path(folder), seed, plan, copies)


def main() -> int:
    """Measure, print a line a run; return 1 where a bound is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--pictures", type=int, default=16)
    parser.add_argument("--copies", type=int, default=20)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--out", type=Path, default=Path("memorised.json"))
    given = parser.parse_args()
    each = []
    plan = Plan(given.pictures, given.copies, given.steps)
    for one in outcomes(range(given.first, given.first + given.runs), plan):
        each.append(one)
        what = f"planted {one.planted}" if one.planted else "clean         "
        print(
            f"seed {one.seed:2}  {what}  first {one.first} at {one.distance:6.1f}, then "
            f"{one.second:5.1f}  {'right' if one.found() else 'WRONG'}", flush=True,
        )  # fmt: skip
        given.out.write_text(json.dumps([asdict(row) for row in each], indent=1) + "\n")
    kept = True
    for planted in (True, False):
        rows = [one for one in each if bool(one.planted) == planted]
        right = sum(one.found() for one in rows)
        kept = kept and right >= 0.9 * len(rows)
        told = "the planted picture leads and stands out" if planted else "none stands out"
        print(f"{told}: {right} of {len(rows)}")
    left = sum(one.left_range for one in each)
    print(f"the loss left its range: {left} of {len(each)}")
    return int(not kept or left > 0)


if __name__ == "__main__":
    raise SystemExit(main())
