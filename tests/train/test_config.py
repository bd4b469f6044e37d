import math
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from prep.errors import ConfigError
from train.config import Config, safe_name


def test_alpha_is_rank_unless_given() -> None:
    """Without an alpha the adapter's scale is one."""
    assert Config(rank=8).scale() == 8.0
    assert Config(rank=8, alpha=2).scale() == 2.0


def test_only_what_decides_bytes_is_in_the_recipe() -> None:
    """Folder, device and names are not part of what decides the weights; the rest is."""
    assert Config(rank=4, out=Path("x"), device="cpu", name="n", base="b").deciding() == {
        "rank": 4,
        "alpha": 4.0,
        "learning_rate": 1e-4,
        "steps": 1000,
        "batch": 1,
        "seed": 0,
    }


def test_all_mistakes_are_told_at_once() -> None:
    """Every value out of its limits is named, in the order of the options."""
    with pytest.raises(ConfigError) as caught:
        Config(rank=0, batch=0, learning_rate=math.nan, device="gpu", name="a/b")

    told = [str(caught.value), *(message for message, _ in caught.value.others)]
    assert told == [
        "`--rank` is 0",
        "`--batch` is 0",
        "`--alpha` is 0.0",
        "`--learning-rate` is nan",
        "`--device` is `gpu`",
        "`--name` is `a/b`",
    ]


@pytest.mark.parametrize("name", ["", ".hidden", "a:b", "a.", "..", "a\x00b", "a\\b"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    """A name that some system could not write, or that leaves the folder, is a mistake."""
    with pytest.raises(ConfigError):
        Config(name=name)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("my girl", "my girl"), ("\u7d75", "\u7d75"), ("a:b", "a_b"), ("", "lora"), ("..", "lora")],
)
def test_a_folder_gives_a_name_that_can_be_written(folder: str, name: str) -> None:
    """The default name is the folder's, made fit for every system; it passes our own check."""
    assert safe_name(folder) == name
    assert Config(name=name).name == name


def test_settings_cannot_change_under_a_run() -> None:
    """The settings are frozen, and each has a help line."""
    with pytest.raises(FrozenInstanceError):
        Config().rank = 3  # type: ignore[misc]
    assert all(item.metadata["help"] for item in fields(Config))
