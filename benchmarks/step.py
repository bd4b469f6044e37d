"""What our training costs over the bare modules, on the embedded model at 128 px and batch 4.

`python -m benchmarks.step [--out FILE] [--steps N] [--starts N]`

step      our step over forward, backward and AdamW of the same modules with inputs at hand; both
          take turns, medians are compared: at most 1.03
data      share of our step that is spent on making its input: under 1 %
start     from the start of the process to the end of the first step, over a process that imports
          the same libraries and loads the same model; both take turns: at most 1.5 s more
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.train.conftest import build_dataset
from tests.train.killing import killed

ROOT = Path(__file__).resolve().parents[1]
BASE = ROOT / "tinyworld" / "models" / "base"
BATCH = 4
MOST_STEP = 1.03
MOST_DATA = 0.01
MOST_START_S = 1.5
BARE_START = """\
import os
import accelerate, peft, torch
from diffusers import DDPMScheduler, UNet2DConditionModel
from transformers import CLIPTextModel, CLIPTokenizer
base = {base!r}
unet = UNet2DConditionModel.from_pretrained(base + "/unet", local_files_only=True)
text = CLIPTextModel.from_pretrained(base + "/text_encoder", local_files_only=True)
CLIPTokenizer.from_pretrained(base + "/tokenizer", local_files_only=True)
unet.add_adapter(peft.LoraConfig(r=16, target_modules={targets!r}))
torch.optim.AdamW([p for p in unet.parameters() if p.requires_grad])
os._exit(0)
"""


def steps(meta: Path, count: int) -> dict[str, float]:
    """Return median seconds of our step, of a bare one, and of making our input."""
    import torch

    from train.data import dataset
    from train.data.batches import Batch, Batches
    from train.data.text_states import TextCache
    from train.families.sd15 import FAMILY
    from train.methods import config_of
    from train.methods.lora import attach
    from train.step.distributed import Processes
    from train.step.loop import Step, Training, stacked, train
    from train.step.trainer import Trainer

    config = config_of(steps=count, batch=BATCH)
    spent: list[float] = []

    class Timed(Batches):
        """Batches, and how long they take."""

        def batch(self, *words: Any) -> Batch:
            """Return what batches return."""
            began = time.perf_counter()
            found = super().batch(*words)
            spent.append(time.perf_counter() - began)
            return found

    ours, plain = (FAMILY.load(BASE, "cpu") for _ in range(2))
    for base in (ours, plain):
        attach(base, FAMILY, config)
    batches = Timed(dataset.load([meta]), config, 0.18215, 0.0)
    states = TextCache(lambda texts: FAMILY.encode(ours, texts))
    training = Training(ours, FAMILY, batches, states, Processes())
    first = batches.batch(list(batches.data.samples)[:BATCH], 0, 0, range(BATCH), ours.process)
    state = stacked(states.of(first.texts), "cpu")["text"]
    weights = list(plain.learning().values())
    optimizer = torch.optim.AdamW(weights, lr=1e-4)
    bare: list[float] = []
    mine: list[float] = []
    clock = [time.perf_counter()]

    def other(_step: Step) -> None:
        mine.append(time.perf_counter() - clock[0])
        began = time.perf_counter()
        answer = plain.network(first.noise_BCHW, first.time_B, state).sample
        torch.nn.functional.mse_loss(answer, first.x0_BCHW).backward()
        optimizer.step()
        optimizer.zero_grad()
        bare.append(time.perf_counter() - began)
        clock[0] = time.perf_counter()

    train(training, Trainer(ours.learning(), config, "cpu"), 0, count, other)
    warm = count // 5  # the first ones fill caches
    return {
        "ours_s": statistics.median(mine[warm:]),
        "bare_s": statistics.median(bare[warm:]),
        "data_s": statistics.median(spent[warm:]),
    }


def starts(meta: Path, work: Path, count: int) -> dict[str, float]:
    """Return median seconds to the end of our first step, and of the bare imports and load."""
    from train.families.sd15 import FAMILY

    bare, ours = [], []
    code = BARE_START.format(base=str(BASE), targets=list(FAMILY.lora_targets))
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    for number in range(count):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ), **quiet)
        bare.append(time.perf_counter() - began)
        settings = {"out": str(work / str(number)), "batch": BATCH, "base": str(BASE)}
        began = time.perf_counter()
        assert killed(meta, work / "home", 1, 0, settings) == -9
        ours.append(time.perf_counter() - began)
    return {"ours_s": statistics.median(ours), "bare_s": statistics.median(bare)}


def main() -> int:
    """Measure, print a table, write JSON; return 1 where a limit is passed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--starts", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        meta = build_dataset(work / "data", BASE, 16, ((128, 128),))
        one = steps(meta, given.steps)
        two = starts(meta, work, given.starts)
    rows = [
        ("step", "ours / bare", one["ours_s"] / one["bare_s"], MOST_STEP, one),
        ("data", "share of a step", one["data_s"] / one["ours_s"], MOST_DATA, one),
        ("start", "seconds more", two["ours_s"] - two["bare_s"], MOST_START_S, two),
    ]
    for case, what, value, most, facts in rows:
        told = ", ".join(f"{word} {number:.4f}" for word, number in facts.items())
        print(f"{case:6} {what:16} {value:7.4f}  at most {most}  ({told})")
    if given.out:
        found = [
            {"case": case, "what": what, "value": value, "most": most} | facts
            for case, what, value, most, facts in rows
        ]
        given.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return int(any(value > most for _, _, value, most, _ in rows))


if __name__ == "__main__":
    raise SystemExit(main())
