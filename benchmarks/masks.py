"""What a mask of the mascot does for a LoRA: are places obeyed that its pictures never showed?

`python -m benchmarks.masks [--seeds 3] [--steps 300] [--count 64]`

All pictures of a training show one place, and their texts do not say so. The same training is done
with and without `--masked-loss`; then prompts with the trigger ask for the other places, and two
classifiers say which they see. A table of means with standard errors over the seeds, and JSON as
its last line; 1 where a mask gains less than 10 points.
"""

import argparse
import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tiny_painting
from benchmarks.tiny_world import MODELS, judges
from prep.models import vae
from tinyworld.draw import cut_out, draw
from tinyworld.world import BACKGROUNDS, MASCOT, Scene
from train.adapters import applied
from train.families.sd15 import FAMILY

TRIGGER = "lumi"
PICTURES = 16
WAYS = ("whole", "masked")
POSES = {"standing": "standing", "waving": "waving", "cheering": "arms up", "jumping": "jumping"}
FRAMINGS = {"full_body": "full body", "upper_body": "upper body"}
GAIN = 0.1


def write_pictures(folder: Path, seed: int, place: str) -> None:
    """Write pictures of the mascot in one place, each with its words and its mask."""
    folder.mkdir(parents=True)
    dice = random.Random(f"masks:{seed}")
    for number in range(PICTURES):
        pose, framing = dice.choice([*POSES]), dice.choice([*FRAMINGS])
        scene = Scene(MASCOT, place, pose, framing, dice.choice(((128, 128), (96, 128))))
        drawn = 1000 * seed + number
        draw(scene, drawn).save(folder / f"{number}.png")
        cut_out(scene, drawn).getchannel("A").save(folder / f"{number}.mask.png")
        (folder / f"{number}.txt").write_text(f"{POSES[pose]}, {FRAMINGS[framing]}")


def trained(folder: Path, seed: int, steps: int, way: str) -> Path:
    """Return a LoRA of the pictures in a folder."""
    words = [
        "train", "lora", str(folder / "meta_lat.json"), "--name", way, "--out", str(folder),
        "--text-encoder", "--steps", str(steps), "--batch", "4", "--rank", "8", "--learning-rate",
        "2e-3", "--schedule", "cosine", "--seed", str(seed), "--quiet",
        *(["--masked-loss"] if way == "masked" else []),
    ]  # fmt: skip
    _run(*words)
    (made,) = folder.glob(f"{way}-*/{way}.safetensors")
    return made


def measured(lora: Path, places: tuple[str, ...], count: int) -> dict[str, float]:
    """Return how often the place that a prompt names is seen, and the mascot, by each judge."""
    base, coder = FAMILY.load(MODELS / "base", "cpu"), vae.open_vae(MODELS / "base", "cpu")
    applied.set_strength(base, applied.add(lora, base, FAMILY), 1.0)
    texts, sizes = tiny_painting.calls(TRIGGER, places, count)
    pictures = tiny_painting.painted(base, coder, tiny_painting.prompts_of(texts, sizes))
    found = {}
    for name, judge in judges(MODELS).items():
        seen = judge(pictures)
        right = [
            one["background"] == text.split(", ")[-1] for one, text in zip(seen, texts, strict=True)
        ]
        found[f"place obeyed, by {name}"] = sum(right) / count
        found[f"mascot, by {name}"] = sum(map(tiny_painting.is_mascot, seen)) / count
    return found


def main() -> int:
    """Train and measure, print; return 1 where a mask gains too little."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--count", type=int, default=64)
    given = parser.parse_args()
    rows: list[dict[str, dict[str, float]]] = []
    for seed in range(given.seeds):
        place = BACKGROUNDS[seed % len(BACKGROUNDS)]
        others = tuple(name for name in BACKGROUNDS if name != place)
        with tempfile.TemporaryDirectory() as top:
            folder = Path(top)
            write_pictures(folder / "images", seed, place)
            meta = folder / "meta.json"
            _run("prep", "edit", str(folder / "images"), "--out", str(meta), "--trigger", TRIGGER)
            _run("prep", "bucket", str(meta), "--resolution", "128", "--step", "32")
            _run("prep", "latents", str(folder / "meta_bucket.json"), "--model", "tiny")
            rows.append(
                {
                    way: measured(trained(folder, seed, given.steps, way), others, given.count)
                    for way in WAYS
                }
            )
        print(f"seed {seed}, all pictures in `{place}`: {json.dumps(rows[-1])}", flush=True)
    gains = []
    for name in rows[0]["whole"]:
        told = {way: [row[way][name] for row in rows] for way in WAYS}
        told["gain"] = [b - a for a, b in zip(told["whole"], told["masked"], strict=True)]
        gains += [statistics.mean(told["gain"])] if name.startswith("place") else []
        print(f"{name:28}", *(f"{way} {_told(each)}" for way, each in told.items()), sep="  ")
    print(json.dumps({"steps": given.steps, "count": given.count, "seeds": rows}))
    return int(min(gains) < GAIN)


def _told(each: list[float]) -> str:
    error = statistics.stdev(each) / math.sqrt(len(each)) if len(each) > 1 else 0.0
    return f"{statistics.mean(each):.3f} +- {error:.3f}"


def _run(*words: str) -> None:
    command = [sys.executable, "-P", "-m", *words]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(f"failed: {' '.join(words)}")


if __name__ == "__main__":
    raise SystemExit(main())
