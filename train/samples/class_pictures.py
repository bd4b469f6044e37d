"""`train class-pictures`: pictures of a class by the base model, where a concept's are missing.

Each is named by the digest of what decides it and its number, so that what is there is whole and
known by its name alone: two calls at once draw the same bytes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any

from prep.dataset.concepts import concept_of
from prep.images import formats
from prep.models.locate import FoundModel, Models
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError, UsageError
from prep.runtime.seeds import seed_for
from train.families.detect import base_at_hand, check_clip_skip, last_part, opened_base, side_of
from train.families.family import Family
from train.families.weighted_words import unweighted
from train.samples.picture_text import Shown, is_drawn
from train.samples.prompts import Prompt, check_drawable, parse

_VERSION = 1  # raised where the same words would give other bytes
_NAME = re.compile(r"class-([0-9a-f]{8})-\d{4,}\.png")
_USUAL_SIDE = 512


@dataclass(frozen=True)
class ClassWish:
    """What a folder is to hold.

    Attributes:
        folder: Of the concept's pictures.
        count: How many pictures it is to have, those that are there among them.
        prompt: What is drawn; its seed is that of all, a side of 0 the base model's own.
        ending: Of the file with the caption beside each picture: `.txt` or `.caption`.
        clip_skip: The layer of the text encoder, from the end.
    """

    folder: Path
    count: int
    prompt: Prompt
    base: str
    ending: str = ".txt"
    clip_skip: int = 1
    device: str = "auto"


def class_prompt(folder: Path, line: str | None, usual: Mapping[str, Any]) -> Prompt:
    """Return what is drawn for a folder: a line as in a file of prompts, else the folder's words.

    Args:
        usual: Further fields of `Prompt`, for what the line does not say.

    Raises:
        UserError: No words are known, or a flag of the line is wrong.
    """
    words = line or concept_of(f"{folder.resolve().name}/x").words
    prompt = parse(words, Prompt("", **usual))
    if not prompt.text:
        raise UsageError(
            f"what to draw for `{folder}` is not known",
            'say it: `--prompt "a girl"`, or name the folder so: `reg/1_a girl`',
        )
    if prompt.own_seed:
        raise UsageError(
            "`--d` in `--prompt` would make all pictures one",
            "leave it out: `--seed` decides those of all pictures",
        )
    return prompt


def class_pictures(wish: ClassWish, models: Models, console: Console) -> int:
    """Draw the pictures that a folder lacks; return the exit code.

    Files that are there stay as they are. A stop leaves whole pictures, and the same call goes on.

    Raises:
        UserError: The model cannot be used or draw what is asked for, pictures of other settings
            are in the folder, or one came out as no numbers.
    """
    _check_folder(wish.folder)
    place, family = opened_base(wish.base, models)
    _check_model(wish, place, family)
    key = key_of(wish, family, models.digest(place))
    missing = missing_of(wish, key)
    if not missing:
        console.say(f"already there: {_there(wish)}", drawn=0, folder=str(wish.folder))
        return 0
    _draw(wish, (place, family), missing, console)
    told = counted(len(missing), "picture")
    console.say(f"drawn: {told} in {wish.folder}", drawn=len(missing), folder=str(wish.folder))
    return 0


def foreseen(wish: ClassWish, models: Models, console: Console) -> None:
    """Say what would be drawn; nothing is fetched, read whole or changed.

    Raises:
        UserError: As of `class_pictures`, as far as it can be told.
    """
    _check_folder(wish.folder)
    there = base_at_hand(wish.base, models)
    if there is not None:
        _check_model(wish, *there)
    if there is None or not models.known(there[0]):
        console.say(f"draws what is missing of {wish.count} in {wish.folder}", busy=True)
        return
    missing = missing_of(wish, key_of(wish, there[1], models.digest(there[0])))
    told = f"{counted(len(missing), 'picture')} to draw" if missing else "up to date"
    console.say(f"{told}: {wish.folder}", busy=bool(missing), missing=len(missing))


def key_of(wish: ClassWish, family: Family, base_digest: str) -> str:
    """Return 8 hexadecimal digits of what decides the bytes of the pictures."""
    facts = asdict(wish.prompt) | {"clip_skip": wish.clip_skip, "version": _VERSION}
    whole = facts | {"base": base_digest, "family": family.name}
    return files.digest_bytes(files.canonical(whole).encode())[:8]


def missing_of(wish: ClassWish, key: str) -> dict[int, str]:
    """Return number -> name of the pictures that are to be drawn: the first that are not there.

    Raises:
        ConfigError: Pictures of other settings are in the folder.
    """
    keys = {path: _NAME.fullmatch(path.name) for path in _pictures(wish.folder)}
    other = [
        path.name for path, found in keys.items() if found and found[1] != key and is_drawn(path)
    ]
    if other:
        it = "it" if len(other) == 1 else "them"
        raise ConfigError(
            f"`{wish.folder}` has {counted(len(other), 'picture')} drawn by another model or other "
            f"settings, as `{other[0]}`",
            f"move {it} away or delete {it}, or give the settings of then",
        )
    names = ((number, f"class-{key}-{number:04d}.png") for number in count(1))
    free = (pair for pair in names if not (wish.folder / pair[1]).exists())
    return dict(islice(free, max(0, wish.count - len(keys))))


def _check_folder(folder: Path) -> None:
    """Raise MachineError where no pictures can be put into a folder."""
    if error := files.blocked(folder, "folder"):
        raise error


def _check_model(wish: ClassWish, place: FoundModel, family: Family) -> None:
    """Raise ConfigError where a model cannot draw what is asked for."""
    check_clip_skip(wish.clip_skip, family.layers(place.path), wish.base)
    check_drawable(_sized(wish.prompt, family.side_step), family)


def _pictures(folder: Path) -> Iterator[Path]:
    """Yield the pictures, by their names, in a folder and below it; hidden ones are none."""
    known = formats.suffixes()
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not hidden and path.suffix.lower() in known and path.is_file():
            yield path


def _there(wish: ClassWish) -> str:
    return f"{counted(sum(1 for _ in _pictures(wish.folder)), 'picture')} in {wish.folder}"


def _sized(prompt: Prompt, side: int) -> Prompt:
    return replace(prompt, width=prompt.width or side, height=prompt.height or side)


def _draw(
    wish: ClassWish, model: tuple[FoundModel, Family], missing: Mapping[int, str], console: Console
) -> None:
    from prep.models.devices import torch_device
    from train.samples.drawer import Drawer, png
    from train.samples.sampler import opened_vae

    place, family = model
    base = family.load(place.path, torch_device(wish.device))
    shown = Shown(family, last_part(wish.base), clip_skip=wish.clip_skip)
    drawer = Drawer(base, opened_vae(place.path, base.device), shown)
    prompt = _sized(wish.prompt, side_of(family.outline(place.path), family) or _USUAL_SIDE)
    caption, drawn = " ".join(unweighted(prompt.text).split()), 0
    try:
        with console.progress("drawing", len(missing)) as progress:
            for number, name in missing.items():
                path, text = wish.folder / name, (wish.folder / name).with_suffix(wish.ending)
                if not text.exists():  # before its picture, which is never without one
                    files.write(text, f"{caption}\n".encode())
                seed = seed_for(prompt.seed, "class picture", prompt.text, number)
                one = replace(prompt, seed=seed)
                files.write(path, png(drawer.picture(one), shown.text(one)))
                drawn += 1
                progress.advance()
    except (KeyboardInterrupt, SystemExit):  # a stop
        console.note(f"{drawn} of {counted(len(missing), 'picture')} are drawn: {wish.folder}")
        raise
