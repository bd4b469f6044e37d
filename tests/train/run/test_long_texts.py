from collections.abc import Callable
from pathlib import Path

import pytest

from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from tests.train.runs import lora, new_console, said, steps
from train.methods import config_of
from train.run import decide, probe
from train.run.decide import program_version
from train.run.readiness import ready

LONG = ("mascot", *(f"tag {n}" for n in range(20)))  # 100 tokens and more


def test_a_long_text_trains_whole_unless_told_otherwise(
    meta: Path, tmp_path: Path, models: Models, changed: Callable[..., Path]
) -> None:
    """Of 75 tokens allowed another LoRA comes out than of all; 150 and 225 are the same here."""
    changed(meta, "0.png", tags=LONG)
    made = {
        most: lora(meta, tmp_path / most, models, new_console(), steps=3, max_tokens=int(most))
        for most in ("75", "150", "225")
    }

    from safetensors.torch import load_file

    one, two, three = (load_file(path) for path in made.values())
    assert any(not one[name].equal(two[name]) for name in one)
    assert all(two[name].equal(three[name]) for name in two)


def test_a_run_without_long_texts_keeps_its_recipe(meta: Path, models: Models) -> None:
    """Where no text has more than 75 tokens the option decides nothing; where one has, it does."""
    short = {decide.decide([meta], config_of(max_tokens=n), models).recipe for n in (75, 225)}

    assert len(short) == 1


def test_a_run_of_cut_texts_is_refused_or_goes_on(
    meta: Path,
    tmp_path: Path,
    models: Models,
    changed: Callable[..., Path],
) -> None:
    """A run of before, which cut texts at 75 tokens, is refused; told to cut them it goes on."""
    changed(meta, "0.png", tags=LONG)
    old = lora(meta, tmp_path, models, new_console(), steps=1, name="toy", max_tokens=75)
    old.unlink()

    with pytest.raises(ConfigError) as caught:
        lora(meta, tmp_path, models, new_console(), steps=2, name="toy")
    console = new_console()
    made = lora(meta, tmp_path, models, console, steps=2, name="toy", max_tokens=75)

    assert caught.value.hint == (
        f"finish it with version {program_version()}, or begin a new run: give another `--name`, "
        "or move that folder away"
    )
    assert made == old
    assert steps(made) == [1, 2]
    assert "continues after step 1 of 2" in said(console)[0] + said(console)[1]


def test_a_long_prompt_is_told_before_the_training(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """Of the prompts for its pictures, one that is cut is named; brackets are no tokens."""
    file = tmp_path / "p.txt"
    file.write_text(f"{'x ' * 250}--s 2\n{'(x) ' * 225}--n y --s 2\n")

    found = ready([meta], config_of(steps=1, prompts=file, sampler="euler"), models, probe.here)
    without = ready([meta], config_of(steps=1, sampler="euler"), models, probe.here)

    assert found.notes == (
        f"1 prompt has more than 225 tokens; its end is not read: `{'x ' * 20}` (250)",
    )
    assert without.notes == (
        "`--sampler euler` has no effect: without `--prompts` nothing is drawn",
    )
