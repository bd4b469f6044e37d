"""A folder of pictures in a dataset's place: what is missing is prepared by the `prep` program."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from prep.runtime.program import program_words, run_child
from train.config import Config
from train.data import dataset

# prep's exit codes of a run that has finished, with something in it for the person to look at.
_FINISHED = (0, 3, 4)
# With such an ending the first dataset file would look like a later one of the chain.
_LINKS = ("_bucket", "_lat")


@dataclass(frozen=True)
class Prepared:
    """Dataset files in the place of the folders that were named.

    Attributes:
        code: prep's exit code: 0, or 3 or 4 where it had something to tell; 3 wins.
    """

    paths: tuple[Path, ...]
    code: int


def prepared(paths: Sequence[Path], config: Config, console: Console, alone: bool) -> Prepared:
    """Return `paths` with a dataset in place of each folder, brought up to date by prep.

    The dataset of the folder `x` is `x_lat.json` beside it.

    Args:
        alone: Whether one process trains: prep works in one.

    Raises:
        DatasetError: No picture of a folder has a text.
        ConfigError: Several processes were given a folder.
        SystemExit: prep ended otherwise than well, with its exit code; it has said why.
    """
    found: list[Path] = []
    codes = {0}
    for path in paths:
        if not path.is_dir():
            found.append(path)
            continue
        if not alone:
            raise ConfigError(
                f"`{path}` is a folder, and several processes train",
                "run `prep edit`, `prep bucket` and `prep latents` first, and name what they wrote",
            )
        edit, *later = commands(path, config)
        codes.add(_ended(edit, console))
        dataset.check_texts(first_file(path))  # before the latents, which take longest
        codes |= {_ended(words, console) for words in later}
        found.append(last_file(path))
    return Prepared(tuple(found), next((code for code in (3, 4) if code in codes), 0))


def foreseen(paths: Sequence[Path], config: Config, console: Console) -> list[Path]:
    """Print what `prepared` would do; return the dataset files, there or not yet.

    Raises:
        SystemExit: prep could not do it, and has said why.
    """
    for path in paths:
        for words in commands(path, config) if path.is_dir() else ():
            if Path(words[1]).exists():
                _ended([*words, "--dry-run"], console)
            else:
                console.say(f"{words[0]:<12}  waits for `{words[1]}`", stage=words[0], busy=True)
    return [last_file(path) if path.is_dir() else path for path in paths]


def commands(folder: Path, config: Config) -> list[list[str]]:
    """Return the words of the prep commands that make a dataset of a folder, in their order."""
    first = first_file(folder)
    latents = ["latents", str(first.with_stem(f"{first.stem}_bucket"))]
    if config.base:
        latents += ["--model", config.base]
    if config.device != "auto":
        latents += ["--device", config.device]
    text = ["--text", "caption"] if only_captions(folder) else []
    return [["edit", str(folder), "--out", str(first), *text], ["bucket", str(first)], latents]


def first_file(folder: Path) -> Path:
    """Return the dataset file that prep begins for a folder: beside it, and named after it."""
    near = folder if folder.name not in ("", "..") else folder.resolve()
    name = f"{near.name}-meta" if near.name.endswith(_LINKS) else near.name
    return near.parent / f"{name}.json"


def last_file(folder: Path) -> Path:
    """Return the dataset file of a folder that can be trained on."""
    first = first_file(folder)
    return first.with_stem(f"{first.stem}_lat")


def only_captions(folder: Path) -> bool:
    """Return whether pictures have `.caption` files beside them, and none has a `.txt`."""
    endings: set[str] = set()
    for _, inner, names in os.walk(folder):
        inner[:] = [name for name in inner if not name.startswith(".")]
        beside: dict[str, set[str]] = {}
        for name in names:
            one = Path(name.casefold())  # as prep pairs a text with its picture
            beside.setdefault(one.stem, set()).add(one.suffix)
        endings |= {e for group in beside.values() if group - {".caption", ".txt"} for e in group}
    return ".caption" in endings and ".txt" not in endings


def _ended(words: Sequence[str], console: Console) -> int:
    """Run prep to its end; return its exit code, or leave with it where prep could not finish."""
    code = run_child([*program_words("prep"), *words, *console.options()])
    if code not in _FINISHED:
        raise SystemExit(code)
    return code
