"""A full-size base model in one file, of random weights: looked through, trained, written back.

`python -m benchmarks.full_size FOLDER [sd15|sd2|sdxl]` writes the model there (2.1 GB, XL 6.9 GB,
float16) piece by piece, makes two 512 px samples, times `train check` on it, trains a LoRA for two
steps in bf16, and prints what each part took. SD 1.x and 2.x are written back as one file and as a
folder, and opened again. By hand: it wants 10 GB of memory, of XL 16 GB, and minutes.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.models import safetensors_file, vae, vae_files
from prep.models.file_layouts import LAYOUTS, Layout
from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.console import Console
from train.export import model_files
from train.families import all_families, loading
from train.families.family import Family
from train.methods import config_of
from train.run import start


def shapes(layout: Layout) -> dict[str, tuple[int, ...]]:
    """Return the tensors of a whole model in one file, at its real size."""
    import torch
    from transformers import CLIPTextConfig

    found: dict[str, tuple[int, ...]] = {}
    for part in layout.parts():
        facts = layout.settings(part)
        with torch.device("meta"):
            if part in layout.encoders:
                kind = loading.class_of(f"transformers.{facts['architectures'][0]}")
                module = kind(CLIPTextConfig(**facts))
            else:
                module = loading.class_of(f"diffusers.{facts['_class_name']}").from_config(facts)
        tensors = layout.to_file(part, module.state_dict())
        found |= {n: tuple(t.shape) for n, t in tensors.items() if t.is_floating_point()}
    return found


def write_model(path: Path, layout: Layout) -> None:
    """Write a random model in the real layout and size, a tensor at a time."""
    import torch

    torch.manual_seed(0)
    found = shapes(layout)
    buffer = memoryview(bytearray(2 * max(map(prod, found.values()))))
    packed = {
        name: safetensors_file.Packed("F16", shape, buffer[: 2 * prod(shape)])
        for name, shape in found.items()
    }
    head = next(iter(safetensors_file.pieces(packed)))
    with files.replacing(path) as scratch, scratch.open("wb") as file:
        file.write(head)
        for name in sorted(found, key=lambda name: (not found[name], name)):
            shape = found[name]
            scale = prod(shape[1:]) ** -0.5 if len(shape) > 1 else 0.0
            weight = torch.randn(shape) * scale + (len(shape) < 2 and name.endswith("weight"))
            file.write(safetensors_file.packed(weight.half()).data)


def write_dataset(folder: Path, base: Path) -> Path:
    """Write two samples of 512 px with random latents."""
    import torch

    samples = {}
    for n in range(2):
        mean, logvar = torch.randn((2, 4, 64, 64), generator=torch.Generator().manual_seed(n))
        place = f"latents/{n}.safetensors"
        files.write(folder / "images/.prep" / place, vae.dump(vae.Latents(mean, logvar - 3)))
        samples[f"{n}.png"] = Sample(
            f"{n:064x}", (512, 512), ("a", "toy"), bucket=(512, 512), latents=place
        )
    found = Dataset(
        "images", samples, "images/.prep", {"": Concept()}, base=str(base),
        vae=vae_files.numbers(base, base.name),
    )  # fmt: skip
    files.write(folder / "meta_lat.json", dataset_file.dump(found))
    return folder / "meta_lat.json"


@contextmanager
def told(what: str, rows: list[dict[str, Any]]) -> Iterator[None]:
    """Print what the block took."""
    began = time.monotonic()
    yield
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    rows.append({"what": what, "seconds": round(time.monotonic() - began, 1), "peak_gb": peak})
    print(f"{what:<28} {rows[-1]['seconds']:>7} s   peak {peak:.1f} GB", flush=True)


def write_back(model: Path, family: Family, folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write the model as a file and as a folder in float16, and open both again."""
    import torch

    base = family.load(model, "cpu", "float16")
    wanted = base.network.state_dict()
    for form, place in (("file", folder / "back.safetensors"), ("folder", folder / "back")):
        if not place.exists():
            with told(f"write back as a {form}", rows):
                made = model_files.Model(base, model, family.layout, "fp16")
                model_files.FORMS[form](place, made, {})
        with told(f"open that {form} again", rows):
            found = family.load(place, "cpu", "float16").network.state_dict()
        assert all(torch.equal(found[name], value) for name, value in wanted.items())


def check(meta: Path, folder: Path, rows: list[dict[str, Any]]) -> None:
    """Time `train check`: once with the model's digest to compute, once without."""
    command = [sys.executable, "-P", "-m", "train", "check", str(meta), "--steps", "2"]
    command += ["--precision", "bf16", "--out", str(folder / "runs"), "--name", "full"]
    home = os.environ | {"XDG_DATA_HOME": str(folder / "data")}
    for what in ("train check, with the digest", "train check, again"):
        with told(what, rows):
            subprocess.run(command, env=home, check=True, stdout=subprocess.DEVNULL)


def main(folder: Path, kind: str = "sd15") -> None:
    """Make what is missing, train, load, print."""
    rows: list[dict[str, Any]] = []
    (layout,) = (one for one in LAYOUTS if one.name == kind)
    model, family = folder / f"{kind}.safetensors", all_families()[kind]
    if not model.exists():
        with told("write the model", rows):
            write_model(model, layout)
    with told("dataset, VAE's digest", rows):
        meta = write_dataset(folder, model)
    check(meta, folder, rows)
    config = config_of(
        steps=2, rank=16, precision="bf16", gradient_checkpointing=True, out=folder / "runs",
        name="full",
    )  # fmt: skip
    with told("train lora: 2 steps in bf16", rows):
        made = start.start([meta], config, Models(folder / "home", True), Console())
    modules = [n for n in safetensors_file.header(made).tensors if n.endswith("lora_down.weight")]
    print(f"{made}: {made.stat().st_size} bytes, {len(modules)} modules")
    print((made.parent / "metrics.jsonl").read_text(), end="")
    if len(layout.encoders) == 1:
        write_back(model, family, folder, rows)
    (folder / f"full_size_{kind}.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
