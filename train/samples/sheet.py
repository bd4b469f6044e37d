"""`train sample`: LoRAs beside their base model on one labelled sheet, a model, or a plain grid."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.models.locate import FoundModel, Models
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.counts import counted, first_few
from train.adapters.file_kinds import called_by, kind_of, put_on, words_notes
from train.adapters.lora_metadata import trained_tokens
from train.adapters.new_words import lengthened
from train.families.detect import opened_base, side_of, unread_note
from train.families.family import Family, Outline
from train.samples.as_trained import as_trained, check_layer, chosen_layer
from train.samples.drawer import Drawer
from train.samples.picture_text import Shown, ShownLora, block_words
from train.samples.prompts import Prompt, long_prompts
from train.samples.replacing_pictures import check_places
from train.samples.sheet_cells import Cells, SheetColumn, label
from train.samples.subject import Subject
from train.samples.wish import Wish, check_family, check_together, rows_of, seeds_note


@dataclass(frozen=True)
class Sheet:
    """A sheet that was drawn.

    Attributes:
        code: 0, or 3 where tensors of a LoRA were left out, or pictures could not be drawn.
    """

    path: Path
    code: int = 0


def sample(subject: Subject, wish: Wish, target: Path, models: Models, console: Console) -> Sheet:
    """Draw the sheet, and tell what of the LoRAs it does not show.

    Raises:
        UserError: A LoRA or the model cannot be used, they do not belong together, a file that
            another program made is in the way, or no picture could be drawn.
    """
    check_together(subject, wish)
    check_places(target, wish.each, _cells(subject, wish, rows_of(wish, 0)).names())
    found = [kind_of(path).check(path) for path, _ in subject.loras]
    for path, _ in subject.loras:
        kind_of(path).check_numbers(path)
    layer, told = chosen_layer(subject, wish.clip_skip)
    place, family = opened_base(wish.base or subject.base(), models)
    for path, _ in subject.loras:
        kind_of(path).check_kind(path, family)
    check_layer(subject, layer, family.layers(place.path), wish.clip_skip, place.ask.name)
    outline = family.outline(place.path)
    rows = rows_of(wish, side_of(outline, family))
    check_family(wish, rows, family)
    drawer, act, guessed = _opened(subject, wish, (place, family), layer)
    unread = [line for one in found for line in one.lines()]
    for line in (
        *seeds_note(wish),
        *unread,
        *told,
        *guessed,
        *further(subject, (place, family), outline, rows),
    ):
        console.note(line)
    cells = _cells(subject, wish, rows)
    try:
        cells.draw(drawer, act, console)
    except (KeyboardInterrupt, SystemExit):  # a stop
        if any(cells.pictures):
            files.write(target, cells.sheet())
            console.note(f"{len(cells.pictures)} of {cells.most} pictures are drawn: {target}")
        raise
    files.write(target, cells.sheet())
    missing = sum(len(names) for one in found for names in one.unread.values())
    return _told(target, cells, missing, console)


def _opened(
    subject: Subject, wish: Wish, model: tuple[FoundModel, Family], layer: int
) -> tuple[Drawer, Callable[[float], None], list[str]]:
    """Return what draws, what lets the files act so strongly, and what a person should know."""
    from prep.models.devices import torch_device
    from train.samples.sampler import opened_vae

    place, family = model
    base = family.load(place.path, torch_device(wish.device))
    base, guessed = as_trained(subject, base, place.path)
    act = put_on(subject.loras, base, family, wish.block_weights)
    loras = [
        ShownLora(name, strength, kind.digest(path), kind.word)
        for path, name, strength in subject.shown()
        if (kind := kind_of(path)).word
    ]
    model_name = Subject(model=place.ask.name).name
    shown = Shown(family, model_name, loras, layer, wish.block_weights)
    return Drawer(base, opened_vae(place.path, base.device), shown), act, guessed


def _cells(subject: Subject, wish: Wish, rows: Sequence[Prompt]) -> Cells:
    """Return the pictures that are to be drawn, and how they stand."""
    if subject.model:
        columns = [SheetColumn(subject.name, 0.0, subject.name)]
    else:
        labels = [f"strength {one:g}" for one in wish.strengths]
        titles = [_title(label, subject, wish) for label in labels]
        columns = [*map(SheetColumn, labels, wish.strengths, titles)]
        if wish.grid is None:
            columns.insert(0, SheetColumn("base model", 0.0, "base model"))
    return Cells(rows, columns, wish.each, wish.grid[1] if wish.grid else 0)


def _title(label: str, subject: Subject, wish: Wish) -> str:
    """Return what stands above a column of LoRAs: several are named, and so are block weights."""
    each = [f"{name}:{one:g}" if one != 1 else name for _, name, one in subject.shown()]
    more = [" + ".join(each)] if len(each) > 1 else []
    more += [block_words(wish.block_weights)] if wish.block_weights else []
    return ", ".join([label, *more])


def further(
    subject: Subject, model: tuple[FoundModel, Family], outline: Outline, rows: Sequence[Prompt]
) -> list[str]:
    """Return what a person should know of a base model's files and of the prompts."""
    place, family = model
    texts = list(dict.fromkeys(text for row in rows for text in row.plain_texts()))
    words = [*called_by(subject.loras).values()]
    read = [lengthened(text, words) for text in texts]
    counts = dict(zip(texts, outline.tokens(read), strict=True))
    notes = [
        *words_notes(subject.loras, texts),
        unread_note(place.ask.name, outline.unread),
        long_prompts(counts, outline.most_tokens),
    ]
    for name, told in zip(subject.names, subject.metadata, strict=True):
        most = (family.chunked and trained_tokens(told)) or outline.most_tokens
        over = [text for text, count in counts.items() if most < count <= outline.most_tokens]
        if over:
            notes.append(
                f"`{name}` was trained on texts of up to {most} tokens; longer, and read whole: "
                f"{first_few([f'`{text[:40]}` ({counts[text]})' for text in over])}"
            )
    return [note for note in notes if note]


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


def _unread(count: int) -> str:
    return f"the {counted(count, 'tensor')} that {'is' if count == 1 else 'are'} not applied"
