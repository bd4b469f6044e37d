"""Earlier runs of a name: what they were, and how another one differs."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from prep.runtime.errors import ConfigError
from prep.runtime.yaml_nodes import as_yaml
from train.adapters.run_exports import config_of_run
from train.config import Config
from train.option_fields import described, flag
from train.run import checkpoint
from train.run.recipe_versions import BATCHES, BEFORE

# Facts of `config.json` that are no settings, and what a person calls them.
_FACTS = {
    "method": "the kind of training",
    "family": "the kind of base model",
    "base_digest": "the base model",
    "data_digest": "the dataset",
}
CHECKPOINTS = "checkpoints"


def settings(folder: Path) -> dict[str, Any] | None:
    """Return what stands in a run folder's `config.json`; None where it is no run folder."""
    found = config_of_run(folder)
    return found if "recipe" in found else None


def differences(there: Mapping[str, Any], here: Mapping[str, Any], words: list[str]) -> list[str]:
    """Return in what two runs differ, in a person's words.

    Args:
        words: The settings that decide.
    """
    found = [f"{told} differs" for word, told in _FACTS.items() if there.get(word) != here[word]]
    # What came later stands in a recipe where it is not at its default.
    later = (item for item in described(Config) if item.metadata["later"])
    usual = {item.name: item.default for item in later if item.metadata["decides"]}
    each = [*words, *(word for word in usual if word in there and word not in words)]
    for word in each:
        then, now = (run.get(word, usual.get(word)) for run in (there, here))
        if then != now:
            found.append(f"`{flag(word)}` is {as_yaml(then)} there and {as_yaml(now)} here")
    if not found and there.get("version") != here["version"]:  # else it may be for the settings
        found.append("the program differs")
    return found


def run_folder(folder: Path) -> dict[str, Any]:
    """Return the settings of a run folder that a person names; ConfigError where it is none."""
    found = settings(folder)
    if found is None:
        hint = "name a folder that holds `config.json`"
        raise ConfigError(f"`{folder}` is not a run folder", hint)
    return found


def asked(folder: Path, here: Mapping[str, Any], words: list[str]) -> dict[str, Any]:
    """Return the settings of the run folder that `--resume` names.

    Raises:
        ConfigError: It is no run folder, or that of another run.
    """
    there = run_folder(folder)
    if there["recipe"] != here["recipe"]:
        why = differences(there, here, words) or ["it was made by another version"]
        raise ConfigError(
            f"`{folder}` is another run: {'; '.join(why)}",
            "give the settings and data of that run, or leave out `--resume` to begin a new one",
        )
    return there


def check_version(out: Path, name: str, here: Mapping[str, Any], words: list[str]) -> None:
    """Look for a stopped run that only the program's version keeps from being this one.

    Raises:
        ConfigError: There is one: begun again in silence, its work would be lost.
    """
    for folder, there, step in _stopped(out, name, here):
        if there.get("version") != here["version"] and not differences(
            there | {"version": here["version"]}, here, words
        ):
            way = f"finish it with version {there.get('program', 'of then')}"
            if here["version"] == BATCHES:  # its recipe is the one without the option
                way = "go on with it without `--accumulate`"
            raise ConfigError(
                f"`{folder}`, stopped after step {step}, was begun by another version of this "
                f"program, which {BEFORE[here['version']]}",
                f"{way}, or begin a new run: give another `--name`, or move that folder away",
            )


def unfinished(out: Path, name: str, here: Mapping[str, Any], words: list[str]) -> list[str]:
    """Return a line for each stopped run of this name that a new run does not go on with.

    One of another method is another training, and nobody would take it for this one.
    """
    told: list[str] = []
    for folder, there, step in _stopped(out, name, here):
        if there.get("method") != here["method"]:
            continue
        why = "; ".join(differences(there, here, words)) or "it was made by another version"
        told.append(f"a new run begins; `{folder}`, stopped at step {step}, is another: {why}")
    return told


def _stopped(
    out: Path, name: str, here: Mapping[str, Any]
) -> Iterator[tuple[Path, dict[str, Any], int]]:
    """Yield folder, settings and last step of each stopped run of a name that is another one."""
    for folder in sorted(out.glob(f"{_plain(name)}-????????")):
        there = settings(folder)
        saved = checkpoint.steps(folder / CHECKPOINTS)
        if there is None or not saved or there["recipe"] == here["recipe"]:
            continue
        if any((folder / f"{name}{ending}").exists() for ending in ("", ".safetensors")):
            continue
        yield folder, there, saved[0][0]


def _plain(name: str) -> str:
    """Return a glob pattern that only `name` matches."""
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
