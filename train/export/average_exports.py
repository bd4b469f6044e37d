"""`train average`: exports of one run -> one that is their average, looked through before."""

import json
from collections.abc import Sequence
from pathlib import Path

from prep.runtime.console import Console
from prep.runtime.errors import ConfigError, ModelFileError
from train.adapters.lora_metadata import said
from train.adapters.run_exports import exports_of
from train.export import average, lora_file
from train.export.average import AVERAGED, Averaged
from train.export.average_profile import power_profile


def average_exports(
    paths: Sequence[Path],
    console: Console,
    *,
    width: float,
    weights: Sequence[float] = (),
    out: Path | None = None,
) -> Path:
    """Write the average of several exports of one run; return its place.

    Averages among them are left out, and that is told: they hold the others already.

    Args:
        paths: Exports; the folder of a run stands for all that are in it.
        width: See `power_profile`.
        weights: What each export counts, in the order of `paths`; empty for the profile.
        out: By default beside the last export, with `-averaged` behind the run's name.

    Raises:
        ConfigError: There are not several exports, or not as many weights, or these count nothing.
        ModelFileError: One is missing or no export of ours, or they are not of one run.
        ProofError, MachineError: As `average.write`.
    """
    paths = _without_averages([one for path in paths for one in exports_of(path)], console)
    _check_given(paths, weights)
    run = {path: _run_of(path) for path in paths}
    if len({recipe for recipe, _ in run.values()}) > 1 or len({p.is_dir() for p in paths}) > 1:
        other = next(path for path in paths if run[path][0] != run[paths[0]][0])
        raise ModelFileError(
            f"`{paths[0]}` and `{other}` are of two runs", "name exports of one run"
        )
    order = sorted(paths, key=lambda path: run[path][1])
    steps = [run[path][1] for path in order]
    if len(set(steps)) < len(steps):
        twice = next(step for step in steps if steps.count(step) > 1)
        raise ModelFileError(f"two exports are of step {twice}", "name each step once")
    if weights:
        given = dict(zip(paths, weights, strict=True))
        shares = [given[path] / sum(weights) for path in order]
    else:
        shares = power_profile(steps, width)
    rows = [
        {"export": path.name, "step": step, "weight": share}
        for path, step, share in zip(order, steps, shares, strict=True)
    ]
    place = out or _place(order[-1])
    _check_place(place, order)
    about = dict(said(order[-1])) | {
        AVERAGED: json.dumps(rows),
        "ss_output_name": place.name.removesuffix(".safetensors"),
        "modelspec.title": place.name.removesuffix(".safetensors"),
    }
    found = Averaged(tuple(order), tuple(shares), about)
    average.check_alike(found)
    average.write(place, found)
    told = ", ".join(
        f"step {step} x {share:.3f}" for step, share in zip(steps, shares, strict=True)
    )
    console.say(f"averaged: {place}", f"  {told}", export=str(place), averaged=rows)
    return place


def _without_averages(paths: Sequence[Path], console: Console) -> list[Path]:
    found = []
    for path in paths:
        if path.exists() and AVERAGED in said(path):
            console.note(f"`{path.name}` is an average, and left out")
        else:
            found.append(path)
    return found


def _check_given(paths: Sequence[Path], weights: Sequence[float]) -> None:
    if len({path.resolve() for path in paths}) < max(2, len(paths)):
        raise ConfigError("an average is of several exports", "name two or more, each once")
    if weights and len(weights) != len(paths):
        raise ConfigError(
            f"there are {len(paths)} exports and {len(weights)} weights",
            "give one for each, as `--weights 1,1,2`",
        )
    if weights and not sum(weights) > 0:
        raise ConfigError("all weights are 0", "give at least one export a weight")


def _run_of(path: Path) -> tuple[str, int]:
    """Return the recipe of the run that made an export, and after which step."""
    if not path.exists():
        raise ModelFileError(f"there is no export `{path}`", "name files or folders of a run")
    recipe, step = lora_file.recipe_of(path), lora_file.steps_of(path)
    if not recipe or not step:
        raise ModelFileError(
            f"`{path}` does not say of which run and step it is", "name exports of `train`"
        )
    return recipe, step


def _place(last: Path) -> Path:
    ending = "" if last.is_dir() else last.suffix
    name = said(last).get("ss_output_name") or last.name.removesuffix(ending)
    return last.with_name(f"{name}-averaged{ending}")


def _check_place(place: Path, exports: Sequence[Path]) -> None:
    """Raise ConfigError where the average would replace something else than an average."""
    if exports[-1].is_file() and place.suffix != ".safetensors":
        raise ConfigError(f"`--out` is `{place}`", "give it the ending `.safetensors`")
    if place.exists() and (AVERAGED not in said(place) or place in exports):
        raise ConfigError(
            f"`{place}` is there already and is no average", "name another place: `--out`"
        )
