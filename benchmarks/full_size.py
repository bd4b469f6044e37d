"""A full-size Stable Diffusion 1.5 in one file, of random weights: trained, and written back.

`python -m benchmarks.full_size FOLDER` writes the model there (2.1 GB, bfloat16), makes two 512 px
samples, trains a LoRA for two steps in bf16, writes the model back as one file and as a folder,
opens both again, and prints what each part took. By hand: it wants 10 GB of memory and minutes.
"""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.models import ldm_names, safetensors_file, single_file, vae, vae_files
from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.console import Console
from train.export import model_files
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.run import start


def write_model(path: Path) -> None:
    """Write a random model in the real layout and size."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    def config(part: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            (single_file.shipped() / part / "config.json").read_text()
        )
        return found

    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    unet: Any = UNet2DConditionModel
    coder: Any = AutoencoderKL
    parts = {
        "unet": unet.from_config(config("unet")),
        "vae": coder.from_config(config("vae")),
        "text_encoder": CLIPTextModel(CLIPTextConfig(**config("text_encoder"))),
    }
    torch.set_default_dtype(torch.float32)
    packed = {}
    for part, module in parts.items():
        for name, tensor in module.state_dict().items():
            shape = (*tensor.shape, 1, 1) if ldm_names.is_flat(part, name) else tuple(tensor.shape)
            data = tensor.contiguous().view(-1).view(torch.uint8).numpy().data
            packed[ldm_names.to_ldm(part, name)] = safetensors_file.Packed("BF16", shape, data)
    with files.replacing(path) as scratch, scratch.open("wb") as file:
        file.writelines(safetensors_file.pieces(packed))


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


def write_back(model: Path, folder: Path, rows: list[dict[str, Any]]) -> None:
    """Write the model as a file and as a folder, and open both again."""
    import torch

    base = FAMILY.load(model, "cpu", "bfloat16")
    wanted = base.network.state_dict()
    for form, place in (("file", folder / "back.safetensors"), ("folder", folder / "back")):
        if not place.exists():
            with told(f"write back as a {form}", rows):
                model_files.FORMS[form](place, base, model, {})
        with told(f"open that {form} again", rows):
            found = FAMILY.load(place, "cpu", "bfloat16").network.state_dict()
        assert all(torch.equal(found[name], value) for name, value in wanted.items())


def main(folder: Path) -> None:
    """Make what is missing, train, load, print."""
    rows: list[dict[str, Any]] = []
    model = folder / "full.safetensors"
    if not model.exists():
        with told("write the model", rows):
            write_model(model)
    with told("dataset, VAE's digest", rows):
        meta = write_dataset(folder, model)
    config = config_of(steps=2, rank=16, precision="bf16", out=folder / "runs", name="full")
    with told("train lora: 2 steps in bf16", rows):
        made = start.start([meta], config, Models(folder / "home", True), Console())
    modules = [n for n in safetensors_file.header(made).tensors if n.endswith("lora_down.weight")]
    print(f"{made}: {made.stat().st_size} bytes, {len(modules)} modules")
    print((made.parent / "metrics.jsonl").read_text(), end="")
    write_back(model, folder, rows)
    (folder / "full_size.json").write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
