"""`train sample`: a LoRA beside its base model, on one labelled sheet."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError, ModelFileError
from train.adapters import adapter_file
from train.adapters.lora_metadata import calling_words, trained_size
from train.families.detect import check_clip_skip, opened_base, unread_note
from train.families.diffusion_process import PREDICTIONS, predicting
from train.families.family import Base
from train.families.file_marks import is_told
from train.samples.drawer import Drawer
from train.samples.prompt_files import read
from train.samples.prompts import Prompt, check_drawable, long_prompts
from train.samples.sheet_cells import Cells, label


@dataclass(frozen=True)
class Wish:
    """What a sheet shows.

    Attributes:
        prompts: A row for each, and for each of `seeds`.
        strengths: A column for each, beside the base model's.
        base: The base model; None for the one in the run folder's `config.json`.
        each: Folder that gets every picture alone too, or None.
        clip_skip: The layer of the text encoder, from the end; None for the one the LoRA was
            trained with.
    """

    prompts: Sequence[Prompt]
    strengths: Sequence[float]
    seeds: Sequence[int]
    base: str | None = None
    device: str = "auto"
    each: Path | None = None
    clip_skip: int | None = None


@dataclass(frozen=True)
class Sheet:
    """A sheet that was drawn.

    Attributes:
        code: 0, or 3 where tensors of the LoRA were left out, or pictures could not be drawn.
    """

    path: Path
    code: int = 0


def sample(path: Path, wish: Wish, target: Path, models: Models, console: Console) -> Sheet:
    """Draw the sheet, and tell what of the LoRA it does not show.

    Raises:
        UserError: The LoRA or the base model cannot be used, they do not belong together, or no
            picture of the LoRA could be drawn.
    """
    found = adapter_file.check(path)
    adapter_file.check_finite(path)
    layer, told = chosen_layer(path, wish.clip_skip)
    place, family = opened_base(wish.base or base_of(path), models)
    rows = [replace(one, seed=seed) for one in wish.prompts for seed in wish.seeds or [one.seed]]
    for row in rows:
        check_drawable(row, family)
    adapter_file.check_kind(path, family)
    _check_layer(path, layer, family.layers(place.path), wish, place.ask.name)
    from prep.models.devices import torch_device
    from train.adapters.applied import add
    from train.samples.sampler import opened_vae

    base = family.load(place.path, torch_device(wish.device))
    base, guessed = _as_trained(path, base, place.path)
    scales = add(path, base, family)
    outline = family.outline(place.path)
    texts = list(dict.fromkeys(text for row in rows for text in row.plain_texts()))
    counts = dict(zip(texts, outline.tokens(texts), strict=True))
    further = unread_note(place.ask.name, outline.unread), long_prompts(counts, outline.most_tokens)
    for line in (*found.lines(), *told, *guessed, *filter(None, further)):
        console.note(line)
    drawer = Drawer(base, family, opened_vae(place.path, base.device), layer)
    cells = Cells(rows, wish.strengths, wish.each)
    try:
        cells.draw(drawer, scales, console)
    except (KeyboardInterrupt, SystemExit):  # a stop
        if any(cells.pictures):
            files.write(target, cells.sheet())
            console.note(f"{len(cells.pictures)} of {cells.most} pictures are drawn: {target}")
        raise
    files.write(target, cells.sheet())
    return _told(target, cells, sum(map(len, found.unread.values())), console)


def _as_trained(path: Path, base: Base, place: Path) -> tuple[Base, list[str]]:
    """Return the base model as it was when a LoRA was trained, and what a person should know of it.

    What a base model in one file predicts may have been said by a person then.
    """
    said = safetensors_file.header(path).metadata.get("modelspec.prediction_type", "")
    if said not in PREDICTIONS:
        return base, []
    found = predicting(base.process, said)
    same = found.prediction is base.process.prediction
    if place.is_dir() or is_told(place):
        differ = f"`{path.name}` was trained for a base model of another prediction ({said})"
        return base, [] if same else [f"{differ}: what is drawn says little"]
    told = [] if same else [f"prediction {said}, as it was trained"]
    return replace(base, process=found), told


def _told(target: Path, cells: Cells, unread: int, console: Console) -> Sheet:
    """Say what was drawn, and what of it is missing."""
    for name, prompt in cells.failed():
        console.wrong(f"not drawn: {name}: {label(prompt)}: NaN or infinite numbers")
    missing = len(cells.failed())
    verb = "is" if missing == 1 else "are"
    part = f", {missing} of its {cells.most} pictures {verb} missing" if missing else ""
    part += f", without {_unread(unread)}" if unread else ""
    console.say(
        f"drawn: {target}{part}", sheet=str(target), pictures=cells.most - missing, unread=unread
    )
    return Sheet(target, 3 if missing or unread else 0)


def chosen_layer(path: Path, wish: int | None) -> tuple[int, list[str]]:
    """Return the clip skip to draw a LoRA with, and what a person should know of it.

    Args:
        wish: What the person asked for; None for the one in the file, which is 1 where it has none.

    Raises:
        ModelFileError: What stands in the file is no layer's number, and the person named none.
    """
    said = safetensors_file.header(path).metadata.get("ss_clip_skip", "")
    trained = "1" if said in ("", "None") else said
    known = re.fullmatch("[1-9][0-9]{0,3}", trained) is not None
    if wish is None and not known:
        raise ModelFileError(
            f"the clip skip of `{path}` is `{said[:40]}`, which is not the number of a layer",
            "say which layer to draw it with, from the end: `--clip-skip 1`",
        )
    if wish is None:
        return int(trained), [f"clip skip {trained}, as it was trained"] if trained != "1" else []
    other = f"; it was trained with {trained}" if known and wish != int(trained) else ""
    return wish, [f"clip skip {wish}, as you asked{other}"]


def _unread(count: int) -> str:
    return f"the {counted(count, 'tensor')} that {'is' if count == 1 else 'are'} not applied"


def _check_layer(path: Path, layer: int, layers: int, wish: Wish, base: str) -> None:
    """Raise where the text encoder of a base model has not so many layers; 0: it is not known."""
    if wish.clip_skip is None and 0 < layers < layer:
        raise ModelFileError(
            f"the clip skip of `{path}` is {layer}, and the text encoder of `{base}` has {layers} "
            "layers",
            "name the base model that it was made for: `--base`, or a layer: `--clip-skip`",
        )
    check_clip_skip(layer, layers, base)


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
    adapter_file.check(path)
    said = safetensors_file.header(path).metadata
    width, height = trained_size(said)
    plain = Prompt("", width=width, height=height, **usual)
    found = [replace(plain, text=text) for text in texts]
    if file is not None:
        found += read(file, plain)
    if not found and (words := calling_words(said)):
        found = [replace(plain, text=words)]
    if not found:
        raise ConfigError(f"no words that call `{path}` are known", "say what to draw: `--prompt`")
    return found


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
