"""`train sample`: a LoRA beside its base model, on one labelled sheet."""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep import files, tensorfile
from prep.console import Console
from prep.counts import counted
from prep.errors import ConfigError
from prep.models import Models
from train import adapter_file
from train.base_model import check_clip_skip, opened_base
from train.family import Base, Family
from train.notes import unread_note
from train.prompts import Prompt, read
from train.sampler import NotFiniteError

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
    place, family = opened_base(wish.base or base_of(path), models)
    rows = [replace(one, seed=seed) for one in wish.prompts for seed in wish.seeds or [one.seed]]
    from prep.devices import torch_device
    from train.applied import add
    from train.sampler import opened_vae

    base = family.load(place.path, torch_device(wish.device))
    layer, told = chosen_layer(path, wish.clip_skip)
    check_clip_skip(layer, family.layers(place.path), place.ask.name)
    scales = add(path, base, family)
    strange = unread_note(place.ask.name, family.outline(place.path).unread)
    for line in (*found.lines(), *told, *([strange] if strange else [])):
        console.note(line)
    drawer = Drawer(base, family, opened_vae(place.path, base.device), rows, layer)
    cells = _cells(drawer, [0.0, *wish.strengths], scales, console)
    words = ["base model", *(f"strength {strength:g}" for strength in wish.strengths)]
    missing = _publish(cells, words, rows, (target, wish.each), console)
    verb = "is" if missing == 1 else "are"
    part = f", {missing} of its {len(cells)} pictures {verb} missing" if missing else ""
    unread = sum(map(len, found.unread.values()))
    part += f", without {_unread(unread)}" if unread else ""
    console.say(
        f"drawn: {target}{part}", sheet=str(target), pictures=len(cells) - missing, unread=unread
    )
    return Sheet(target, 3 if missing or unread else 0)


def chosen_layer(path: Path, wish: int | None) -> tuple[int, list[str]]:
    """Return the clip skip to draw a LoRA with, and what a person should know of it.

    Args:
        wish: What the person asked for; None for the one in the file, which is 1 where it has none.
    """
    said = tensorfile.header(path).metadata.get("ss_clip_skip", "None")
    trained = int(said) if said.isascii() and said.isdigit() and int(said) else 1
    if wish is None:
        lines = [f"clip skip {trained}, as it was trained"] if trained > 1 else []
        if said not in ("None", "", str(trained)):
            lines.append(
                f"its clip skip `{said}` is not the number of a layer; the last one is used"
            )
        return trained, lines
    other = f"; it was trained with {trained}" if wish != trained else ""
    return wish, [f"clip skip {wish}, as you asked{other}"]


def _cells(
    drawer: "Drawer", strengths: Sequence[float], scales: Mapping[str, float], console: Console
) -> "list[Image.Image | None]":
    """Return the pictures row by row; None for one that came out as no numbers."""
    from train.applied import set_strength

    cells: list[Image.Image | None] = []
    failed: NotFiniteError | None = None
    with console.progress("drawing", len(drawer.prompts) * len(strengths)) as progress:
        for prompt in drawer.prompts:
            for strength in strengths:
                set_strength(drawer.base, scales, strength)
                try:
                    cells.append(drawer.picture(prompt))
                except NotFiniteError as error:
                    failed = error
                    cells.append(None)
                progress.advance()
    width = len(strengths)
    if failed and not any(cell for n, cell in enumerate(cells) if n % width):
        raise failed
    return cells


def _unread(count: int) -> str:
    return f"the {counted(count, 'tensor')} that {'is' if count == 1 else 'are'} not applied"


def _publish(
    cells: "Sequence[Image.Image | None]",
    words: Sequence[str],
    rows: Sequence[Prompt],
    places: tuple[Path, Path | None],
    console: Console,
) -> int:
    """Write the sheet, and each picture alone where asked; return how many could not be drawn."""
    from PIL import Image

    from train.grid import grid

    target, alone = places
    shown = []
    for number, picture in enumerate(cells):
        row, column = divmod(number, len(words))
        name = f"{row:03d} {words[column]}"
        if picture is None:
            console.wrong(f"not drawn: {name}: {label(rows[row])}: NaN or infinite numbers")
        elif alone:
            files.write(alone / f"{name}.png", png(picture))
        size = (rows[row].width, rows[row].height)
        shown.append(picture or Image.new("RGB", size, "white"))
    files.write(target, png(grid(words, [label(one) for one in rows], shown)))
    return sum(picture is None for picture in cells)


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
    said = tensorfile.header(path).metadata
    width, height = _resolution(said.get("modelspec.resolution", ""))
    plain = Prompt("", width=width, height=height, **usual)
    found = [replace(plain, text=text) for text in texts]
    if file is not None:
        found += read(file, plain)
    if not found and (words := said.get("modelspec.trigger_phrase")):
        found = [replace(plain, text=words)]
    if not found:
        raise ConfigError(f"no words that call `{path}` are known", "say what to draw: `--prompt`")
    return found


def _resolution(said: str) -> tuple[int, int]:
    """Return (width, height) px as a file's metadata say it; 512 where they say nothing usable."""
    width, _, height = said.partition("x")
    sides = [int(side) for side in (width, height or width) if side.isascii() and side.isdigit()]
    good = len(sides) == 2 and all(8 <= side <= 8192 for side in sides)
    return (sides[0] // 8 * 8, sides[1] // 8 * 8) if good else (512, 512)


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

    def picture(self, prompt: Prompt) -> "Image.Image":
        """Return the picture of one prompt.

        Raises:
            NotFiniteError: It came out as numbers that are not finite.
        """
        from train.sampler import draw

        return draw(self.base, self.family, self.vae, prompt, self.clip_skip)

    def draw(self, stem: Path) -> list[str]:
        """Write a PNG for each prompt, named `<stem>-<number>-<seed>.png`.

        Returns:
            A line for each that could not be drawn.
        """
        told: list[str] = []
        for number, prompt in enumerate(self.prompts):
            target = stem.with_name(f"{stem.name}-{number:02d}-{prompt.seed}.png")
            try:
                files.write(target, png(self.picture(prompt)))
            except NotFiniteError as error:
                told.append(f"not drawn: {target.name}: {error}")
        return told
