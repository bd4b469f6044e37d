"""How much of the tiny world's mascot leaks into prompts that do not call it, and what stops it.

`python -m benchmarks.preservation FOLDER [none] [prior] [blank] [both] [class] [--seeds N]`

Each LoRA is that of the demo (300 steps, text encoder too); `class` trains on class pictures that
the base model drew, balanced. FOLDER keeps what is done: the same command goes on. Judged by the
tagger: the whole mascot with its trigger; the same prompts without it, the whole mascot and the
share of its four attributes; prompts that name all five attributes of another one, all obeyed.
"""

import argparse
import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tiny_painting, tiny_reading
from prep.models import vae
from prep.models.locate import Models
from prep.runtime.console import Console
from tinyworld.demo import PIPELINES, RULES, TRIGGER
from tinyworld.pictures import write_pictures
from tinyworld.words import caption, look_tags
from tinyworld.world import MASCOT
from train.adapters.file_kinds import put_on
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.run.start import start
from train.samples.prompts import Prompt

MODELS = Path(__file__).resolve().parents[1] / "tinyworld" / "models"
CLASS_PROMPT, CLASS_PICTURES = "a mascot", 40
KEPT: Mapping[str, Mapping[str, Any]] = {
    "none": {},
    "prior": {"prior_prediction": 1.0},
    "blank": {"blank_prompt_preservation": 1.0},
    "both": {"prior_prediction": 1.0, "blank_prompt_preservation": 1.0},
    "class": {"balance_regularisation": True},
}
SETTINGS: Mapping[str, Any] = {
    "base": "tiny", "text_encoder": True, "steps": 300, "batch": 4, "rank": 8,
    "learning_rate": 2e-3, "schedule": "cosine", "device": "cpu",
}  # fmt: skip


def _run(*words: str) -> None:
    code = subprocess.run([sys.executable, "-P", "-m", *words], check=False).returncode
    if code not in (0, 3):  # 3: the demo has a picture that cannot be read
        raise SystemExit(code)


def dataset(folder: Path) -> Path:
    """Return the dataset of the demo's pictures."""
    meta = folder / "meta_lat.json"
    if not meta.exists():
        write_pictures(folder / "raw")
        (folder / "pipelines.yaml").write_text(PIPELINES.partition("    train:")[0])
        (folder / "tags.rules").write_text(RULES)
        _run("prep", "run", "--pipelines", str(folder / "pipelines.yaml"), "--quiet")
    return meta


def class_dataset(folder: Path) -> Path:
    """Return the dataset of class pictures that the base model drew."""
    meta = folder / "class_lat.json"
    if not meta.exists():
        drawn = folder / "class" / f"reg/1_{CLASS_PROMPT}"
        _run(
            "train", "class-pictures", str(drawn), "--prompt", CLASS_PROMPT, "--base", "tiny",
            "--count", str(CLASS_PICTURES), "--width", "96", "--height", "128",
            "--sampler", "unipc", "--steps", "8", "--guidance", "4",
        )  # fmt: skip
        _run("prep", "edit", str(folder / "class"), "--out", str(folder / "class.json"), "-q")
        sides = ("--resolution", "112", "--step", "32", "-q")
        _run("prep", "bucket", str(folder / "class.json"), *sides)
        _run("prep", "latents", str(folder / "class_bucket.json"), "--model", "tiny", "-q")
    return meta


def prompts(count: int) -> dict[str, list[Prompt]]:
    """Return prompts with the trigger, the same ones without it, and those of other mascots."""
    texts, sizes = tiny_painting.calls(TRIGGER, tiny_painting.SEEN_PLACES, count)
    scenes = tiny_painting.scenes_asked(count, unseen=False)
    found = {
        "called": tiny_painting.prompts_of(texts, sizes),
        "left open": tiny_painting.prompts_of(
            [text.removeprefix(f"{TRIGGER}, ") for text in texts], sizes
        ),
        "others": tiny_painting.prompts_of([caption(one) for one in scenes], [(96, 128)] * count),
    }
    return {
        name: [replace(one, steps=8, sampler="unipc") for one in each]
        for name, each in found.items()
    }


def seen_by_tagger(
    made: Path | None, asked: Mapping[str, Sequence[Prompt]]
) -> dict[str, list[dict[str, str]]]:
    """Return what the tagger sees in what an export draws of prompts, by their names.

    Args:
        made: A file or a whole model; None for the base model alone.
    """
    own = MODELS / "base"
    whole = made is not None and made.is_dir()
    base = FAMILY.load(made if made is not None and whole else own, "cpu")
    if made is not None and not whole:
        put_on([(made, 1.0)], base, FAMILY, {})(1.0)
    coder, judge = vae.open_vae(own, "cpu"), tiny_reading.tagger_judge(str(MODELS / "tagger"))
    return {name: judge(tiny_painting.painted(base, coder, each)) for name, each in asked.items()}


def judged(lora: Path | None, count: int) -> dict[str, float]:
    """Return the four shares of a LoRA; of the base model alone without one."""
    seen = seen_by_tagger(lora, prompts(count))
    scenes, look = tiny_painting.scenes_asked(count, unseen=False), look_tags(MASCOT)
    hits = tiny_painting.obeyed(scenes, seen["others"])
    alike = [one[attribute] == tag for one in seen["left open"] for attribute, tag in look.items()]
    return {
        "called": mean([tiny_painting.is_mascot(one) for one in seen["called"]]),
        "leak": mean([tiny_painting.is_mascot(one) for one in seen["left open"]]),
        "alike": mean(alike),
        "others": mean([all(one.values()) for one in hits]),
    }


def cell(values: Sequence[float]) -> str:
    """Return mean and standard error."""
    middle = mean(values)
    spread = math.sqrt(sum((one - middle) ** 2 for one in values) / max(1, len(values) - 1))
    return f"{middle:.3f} +- {spread / math.sqrt(len(values)):.3f}"


def mean(each: Sequence[float]) -> float:
    """Return the mean of some numbers."""
    return sum(each) / len(each)


def main() -> int:
    """Train and judge what is not done yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(KEPT))
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--count", type=int, default=64)
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    own, models = dataset(folder), Models(folder / "home", offline=True)
    _tell("base model", [_once(folder / "base.json", None, given.count)])
    for name in given.names or KEPT:
        metas = [own, class_dataset(folder)] if name == "class" else [own]
        found = []
        for seed in range(given.seeds):
            config = config_of(
                **SETTINGS, **KEPT[name], seed=seed, name=f"{name}-{seed}", out=folder / "runs"
            )
            made = start(metas, config, models, Console(level=0))
            found.append(_once(made.with_name("judged.json"), made, given.count))
        _tell(name, found)
    return 0


def _once(file: Path, lora: Path | None, count: int) -> dict[str, float]:
    if not file.exists():
        file.write_text(json.dumps(judged(lora, count)))
    found: dict[str, float] = json.loads(file.read_text())
    return found


def _tell(name: str, each: Sequence[Mapping[str, float]]) -> None:
    """Print a row: means over seeds, with the standard error where there are several."""
    cells = []
    for word in each[0]:
        values = [one[word] for one in each]
        cells.append(f"{word} {cell(values)}")
    print(f"{name:12} " + "  ".join(cells), flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
