"""What the words of a command line stand for: console, context, pipelines, the dataset's place."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from prep.dataset.file_names import LINKS, link_of
from prep.pipeline.subcommands import all_commands
from prep.runtime.console import Console
from prep.stages import all_stages

# What a subcommand needs is imported when it runs: `prep --help` is there at once.
if TYPE_CHECKING:
    from prep.engine.inventory.location import Location
    from prep.engine.session import Context
    from prep.pipeline.pipeline import Pipeline

FILE = Path("pipelines.yaml")


def console(quiet: bool = False, verbose: bool = False, json: bool = False) -> Console:
    """Return where a command speaks, by its options."""
    return Console(level=0 if quiet else 2 if verbose else 1, json=json)


def context(
    speaker: Console | None = None, jobs: int = 2, accept_missing: bool = False
) -> "Context":
    """Return what surrounds a run; nothing else reads the environment.

    Args:
        speaker: Where the command speaks; None for an ordinary console.
    """
    from prep.engine.session import Context
    from prep.models.locate import Models, user_home

    offline = os.environ.get("HF_HUB_OFFLINE", "") not in ("", "0")
    models = Models(user_home(os.environ), offline, key=os.environ.get("PREP_API_KEY", ""))
    return Context(all_stages(), models, speaker or console(), jobs, accept_missing)


def pipelines(file: Path | None) -> "dict[str, Pipeline]":
    """Return the pipelines of a file, `./pipelines.yaml` unless another is named.

    Raises:
        ConfigError: There is no such file, or it has mistakes.
    """
    from prep.pipeline.config import read_pipelines

    return read_pipelines(file or FILE, all_commands(all_stages().values()))


def pipelines_if_any(file: Path | None) -> "dict[str, Pipeline]":
    """Return the same; none where no file is named and none lies here."""
    return pipelines(file) if file is not None or FILE.exists() else {}


def pipeline(name: str | None, file: Path | None) -> "Pipeline":
    """Return the pipeline of that name, or the only one."""
    from prep.pipeline.pipeline import choose

    return choose(pipelines(file), name)


def pipeline_of(path: Path, file: Path | None) -> "Pipeline | None":
    """Return the pipeline that names a folder, or a file of its chain; None where none does."""
    wanted = path.resolve()
    for found in pipelines_if_any(file).values():
        chain = (link_of(found.meta, link) for link in LINKS)
        if wanted in {each.resolve() for each in (*found.folders(), *chain)}:
            return found
    return None


def dataset(
    folder: Path | None, state: Path | None, file: Path | None
) -> "tuple[Location, Pipeline | None]":
    """Return where the dataset lies that the last stages read, and the pipeline that names it.

    Args:
        folder: `--in`; None for that of the only pipeline.
        state: `--state`.
        file: `--pipelines`.
    """
    from prep.pipeline.locations import known_location

    if folder is not None:
        named = pipeline_of(folder, file)
        return known_location(folder, state, named), named
    found = pipeline(None, file)
    return known_location(found.folders()[-1], state, found), found


def picture(
    key: str, folder: Path | None, state: Path | None, file: Path | None
) -> "tuple[str, Location, Pipeline | None]":
    """Return the key of a picture, with what `dataset` returns.

    Args:
        key: Or the picture's path from here, which says by itself whose it is where no pipeline
            does.
    """
    from prep.images.formats import suffixes

    path = Path(key)
    is_picture = path.suffix.lower() in suffixes() and path.is_file()
    if folder is None and file is None and not FILE.exists() and is_picture:
        folder = next((one for one in path.parents if (one / ".prep").is_dir()), path.parent)
    location, named = dataset(folder, state, file)
    roots = [location.root, *(named.folders() if named else ())]
    if is_picture and not any((root / key).exists() for root in roots):
        for root in roots:
            if path.absolute().is_relative_to(root.absolute()):
                key = path.absolute().relative_to(root.absolute()).as_posix()
    return key, location, named
