"""`train blocks --draw`: what each block of a LoRA does to a picture, drawn off and alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.errors import ModelFileError
from train.adapters import adapter_file, applied
from train.adapters.file_kinds import LORA, kind_of
from train.block_rates import EVERY, rate_of
from train.families.detect import opened_base, side_of
from train.families.family import Base, Family
from train.samples.as_trained import as_trained, check_layer, chosen_layer
from train.samples.drawer import Drawer, png
from train.samples.picture_text import Shown, ShownLora
from train.samples.prompts import Prompt, check_drawable
from train.samples.replacing_pictures import check_places
from train.samples.subject import Subject, subject_of
from train.samples.wish import Wish, asked, rows_of
from train.weights.block_names import order

if TYPE_CHECKING:
    from PIL import Image

_WHOLE = "all blocks"


@dataclass(frozen=True)
class BlockWish:
    """What is to be drawn.

    Attributes:
        prompt: As a line of a file of prompts; None for the words that call the LoRA.
        base: The base model; None for the one that the run folder names.
        out: The sheet; None for `NAME-blocks.png` beside the LoRA.
    """

    prompt: str | None
    seed: int
    steps: int
    base: str | None
    device: str
    out: Path | None


def draw_blocks(place: Path, wish: BlockWish, models: Models, console: Console) -> Path:
    """Draw the sheet: a row for each block, a picture without it and one with it alone.

    The first row is the base model, and the LoRA whole. How much a block changes is said as the
    mean difference of pixels, of 255: without it from the whole, alone from the base model.

    Raises:
        UserError: The file is no LoRA, does not fit the base model, or the sheet's place is taken.
    """
    subject = subject_of([str(place)])
    if subject.model or kind_of(subject.loras[0][0]) is not LORA:
        raise ModelFileError(f"`{place}` is no LoRA: it has no blocks", "name a LoRA")
    path = subject.loras[0][0]
    target = wish.out or path.with_name(f"{path.stem}-blocks.png")
    check_places(target, None, [])
    unread = adapter_file.check(path).lines()
    LORA.check_numbers(path)
    drawer, row, scales, notes = _opened(subject, wish, models)
    for line in (*unread, *notes):
        console.note(line)
    family = drawer.shown.family
    blocks = sorted({family.block(name) for name in scales}, key=order)
    pictures = _drawn(drawer, row, scales, blocks, console)
    labels, lines = _labels(blocks, pictures)
    files.write(target, _sheet(drawer, row, labels, pictures))
    console.say(*lines, f"drawn: {target}", sheet=str(target), blocks=dict(labels))
    return target


def _opened(
    subject: Subject, wish: BlockWish, models: Models
) -> tuple[Drawer, Prompt, Mapping[str, float], list[str]]:
    """Return what draws, the picture, the scales of all modules, and what a person should know."""
    from prep.models.devices import torch_device
    from train.samples.sampler import opened_vae

    (path, _), told = subject.loras[0], subject.names[0]
    layer, notes = chosen_layer(subject, None)
    place, family = opened_base(wish.base or subject.base(), models)
    LORA.check_kind(path, family)
    check_layer(subject, layer, family.layers(place.path), None, place.ask.name)
    usual = {"steps": wish.steps}
    prompts = asked(subject, [wish.prompt] if wish.prompt else [], None, usual)
    whole = Wish(prompts, [1.0], [wish.seed], wish.base, wish.device)
    row = rows_of(whole, side_of(family.outline(place.path), family))[0]
    check_drawable(row, family)
    base = family.load(place.path, torch_device(wish.device))
    base, more = as_trained(subject, base, place.path)
    scales = applied.add(path, base, family)
    model = Subject(model=place.ask.name).name
    loras = [ShownLora(Path(told).stem, 1.0, LORA.digest(path), LORA.word)]
    shown = Shown(family, model, loras, layer)
    return Drawer(base, opened_vae(place.path, base.device), shown), row, scales, [*notes, *more]


def _drawn(
    drawer: Drawer,
    row: Prompt,
    scales: Mapping[str, float],
    blocks: Sequence[str],
    console: Console,
) -> "list[Image.Image]":
    """Return the pictures: base model and whole, then without each block and with it alone."""
    wishes: list[Mapping[str, float]] = [{EVERY: 0}, {}]
    for block in blocks:
        wishes += [{block: 0}, {EVERY: 0, block: 1}]
    found = []
    with console.progress("drawing", len(wishes)) as progress:
        for wish in wishes:
            _act(drawer.base, drawer.shown.family, scales, wish)
            found.append(drawer.picture(row))
            progress.advance()
    return found


def _act(
    base: Base, family: Family, scales: Mapping[str, float], wish: Mapping[str, float]
) -> None:
    own = {name: scale * rate_of(family.block(name), wish) for name, scale in scales.items()}
    applied.set_strength(base, own, 1.0)


def _labels(
    blocks: Sequence[str], pictures: "Sequence[Image.Image]"
) -> tuple[list[tuple[str, tuple[float, float]]], list[str]]:
    """Return each block with how much it changes, and that as lines."""
    nothing, whole = pictures[:2]
    labels = [(_WHOLE, (difference(nothing, whole), difference(whole, nothing)))]
    for n, block in enumerate(blocks, 1):
        without, alone = pictures[2 * n : 2 * n + 2]
        labels.append((block, (difference(without, whole), difference(alone, nothing))))
    wide = max(len(block) for block, _ in labels)
    lines = [f"{'':<{wide}}  without it  alone  (mean difference of pixels, of 255)"]
    lines += [f"{block:<{wide}}  {one:>10.2f}  {two:>5.2f}" for block, (one, two) in labels]
    return labels, lines


def difference(one: "Image.Image", two: "Image.Image") -> float:
    """Return the mean difference of the pixels of two pictures of one size, 0 to 255."""
    from PIL import ImageChops, ImageStat

    return float(sum(ImageStat.Stat(ImageChops.difference(one, two)).mean) / 3)


def _sheet(
    drawer: Drawer,
    row: Prompt,
    labels: Sequence[tuple[str, tuple[float, float]]],
    pictures: "Sequence[Image.Image]",
) -> bytes:
    from train.samples.grid import grid

    rows = [(f"without {one:.1f}, alone {two:.1f}", block) for block, (one, two) in labels]
    titles = ["without", "alone"]
    return png(grid(titles, rows, pictures), drawer.shown.text(row))
