"""What each method makes of the tiny world's mascot, at equal cost, with and without preservation.

`python -m benchmarks.methods FOLDER [lora] [dora] [loha] [lokr] [oft] [embedding] [finetune]
[--seeds N] [--count N]`

Every method trains on the demo's pictures for about the same time, once alone and once beside class
pictures that the base model drew, balanced. FOLDER keeps what is done: the same command goes on.
Judged by the tagger: the whole mascot with its trigger; the share of its four attributes in the
same prompts without it; prompts that name all five attributes of others, obeyed; a background that
no picture of the mascot showed. A table of means and standard errors over seeds; 1 where a method
is no better than the base model.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import preservation, tiny_painting
from benchmarks.preservation import cell, mean
from prep.models.locate import Models
from prep.runtime.console import Console
from tinyworld.demo import TRIGGER
from tinyworld.words import look_tags
from tinyworld.world import MASCOT
from train.methods import config_of
from train.run.start import start


class Row(NamedTuple):
    """A method with the settings that suit it in this world.

    Attributes:
        steps: So many take about as long as 300 of a LoRA.
    """

    steps: int
    settings: Mapping[str, Any]


ROWS: Mapping[str, Row] = {
    "lora": Row(300, {"rank": 8, "learning_rate": 2e-3, "text_encoder": True}),
    "dora": Row(240, {"rank": 8, "learning_rate": 2e-3, "text_encoder": True}),
    "loha": Row(260, {"rank": 4, "learning_rate": 4e-3, "text_encoder": True}),
    "lokr": Row(280, {"rank": 8, "learning_rate": 4e-3, "text_encoder": True}),
    "oft": Row(220, {"learning_rate": 1e-3, "text_encoder": True}),
    "embedding": Row(380, {"vectors": 4, "learning_rate": 2e-2, "initial_words": "mascot"}),
    "finetune": Row(380, {"learning_rate": 2e-4, "text_encoder": True}),
}
COMMON: Mapping[str, Any] = {"base": "tiny", "batch": 4, "schedule": "cosine", "device": "cpu"}


def judged(made: Path | None, count: int) -> dict[str, float]:
    """Return the shares of an export, a file or a whole model; of the base model without one."""
    abroad = tiny_painting.prompts_of(*tiny_painting.calls(TRIGGER, ("studio",), count))
    asked = preservation.prompts(count)
    asked["abroad"] = [replace(one, steps=8, sampler="unipc") for one in abroad]
    seen = preservation.seen_by_tagger(made, asked)
    hits = tiny_painting.obeyed(tiny_painting.scenes_asked(count, unseen=False), seen["others"])
    look = look_tags(MASCOT).items()
    return {
        "identity": mean([tiny_painting.is_mascot(one) for one in seen["called"]]),
        "alike": mean([one[word] == tag for one in seen["left open"] for word, tag in look]),
        "others": mean([all(one.values()) for one in hits]),
        "background": mean([one["background"] == "studio" for one in seen["abroad"]]),
        "there": mean([tiny_painting.is_mascot(one) for one in seen["abroad"]]),
    }


def one(folder: Path, name: str, seed: int, kept: bool, count: int) -> dict[str, float]:
    """Train and judge once, or read what came of it; with the seconds that it trained."""
    word = f"{name}{'-kept' if kept else ''}-{seed}"
    file = folder / f"{word}.json"
    if not file.exists():
        metas = [preservation.dataset(folder)]
        metas += [preservation.class_dataset(folder)] if kept else []
        row = ROWS[name]
        config = config_of(
            name, **COMMON, **row.settings, steps=row.steps, seed=seed, name=word,
            out=folder / "runs", balance_regularisation=kept,
        )  # fmt: skip
        began = time.process_time()
        made = start(metas, config, Models(folder / "home", offline=True), Console(level=0))
        seconds = time.process_time() - began
        file.write_text(json.dumps(judged(made, count) | {"seconds": seconds}))
    found: dict[str, float] = json.loads(file.read_text())
    return found


def main() -> int:
    """Train and judge what is not done yet, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(ROWS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--count", type=int, default=32)
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    before = folder / "base.json"
    if not before.exists():
        before.write_text(json.dumps(judged(None, given.count)))
    alone: dict[str, float] = json.loads(before.read_text())
    print("base model: " + "  ".join(f"{word} {value:.3f}" for word, value in alone.items()))
    better = True
    for name in given.names or ROWS:
        for kept in (False, True):
            each = [one(folder, name, seed, kept, given.count) for seed in range(given.seeds)]
            told = "  ".join(f"{word} {cell([run[word] for run in each])}" for word in each[0])
            print(f"{name + (', class pictures' if kept else ''):26} {told}", flush=True)
            better = better and mean([run["identity"] for run in each]) > alone["identity"]
    return int(not better)


if __name__ == "__main__":
    raise SystemExit(main())
