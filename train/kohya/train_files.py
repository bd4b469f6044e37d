"""kohya's TOML files in the place of a dataset: imported, and carried out by `prep run`."""

from collections.abc import Sequence
from pathlib import Path

from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from prep.runtime.program import program_words, run_child
from train.config import Config
from train.kohya.import_files import pipelines_of, publish
from train.kohya.kohya_sources import read
from train.methods import config_of

SUFFIX = ".toml"
_MARK = "# Made by `train`, which writes it anew until you change it: "


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
    there = target.read_bytes() if target.exists() else None
    if not (there is None or there == found.text.encode() or _is_unchanged(there)):
        raise ConfigError(
            f"`{target}` is there already, and says something else",
            f"move it away, or carry it out: `prep run --pipelines {target}`",
        )
    if code := publish(found._replace(text=_marked(found.text)), target, console):
        return code
    run = [*program_words("prep"), "run", "--pipelines", str(target)]
    return run_child([*run, *console.options()])


def _marked(text: str) -> str:
    """Return a text below a line that holds its digest."""
    return f"{_MARK}{files.digest_bytes(text.encode())[:16]}\n{text}"


def _is_unchanged(content: bytes) -> bool:
    """Return whether nobody has changed what was once written with a digest."""
    _, _, text = content.decode(errors="replace").partition("\n")
    return content == _marked(text).encode()
