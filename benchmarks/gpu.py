"""What a card does with this program: `python -m benchmarks.gpu --out gpu.json [--tiny]`.

Stable Diffusion 1.5 and XL at their real sizes with random weights, built on the card; LoRA of rank
16; texts are states of random numbers. Each row says what it is; one that fails says why, and the
rest goes on; what the time (`--seconds`) does not reach is left out and named. `--tiny` does all of
it on the CPU with tiny models in seconds: to see that it runs.

steps       steps/s of our loop in bf16 at batch 1 and 8, eager and compiled
bare        the same of forward, backward and fused AdamW over the same modules, inputs at hand
share       of the bf16 matrix peak, measured by a large product
memory      the most that was allocated, and what `train check` forecasts
finite      whether ten steps in fp16 and in bf16 have finite losses
resumed     whether 3 + 3 steps are 6, byte for byte, with deterministic kernels, and their cost
latents     pictures/s of the VAE; `tags`: pictures/s of a tagger of the size of ViT-B/16
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

# Deterministic products need it, and it has to be there before the card is touched.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.gpu_models import latents_rate, peak_tflops, tags_rate
from benchmarks.gpu_task import Task

PEAK = "bf16 matrix peak, TFLOP/s"


class Rows:
    """What was found, printed and written as it comes."""

    def __init__(self, seconds: float, out: Path) -> None:
        """Begin; rows that would not end within so many seconds are left out."""
        self.found: dict[str, Any] = {}
        self._until, self._out = time.monotonic() + seconds, out

    def row(self, name: str, work: Callable[[], Any], needs_s: float = 0) -> Any:
        """Note what `work` returns, or why it does not.

        Args:
            needs_s: How long it may well take.
        """
        late = time.monotonic() + needs_s > self._until
        try:
            value = "left out: no time" if late else work()
        except Exception as error:  # a row that fails must not take the others with it
            told = (str(error).strip() or "?").splitlines()[0]
            value = f"failed: {type(error).__name__}: {told}"
        self.found[name] = value
        print(f"{name:<44} {value}", flush=True)
        self._out.write_text(json.dumps(self.found, indent=1) + "\n", encoding="utf-8")
        return value


def ratio(above: Sequence[Any], below: Any) -> float | str:
    """Return a product over a number; a word where one of them was not found."""
    if not all(isinstance(one, float) for one in (*above, below)):
        return "unknown"
    return round(math.prod(above) / below, 3)


def rates(rows: Rows, task: Task, batches: Sequence[int], steps: int, compile_s: float = 0) -> None:
    """Note steps/s of our loop and of the bare one, and their share of the peak.

    Args:
        compile_s: How long the first step of a compiled network may well take; 0: it is not.
    """
    for batch in batches:
        name = f"{task.family.name} {'compiled' if compile_s else 'eager'} batch {batch}"
        few = max(steps // batch, min(steps, 12))
        ours = rows.row(f"{name}: steps/s", partial(task.ours, batch, few), compile_s)
        bare = rows.row(f"{name}: bare steps/s", partial(task.bare, batch, few), compile_s / 4)
        each = rows.row(f"{name}: TFLOP a step", partial(task.tflop, batch))
        rows.row(f"{name}: ours / bare", partial(ratio, (ours,), bare))
        rows.row(f"{name}: share of the bf16 peak", partial(ratio, (ours, each), rows.found[PEAK]))


def checks(rows: Rows, task: Task, batches: Sequence[int], steps: int) -> None:
    """Note memory, finiteness, and whether a resumed run is the straight one."""
    name = task.family.name
    for batch in batches:
        rows.row(f"{name} batch {batch}: most memory, MiB", partial(task.memory, batch))
        rows.row(f"{name} batch {batch}: forecast, MiB", partial(task.forecast, batch))
    for precision in ("bf16", "fp16") if task.device != "cpu" else ("fp32",):
        rows.row(f"{name} {precision}: finite", partial(task.finite, precision))
    rows.row(f"{name}: resumed, usual kernels", partial(task.resumed, False))
    rows.row(f"{name}: resumed, deterministic kernels", partial(task.resumed, True))
    rows.row(f"{name}: deterministic steps/s, batch 1", partial(task.ours, 1, steps, sure=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write JSON; return 1 where a row failed."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--seconds", type=float, default=440)
    parser.add_argument("--tiny", action="store_true")
    chosen = parser.parse_args(arguments)
    tiny = chosen.tiny
    if not tiny and not torch.cuda.is_available():
        parser.error("there is no card that this PyTorch can use; `--tiny` tries it on the CPU")
    device = "cpu" if tiny else "cuda"
    rows = Rows(chosen.seconds, chosen.out)
    rows.row("torch", lambda: torch.__version__)
    rows.row("card", lambda: torch.cuda.get_device_name() if device != "cpu" else "CPU")
    rows.row(PEAK, lambda: peak_tflops(device, 64 if tiny else 8192))
    with tempfile.TemporaryDirectory() as folder:
        tasks = [Task(kind, device, tiny, Path(folder) / kind) for kind in ("sd15", "sdxl")]
        few, steps = ((2,), 3) if tiny else ((1, 8), 30)
        for task in tasks:
            rates(rows, task, few, steps)
            checks(rows, task, few, steps)
            task.rest()
            for batch in few:
                name = f"{task.family.name} latents/s, calls of {batch}"
                rows.row(name, partial(latents_rate, task.family, device, tiny, batch, task.side))
        rows.row("tags/s", partial(tags_rate, Path(folder) / "tagger", tiny))
        for task, compile_s in zip(tasks, (60, 150), strict=True) if not tiny else ():
            rows.row(f"{task.family.name}: compiled from now on", task.compile)
            rates(rows, task, few, steps, compile_s)
            task.rest()
    return int(any(str(one).startswith("failed") for one in rows.found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
