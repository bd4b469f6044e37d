"""Memory and time of converting, merging, resizing and extracting at real size, random weights.

`python -m benchmarks.convert FOLDER [sd15|sd2|sdxl] [--extract]` writes a model there (XL: 6.9 GB,
float16) piece by piece and a LoRA of rank 16 for it, types each command in a process of its own,
and prints seconds, peak memory, and how much is allowed: the two largest tensors and 500 MB. It
wants four times the model's size on the disk. Extracting takes many minutes: only with `--extract`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.full_size import write_model
from prep.models import safetensors_file
from prep.models.file_layouts import LAYOUTS
from prep.models.locate import Models
from train.convert import base_model
from train.convert.extraction import targets

_MB = 1e6
_MORE = 500


def write_lora(path: Path, model: Path, rank: int = 16) -> None:
    """Write a random LoRA for all modules that LoRAs usually change, float32."""
    import torch
    from safetensors.torch import save_file

    found = base_model.opened(str(model), Models(path.parent / "home", offline=True))
    dice, tensors = torch.Generator().manual_seed(0), {}
    for module, one in targets(found, kernels=False).items():
        word = found.family.export_name(module.removeprefix("unet."))
        down, up = (rank, *one.shape[1:]), (one.shape[0], rank, *one.shape[2:])
        tensors[f"{word}.lora_down.weight"] = torch.randn(down, generator=dice) * 0.01
        tensors[f"{word}.lora_up.weight"] = torch.randn(up, generator=dice) * 0.01
        tensors[f"{word}.alpha"] = torch.tensor(8.0)
    save_file(tensors, path, {"ss_base_model_version": found.family.base_version})


def typed(words: list[str], allowed: float) -> None:
    """Type a command in a process of its own; print its time and its peak memory."""
    began = time.monotonic()
    command = [sys.executable, "-P", "-m", "train", *words, "--quiet"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "2"})
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    peak = used.ru_maxrss * 1024 / _MB
    told = "" if process.returncode == 0 else f"  exit code {process.returncode}"
    name = f"{words[0]} {' '.join(word for word in words if word.startswith('--t'))}"
    print(
        f"{name:<16} {Path(words[-1]).name:<18} {time.monotonic() - began:6.0f} s, peak "
        f"{peak:5.0f} MB of {allowed:.0f}{told}",
        flush=True,
    )


def largest(*files: Path) -> float:
    """Return the bytes of the two largest tensors of some files, in MB."""
    sizes = [
        at.end - at.start for file in files for at in safetensors_file.header(file).tensors.values()
    ]
    return sum(sorted(sizes)[-2:]) / _MB


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("family", nargs="?", default="sdxl", choices=[one.name for one in LAYOUTS])
    parser.add_argument("--extract", action="store_true")
    given = parser.parse_args()
    top: Path = given.folder / given.family
    top.mkdir(parents=True, exist_ok=True)
    layout = next(one for one in LAYOUTS if one.name == given.family)
    model, lora = top / "model.safetensors", top / "lora.safetensors"
    if not model.exists():
        write_model(model, layout)
    if not lora.exists():
        write_lora(lora, model)
    made, folder = top / "made.safetensors", top / "made"
    whole, small = largest(model) + _MORE, largest(lora) + _MORE
    print(f"{model.stat().st_size / 1e9:.1f} GB, LoRA {lora.stat().st_size / 1e6:.0f} MB")
    commands = [
        (["convert", str(model), "--to", "folder", "--out", str(folder)], whole),
        (["convert", str(folder), "--to", "file", "--out", str(made)], whole),
        (["merge", str(lora), "--into", str(folder), "--out", str(made)], whole),
        (["merge", f"{model}:0.6", f"{folder}:0.4", "--out", str(made)], whole),
        (["convert", str(lora), "--to", "peft", "--out", str(made)], small),
        (["merge", str(lora), f"{lora}:0.5", "--out", str(made)], small),
        (["resize", str(lora), "--energy", "0.9", "--out", str(made)], small),
    ]
    for words, allowed in commands:
        if made.exists():
            made.unlink()
        typed(words, allowed)
    if given.extract:
        tuned = top / "tuned.safetensors"
        typed(["merge", str(lora), "--into", str(model), "--out", str(tuned)], whole)
        made.unlink(missing_ok=True)
        typed(["extract", str(tuned), str(model), "--rank", "16", "--out", str(made)], whole)
        tuned.unlink()
    shutil.rmtree(folder, ignore_errors=True)
    made.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
