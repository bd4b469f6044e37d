"""Models at their real sizes with random weights, built where they compute; tiny ones to try."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.tagger_graphs import labels_file, trivial, vit
from prep.dataset import dataset_file
from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.models import clip_tokens, file_layouts, vae
from prep.models.file_layouts import Layout
from prep.models.locate import Ask, Models
from prep.models.vae_files import Vae
from prep.runtime import files
from train.families import loading
from train.families.family import Base, Family

if TYPE_CHECKING:
    from torch import Tensor

_SAMPLES = 16


def layout_of(family: Family) -> Layout:
    """Return the layout that knows a family's real sizes."""
    (found,) = (one for one in file_layouts.LAYOUTS if one.name == family.name)
    return found


def network_of(family: Family, device: str, tiny: bool) -> Any:
    """Return a U-Net, frozen, ready to have something learn in it."""
    import torch

    kind: Any = loading.class_of("diffusers.UNet2DConditionModel")
    with torch.device(device):
        if tiny:
            found = kind(**family.tiny.network)
        else:
            found = kind.from_config(layout_of(family).settings("unet"))
    return found.requires_grad_(False).train()


def base_of(family: Family, device: str, network: Any, encoders: dict[str, Any]) -> Base:
    """Return a base model of its parts; its tokenizers know single letters."""
    from transformers import CLIPTokenizer

    words = CLIPTokenizer(vocab=clip_tokens.vocabulary([]), merges=[], model_max_length=77)
    readers = {part.replace("text_encoder", "tokenizer"): words for part in encoders}
    process = family.process.read(
        file_layouts.shipped(family.name) / "scheduler", family.prediction
    )
    return Base(network, readers, process, device, encoders)


def outline_of(family: Family, tiny: bool) -> Base:
    """Return a whole base model without weights, on the meta device."""
    import torch
    from transformers import CLIPTextConfig

    encoders: dict[str, Any] = {}
    for part, (name, small) in family.tiny.encoders.items():
        facts = dict(small) if tiny else layout_of(family).settings(part)
        with torch.device("meta"):
            encoders[part] = loading.class_of(f"transformers.{name}")(CLIPTextConfig(**facts))
    return base_of(family, "meta", network_of(family, "meta", tiny), encoders)


def states_for(network: Any) -> "dict[str, Tensor]":
    """Return random numbers in the place of a text's states."""
    import torch

    facts, generator = network.config, torch.Generator().manual_seed(1)
    found = {"text": torch.randn(77, facts.cross_attention_dim, generator=generator)}
    if facts.addition_embed_type:
        wide = facts.projection_class_embeddings_input_dim - 6 * facts.addition_time_embed_dim
        found["pooled"] = torch.randn(wide, generator=generator)
    return found


def write_latents(folder: Path, family: Family, side: int) -> Path:
    """Write a dataset of square pictures with random latents; return its file."""
    import torch

    space, samples = family.space, dict[str, Sample]()
    for n in range(_SAMPLES):
        shape = (2, space.channels, side // space.factor, side // space.factor)
        mean, logvar = torch.randn(shape, generator=torch.Generator().manual_seed(n))
        place = f"latents/{n}.safetensors"
        files.write(folder / "images/.prep" / place, vae.dump(vae.Latents(mean, logvar - 3)))
        samples[f"{n}.png"] = Sample(
            f"{n:064x}", (side, side), (f"toy {n}",), bucket=(side, side), latents=place
        )
    made = Vae("random", "0" * 64, space.scale, space.shift, space.channels, space.factor)
    found = Dataset("images", samples, "images/.prep", {"": Concept()}, vae=made)
    files.write(folder / "meta_lat.json", dataset_file.dump(found))
    return folder / "meta_lat.json"


def latents_rate(family: Family, device: str, tiny: bool, batch: int, side: int) -> float:
    """Return pictures/s through the VAE, pictures read to latents in memory.

    Args:
        batch: Pictures of a call.
        side: Of the square pictures, px.
    """
    import numpy as np
    import torch
    from PIL import Image

    kind: Any = loading.class_of("diffusers.AutoencoderKL")
    facts = layout_of(family).settings("vae") | ({"block_out_channels": [32] * 4} if tiny else {})
    with torch.device(device):
        coder = kind.from_config(facts).eval().requires_grad_(False)
    draw = np.random.default_rng(0)
    noise = [draw.integers(0, 255, (side, side, 3), np.uint8) for _ in range(batch)]
    pictures = [Image.fromarray(one) for one in noise]
    vae.encode(coder, pictures)
    calls, began = 1 if tiny else 5, time.perf_counter()
    for _ in range(calls):
        vae.encode(coder, pictures)
    return round(calls * batch / (time.perf_counter() - began), 2)


def tags_rate(folder: Path, tiny: bool) -> str:
    """Return pictures/s of a tagger of the size of ViT-B/16, and where it ran."""
    from PIL import Image

    from tagger_models.onnx.tagger import open_tagger
    from tagger_models.profiles.registry import profile

    labels, side, calls = (50, 64, 1) if tiny else (10_861, 448, 5)
    folder.mkdir()
    (folder / "model.onnx").write_bytes(trivial(labels, side) if tiny else vit(labels, side))
    (folder / "selected_tags.csv").write_text(labels_file(labels))
    name = str(folder)
    found = Models(folder / "home", offline=True).find(Ask("tagger", name))
    tagger = open_tagger(found, profile(name), threads=0)
    squares = [Image.new("RGB", (side, side), (n, 90, 200)) for n in range(tagger.usual_batch)]
    tagger.score(squares)
    began = time.perf_counter()
    for _ in range(calls):
        tagger.score(squares)
    rate = calls * len(squares) / (time.perf_counter() - began)
    return f"{rate:.1f} ({tagger.provider}, calls of {len(squares)})"


def peak_tflops(device: str, side: int) -> float:
    """Return the TFLOP/s of a product of two bf16 matrices."""
    import torch

    one, two = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))

    def waited() -> float:
        if device != "cpu":
            torch.cuda.synchronize()
        return time.perf_counter()

    for _ in range(3):
        one @ two
    began = waited()
    for _ in range(10):
        one @ two
    return round(10 * 2 * side**3 / (waited() - began) / 1e12, 6)
