"""`prep run` lets the base model draw the class pictures that a pipeline asks for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset import dataset_file
from prep.pipeline import class_folders
from prep.pipeline.config import read_pipelines
from prep.pipeline.pipeline import Pipeline
from prep.pipeline.subcommands import all_commands
from prep.runtime.errors import ConfigError
from prep.stages import all_stages

PIPELINE = """\
pipelines:
  toys:
    images: ./toys
    class_pictures:
      reg/1_a mascot: {count: 2, steps: 1, width: 64, height: 64, guidance: 3.50}
    stages:
      - edit: {trigger: toy, text: caption}
      - bucket: {resolution: 64, step: 32}
      - latents: {model: tiny}
"""


def _read(home: Path, text: str) -> Pipeline:
    (home / "pipelines.yaml").write_text(text, encoding="utf-8")
    return read_pipelines(home / "pipelines.yaml", all_commands(all_stages().values()))["toys"]


def test_they_are_there_before_the_first_stage(
    prep: Callable[..., Any], draw: Callable[..., Path], home: Path
) -> None:
    """The model that makes the latents draws them, with captions where captions train; and once.

    The plan says how many, and the dataset knows them as pictures of the class, without trigger.
    """
    draw("toys/10_toy/a.png", (64, 64))
    (home / "toys/10_toy/a.caption").write_text("a toy")
    (home / "pipelines.yaml").write_text(PIPELINE, encoding="utf-8")

    folder = "toys/reg/1_a mascot"
    assert prep("plan")[1].splitlines()[0] == f"class         2 pictures to draw: {folder}"
    assert prep("run", "--quiet")[0] == 0
    found = dataset_file.load(home / "meta_lat.json")
    texts = {
        key: one.training_text(found.trigger(one))
        for key, one in found.samples.items()
        if found.concepts[one.concept].regularisation
    }
    made = sorted((home / folder).glob("class-*.png"))
    assert texts == {f"reg/1_a mascot/{path.name}": "a mascot" for path in made}
    assert len(made) == 2
    assert prep("plan")[1].splitlines()[0] == f"class         up to date: {folder}"


@pytest.mark.parametrize(
    ("line", "told", "hint"),
    [
        ("reg/1_a girl: {cuont: 2}", "`reg/1_a girl`: there is no key `cuont`",
         "did you mean `count`?"),
        ("reg/1_a girl: {dry_run: true}", "`reg/1_a girl`: there is no key `dry_run`",
         "leave it out"),
        ("girl: {count: 2}", "`girl`: what to draw for `toys/girl` is not known",
         "say it: `prompt: \"a girl\"`, or name the folder so: `reg/1_a girl`"),
        ("girl: {prompt: a girl, sampler: eulr}", "`girl`: `sampler: eulr` is not known",
         "did you mean `euler`?"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_line(
    draw: Callable[..., Path], home: Path, line: str, told: str, hint: str
) -> None:
    """Before anything is drawn the settings are looked at by the program that draws."""
    draw("toys/a.png")
    head, _, tail = PIPELINE.partition("      reg/1_a")
    pipeline = _read(home, f"{head}      {line}\n{tail.partition(chr(10))[2]}")

    with pytest.raises(ConfigError) as caught:
        class_folders.check(pipeline)

    said = (str(caught.value), caught.value.hint)
    assert said == (f"`pipelines.yaml` line 5: {told}", hint)


@pytest.mark.parametrize(
    ("below", "told", "hint"),
    [
        ("[a]", "line 4: `class_pictures` names no folder", "write `reg/1_a girl: {count: 200}`"),
        (
            "{../x: {count: 2}}",
            "line 4: `../x` is no folder below `images`",
            "write `reg/1_a girl`",
        ),
        ("{x: 2}", "line 4: `x` needs settings", "write `{count: 200}`"),
        ("{x: {count: }}", "line 4: `count` has no value", "write one, or leave it out"),
    ],
)
def test_what_names_no_folder_is_refused(home: Path, below: str, told: str, hint: str) -> None:
    """Each entry is a folder below the pictures, with settings."""
    with pytest.raises(ConfigError) as caught:
        _read(home, f"pipelines:\n  toys:\n    images: ./toys\n    class_pictures: {below}\n")

    assert (str(caught.value), caught.value.hint) == (f"`pipelines.yaml` {told}", hint)
