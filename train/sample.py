"""`train sample`: a LoRA beside its base model, on one labelled sheet."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep import files, tensorfile
from prep.console import Console
from prep.errors import ConfigError, ModelFileError
from prep.models import Models
from train import lora
from train.family import Base, Family
from train.prompts import Prompt, read
from train.run import opened_base

if TYPE_CHECKING:
    from PIL import Image


@dataclass(frozen=True)
class Wish:
    """What a sheet shows.

    Attributes:
        prompts: A row for each, and for each of `seeds`.
        strengths: A column for each, beside the base model's.
        base: The base model; None for the one in the run folder's `config.json`.
        each: Folder that gets every picture alone too, or None.
    """

    prompts: Sequence[Prompt]
    strengths: Sequence[float]
    seeds: Sequence[int]
    base: str | None = None
    device: str = "auto"
    each: Path | None = None


def sample(path: Path, wish: Wish, target: Path, models: Models, console: Console) -> Path:
    """Draw the sheet and return its file.

    Raises:
        UserError: The LoRA or the base model cannot be used, or they do not belong together.
    """
    check_lora(path)
    found, family = opened_base(wish.base or base_of(path), models)
    rows = [replace(one, seed=seed) for one in wish.prompts for seed in wish.seeds or [one.seed]]
    from prep.devices import torch_device
    from train.grid import grid
    from train.sampler import draw, opened_vae

    device = torch_device(wish.device)
    base = family.load(found.path, device)
    add(path, base, family)
    vae = opened_vae(found.path, device)
    columns = [0.0, *wish.strengths]
    pictures = []
    with console.progress("drawing", len(rows) * len(columns)) as progress:
        for prompt in rows:
            for strength in columns:
                set_strength(base, path, family, strength)
                pictures.append(draw(base, family, vae, prompt))
                progress.advance()
    words = ["base model", *(f"strength {strength:g}" for strength in wish.strengths)]
    labels = [label(one) for one in rows]
    if wish.each:
        for number, picture in enumerate(pictures):
            row, column = divmod(number, len(columns))
            files.write(wish.each / f"{row:03d} {words[column]}.png", png(picture))
    files.write(target, png(grid(words, labels, pictures)))
    console.say(f"drawn: {target}", sheet=str(target), pictures=len(pictures))
    return target


def asked(
    path: Path, texts: Sequence[str], file: Path | None, usual: Mapping[str, Any]
) -> list[Prompt]:
    """Return the prompts for a LoRA: those given, else the words that call it.

    Pictures have the size that most of its samples had.

    Args:
        texts: Prompts on the command line.
        usual: Further fields of `Prompt`.

    Raises:
        UserError: The file of prompts has mistakes, the LoRA is none, or no prompt is known.
    """
    check_lora(path)
    said = tensorfile.header(path).metadata
    width, _, height = said.get("modelspec.resolution", "512x512").partition("x")
    sides: dict[str, Any] = {"width": int(width), "height": int(height or width)}
    plain = Prompt("", **sides, **usual)
    found = [replace(plain, text=text) for text in texts]
    if file is not None:
        found += read(file, plain)
    if not found and (words := said.get("modelspec.trigger_phrase")):
        found = [replace(plain, text=words)]
    if not found:
        raise ConfigError(f"no words that call `{path}` are known", "say what to draw: `--prompt`")
    return found


def label(prompt: Prompt) -> str:
    """Return what stands beside a row of a sheet."""
    without = f" / not: {prompt.negative}" if prompt.negative else ""
    return f"{prompt.text}{without} / seed {prompt.seed}"


def base_of(path: Path) -> str:
    """Return the base model that the LoRA's run folder names.

    Raises:
        ConfigError: The file is not in its run folder any more.
    """
    try:
        found = json.loads((path.parent / "config.json").read_text(encoding="utf-8"))
        return str(found["base"])
    except (OSError, ValueError, LookupError, TypeError):
        raise ConfigError(
            f"the base model of `{path}` is not known: it is not in its run folder",
            "name it: `--base FOLDER`, a hub id or `tiny`",
        ) from None


def check_lora(path: Path) -> None:
    """Raise ModelFileError unless a file is a LoRA in kohya's layout; reads its header only."""
    if not path.is_file():
        raise ModelFileError(f"there is no file `{path}`", "name a LoRA: a `.safetensors` file")
    names = tensorfile.header(path).tensors if path.suffix.lower() == ".safetensors" else {}
    if not any(name.endswith(".lora_down.weight") for name in names):
        raise ModelFileError(f"`{path}` is no LoRA in kohya's layout", "name a LoRA")


def add(path: Path, base: Base, family: Family) -> None:
    """Put a LoRA file on a base model, with its own ranks; `set_strength` decides how strongly.

    Raises:
        ModelFileError: Some of its modules are not in this base model.
    """
    from safetensors.torch import load_file

    saved = load_file(path)
    wanted = {name.removesuffix(".lora_down.weight") for name in saved if "lora_down" in name}
    placed: set[str] = set()
    for part, module in (("", base.network), *base.encoders.items()):
        before = f"{part}." if part else ""
        known = {family.export_name(before + name): name for name, _ in module.named_modules()}
        chosen = {known[word]: word for word in wanted if word in known}
        ranks = {name: saved[f"{w}.lora_down.weight"].shape[0] for name, w in chosen.items()}
        if chosen:
            lora.add_ranks(module, ranks)
        placed |= set(chosen.values())
    if placed != wanted:
        raise ModelFileError(
            f"`{path}` is a LoRA for another kind of model: {len(wanted - placed)} of its "
            f"{len(wanted)} modules are not in this base model",
            "name the base model that it was made for: `--base`",
        )
    for name, pair in lora.of_base(base).items():
        word = family.export_name(name)
        pair.down.data = saved[f"{word}.lora_down.weight"].float().to(base.device, copy=True)
        pair.up.data = saved[f"{word}.lora_up.weight"].float().to(base.device, copy=True)


def set_strength(base: Base, path: Path, family: Family, strength: float) -> None:
    """Let the LoRA act with alpha / rank times `strength`; with 0 the base model is itself."""
    alphas = _alphas(path)
    for name, layer in lora.layers(base):
        rank = layer.lora_A[lora.ADAPTER].weight.shape[0]
        alpha = alphas.get(family.export_name(name), rank)
        layer.scaling[lora.ADAPTER] = strength * alpha / rank


def _alphas(path: Path) -> Mapping[str, float]:
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        names = [name for name in file.keys() if name.endswith(".alpha")]  # noqa: SIM118
        return {name.removesuffix(".alpha"): file.get_tensor(name).item() for name in names}


def png(picture: "Image.Image") -> bytes:
    """Return a picture as the bytes of a PNG file."""
    found = io.BytesIO()
    picture.save(found, "PNG")
    return found.getvalue()


@dataclass(frozen=True)
class Drawer:
    """Draws the prompts of a run with the model as it is."""

    base: Base
    family: Family
    vae: Any
    prompts: Sequence[Prompt]
    clip_skip: int

    def draw(self, stem: Path) -> None:
        """Write a PNG for each prompt, named `<stem>-<number>-<seed>.png`."""
        from train.sampler import draw

        for number, prompt in enumerate(self.prompts):
            picture = draw(self.base, self.family, self.vae, prompt, self.clip_skip)
            target = stem.with_name(f"{stem.name}-{number:02d}-{prompt.seed}.png")
            files.write(target, png(picture))
