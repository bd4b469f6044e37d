"""kohya's TOML files in the place of a dataset: imported, and carried out by `prep run`."""

from collections.abc import Sequence
from pathlib import Path

from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from prep.runtime.program import program_words, run_child
from train.config import Config
from train.kohya.import_files import pipelines_of, publish
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
    if target.exists() and target.read_bytes() != found.text.encode():
        raise ConfigError(
            f"`{target}` is there already, and says something else",
            f"move it away, or carry it out: `prep run --pipelines {target}`",
        )
    if code := publish(found, target, console):
        return code
    run = [*program_words("prep"), "run", "--pipelines", str(target)]
    return run_child([*run, *console.options()])
