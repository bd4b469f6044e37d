"""kohya's TOML files in the place of a dataset: imported, and carried out by `prep run`."""

import sys
from collections.abc import Sequence
from pathlib import Path

from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from prep.runtime.program import run_child
from train.config import Config
from train.kohya.import_files import pipelines_of, take_words
from train.kohya.kohya_sources import read
from train.methods import config_of

SUFFIX = ".toml"


def train_files(paths: Sequence[Path], config: Config, console: Console) -> int:
    """Write the pipelines.yaml of some TOML files beside the first, and run it.

    Returns:
        The exit code of `prep run`.

    Raises:
        ConfigError: They cannot be imported, options stand beside them, or a person's file is in
            the place of the one that is written.
    """
    shown = " ".join(map(str, paths))
    if others := [path for path in paths if path.suffix.lower() != SUFFIX]:
        raise ConfigError(f"`{others[0]}` is no TOML file", "name TOML files, or datasets")
    if config != config_of(config.method):
        raise ConfigError(
            f"options stand beside `{shown}`, which says all there is to say",
            f"import it, and change what comes of it: `train import {shown}`",
        )
    target = paths[0].with_suffix(".yaml")
    found = pipelines_of(read([str(path) for path in paths]), target.parent, [], config.method)
    if not target.exists():
        files.write(target, found.text.encode())
    elif target.read_bytes() != found.text.encode():
        raise ConfigError(
            f"`{target}` is there already, and says something else",
            f"move it away, or carry it out: `prep run --pipelines {target}`",
        )
    for note in found.notes:
        console.note(note)
    if code := take_words(found, console):
        return code
    speech = ["--json"] if console.json else [["-q"], [], ["-v"]][console.level]
    # -P: a folder or file named `prep` where the person stands is not the program.
    program = [sys.executable, "-P", "-m", "prep"]
    return run_child([*program, "run", "--pipelines", str(target), *speech])
