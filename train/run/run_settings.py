"""The run that a run folder is of, with its dataset and base model as they are now."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from train.config import Config
from train.methods import config_of, method_named, own_options
from train.option_fields import described
from train.run import run_folder
from train.run.decide import Run, decide, facts

# What is a place, and what this training is not asked for again.
_PLACES = ("held_out_data", "prompts", "start_from", "out")
_LEFT = ("resume", "epochs")


def settings_of_run(folder: Path, **more: Any) -> Config:
    """Return the settings that a run folder was made with.

    Args:
        more: What is to be otherwise.

    Raises:
        ConfigError: It is no run folder, or its settings are not known to this version.
    """
    found = run_folder.run_folder(folder)
    method = method_named(str(found["method"]))
    names = {item.name for item in described(Config)} | {*own_options(method)}
    given = {word: value for word, value in found.items() if word in names - {*_LEFT}}
    given |= {word: Path(given[word]) for word in _PLACES if given.get(word) is not None}
    return config_of(method.name, **given | {"out": folder.parent} | more)


def run_of(folder: Path, models: Models) -> Run:
    """Return the run of a run folder; nothing is written, no torch is loaded.

    Raises:
        ConfigError: It is no run folder, or its dataset or base model changed since.
        UserError: As of `decide`.
    """
    there = run_folder.run_folder(folder)
    paths = [Path(one) for one in there["datasets"]]
    config = settings_of_run(folder)
    found = decide(paths, config, models, config.precision)
    if found.recipe != there["recipe"] and config.held_out:
        # Where the setting is at its default, the folder has the number of pictures by its name.
        found = decide(paths, replace(config, held_out=0.0), models, config.precision)
    if found.recipe != there["recipe"]:
        why = run_folder.differences(there, facts(found), list(found.config.deciding()))
        raise ConfigError(
            f"`{folder}` is not the run of what is here any more: "
            f"{'; '.join(why) or 'it was made by another version'}",
            "put that back as it was, or name another run",
        )
    return found
