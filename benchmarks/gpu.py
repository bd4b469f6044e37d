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
resumed     whether 3 + 3 steps are 6 steps, byte for byte, with deterministic kernels, and their cost
latents     pictures/s of the VAE; `tags`: pictures/s of a tagger of the size of ViT-B/16
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# Deterministic products need it, and it has to be there before the card is touched.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.gpu_task import Task, peak_tflops, tagger_of, vae_of


class Rows:
    """What was found, printed as it comes."""

    def __init__(self, seconds: float) -> None:
        """Begin; rows that are asked for after so many seconds are left out."""
        self.found: dict[str, Any] = {}
        self._until = time.monotonic() + seconds

    def row(self, name: str, work: Callable[[], Any]) -> Any:
        """Note what `work` returns, or why it does not."""
        try:
            value = work() if time.monotonic() < self._until else "left out: no time"
        except Exception as error:  # a row that fails must not take the others with it
            told = (str(error).strip() or "?").splitlines()[0]
            value = f"failed: {type(error).__name__}: {told}"
        self.found[name] = value
        print(f"{name:<44} {value}", flush=True)
        return value


def rates(rows: Rows, task: Task, batches: Sequence[int], steps: int, compiled: bool) -> None:
    """Note steps/s of our loop and of the bare one, and their share of the peak."""
    kind = "compiled" if compiled else "eager"
    for batch in batches:
        name = f"{task.family.name} {kind} batch {batch}"
        ours = rows.row(f"{name}: steps/s", lambda b=batch: task.ours(b, steps))
        bare = rows.row(f"{name}: bare steps/s", lambda b=batch: task.bare(b, steps))
        if isinstance(ours, float) and isinstance(bare, float):
            rows.row(f"{name}: ours / bare", lambda a=ours, b=bare: round(a / b, 3))
        peak = rows.found.get("bf16 matrix peak, TFLOP/s")
        if isinstance(ours, float) and isinstance(peak, float):
            share = rows.row(f"{name}: TFLOP a step", lambda b=batch: task.tflop(b))
            if isinstance(share, float):
                rows.row(f"{name}: share of the peak", lambda: round(ours * share / peak, 3))


def checks(rows: Rows, task: Task) -> None:
    """Note memory, finiteness, and whether a resumed run is the straight one."""
    name = task.family.name
    for batch in (1, 8):
        rows.row(f"{name} batch {batch}: most memory, MiB", lambda b=batch: task.memory(b))
        rows.row(f"{name} batch {batch}: forecast, MiB", lambda b=batch: task.forecast(b))
    for precision in ("bf16", "fp16") if task.device != "cpu" else ("bf16",):
        rows.row(f"{name} {precision}: finite", lambda p=precision: task.finite(p))
    rows.row(f"{name}: resumed, usual kernels", lambda: task.resumed(False))
    rows.row(f"{name}: resumed, deterministic kernels", lambda: task.resumed(True))
    rows.row(f"{name}: deterministic steps/s, batch 1", lambda: task.ours(1, 20, sure=True))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, write JSON; return 1 where a row failed."""
    import torch

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=Path("gpu.json"))
    parser.add_argument("--seconds", type=float, default=440)
    parser.add_argument("--tiny", action="store_true")
    chosen = parser.parse_args(arguments)
    tiny = chosen.tiny
    device = "cpu" if tiny or not torch.cuda.is_available() else "cuda"
    rows = Rows(chosen.seconds)
    rows.row("torch", lambda: torch.__version__)
    rows.row("card", lambda: torch.cuda.get_device_name() if device != "cpu" else "CPU")
    rows.row("bf16 matrix peak, TFLOP/s", lambda: peak_tflops(device, 64 if tiny else 8192))
    with tempfile.TemporaryDirectory() as folder:
        tasks = [Task(kind, device, tiny, Path(folder) / kind) for kind in ("sd15", "sdxl")]
        few = (1, 2) if tiny else (1, 8)
        for task in tasks:
            rates(rows, task, few, 3 if tiny else 40, compiled=False)
            checks(rows, task)
            vae = vae_of(task.family.name, device, tiny)
            for batch in few:
                pictures = lambda b=batch, t=task, v=vae: v(b, t.side)  # noqa: E731
                rows.row(f"{task.family.name} latents/s, calls of {batch}", pictures)
            task.rest()
        rows.row("tags/s", lambda: tagger_of(Path(folder) / "tagger", tiny))
        for task in tasks if not tiny else ():
            task.compile()
            rates(rows, task, few if task.family.name == "sd15" else (1,), 40, compiled=True)
            task.rest()
    chosen.out.write_text(json.dumps(rows.found, indent=1) + "\n", encoding="utf-8")
    return int(any(str(one).startswith("failed") for one in rows.found.values()))


if __name__ == "__main__":
    raise SystemExit(main())
