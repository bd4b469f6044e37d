"""What a step costs whose text encoder learns, its texts read at once and one by one.

`python -m benchmarks.text_batch [--out FILE] [--steps N]`

The text encoder is that of Stable Diffusion 1.5 in its real size (12 layers of 768), the U-Net is a
tiny one, all weights are random; a LoRA of rank 16 on both, batch 8, eight texts of 75 tokens. Both
ways take turns, medians are compared: at once at least twice as many steps a second.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.train.conftest import build_dataset, change
from train.families.sd15 import FAMILY

BATCH = 8
LEAST = 2.0
# Of CLIP ViT-L/14's text encoder, beside what tiny ones have.
FULL_SIZE = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "vocab_size": 49408,
}


def write_model(folder: Path) -> Path:
    """Write a model whose text encoder alone has its real size."""
    ((kind, facts),) = FAMILY.tiny.encoders.values()
    network = {**FAMILY.tiny.network, "cross_attention_dim": FULL_SIZE["hidden_size"]}
    encoders = {"text_encoder": (kind, {**facts, **FULL_SIZE})}
    return replace(FAMILY.tiny, network=network, encoders=encoders).write(folder)


def steps(place: Path, meta: Path, count: int) -> dict[str, float]:
    """Return median seconds of a step, by how its texts are read."""
    from train.data import dataset
    from train.data.batches import Batches
    from train.data.text_states import TextCache
    from train.methods import config_of
    from train.methods.lora import attach
    from train.step.distributed import Processes
    from train.step.loop import Training, train
    from train.step.trainer import Trainer

    config = config_of(steps=count, batch=BATCH, text_encoder=True)
    base = FAMILY.load(place, "cpu")
    attach(base, FAMILY, config)
    trainer = Trainer(base.learning(), config, "cpu")

    def at_once(texts: list[str]) -> list[Any]:
        return FAMILY.encode(base, texts)

    def one_by_one(texts: list[str]) -> list[Any]:
        return [FAMILY.encode(base, [text])[0] for text in texts]

    found: dict[str, list[float]] = {"at_once_s": [], "one_by_one_s": []}
    ways = zip(found.values(), (at_once, one_by_one), strict=True)
    runs = [
        (
            spent,
            Training(
                base, FAMILY, Batches(dataset.load([meta]), config, 1.0, 0.0),
                TextCache(way, learns=True), Processes(),
            ),
        )
        for spent, way in ways
    ]  # fmt: skip
    for step in range(count):
        for spent, training in runs:
            began = time.perf_counter()
            train(training, trainer, step, step + 1, lambda _: None)
            spent.append(time.perf_counter() - began)
    return {word: statistics.median(spent[1:]) for word, spent in found.items()}


def main() -> int:
    """Measure, print a line, write JSON; return 1 where the limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--steps", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = write_model(Path(folder) / "model")
        meta = build_dataset(Path(folder) / "data", place, BATCH, ((64, 64),))
        for number in range(BATCH):
            change(meta, f"{number}.png", tags=(f"{number}", *"abcdefghijklmnopqrstuvwxyz"))
        found = steps(place, meta, given.steps)
    faster = found["one_by_one_s"] / found["at_once_s"]
    told = ", ".join(f"{word} {value:.2f}" for word, value in found.items())
    print(
        f"text encoder, batch {BATCH}: {faster:.2f} times as many steps, at least {LEAST} ({told})"
    )
    if given.out:
        given.out.write_text(json.dumps(found | {"faster": faster}, indent=1) + "\n", "utf-8")
    return int(faster < LEAST)


if __name__ == "__main__":
    raise SystemExit(main())
