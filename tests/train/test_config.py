import math
from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from prep.runtime.errors import ConfigError
from train.config import Config, safe_name
from train.config_checks import with_steps
from train.loss_rows import LossOptions
from train.methods import config_of
from train.methods.lora import LoraOptions
from train.noise_options import NoiseOptions
from train.option_fields import described
from train.preservation_options import PreservationOptions
from train.schedule_rows import SCHEDULES, ScheduleOptions
from train.timestep_options import TimestepOptions
from train.watch_options import WatchOptions

# Options of texts that came later, each with a value that is not its default.
TEXT = {
    "caption_dropout_every_epochs": 2, "caption_prefix": "a", "caption_suffix": "b",
    "keep_tags_separator": "|||", "secondary_separator": ";;;", "tag_dropout": 0.1,
    "tag_warmup": 5, "tag_warmup_least": 2,
    "weighted_words": True, "wildcards": True,
}  # fmt: skip

# Those of losses, schedules and what is watched; tests of their own have each of them.
RECORDS = (
    LossOptions, NoiseOptions, PreservationOptions, ScheduleOptions, TimestepOptions, WatchOptions,
)  # fmt: skip
LATER = {one.name for kind in RECORDS for one in fields(kind)}


def test_alpha_is_rank_unless_given() -> None:
    """Without an alpha the adapter's scale is one."""
    assert config_of(rank=8).own_as(LoraOptions).scale() == 8.0
    assert config_of(rank=8, alpha=2).own_as(LoraOptions).scale() == 2.0


def test_only_what_decides_bytes_is_in_the_recipe() -> None:
    """Folder, device and names are not part of what decides the weights; the rest is.

    An option that came later is none of it at its default: runs of before it go on.
    """
    given = config_of(rank=4, out=Path("x"), device="cpu", name="n", base="b", keep=9)

    assert given.deciding() == config_of(rank=4).deciding()
    shown = {item.name for item in described(Config)} - LATER
    assert shown - set(given.deciding()) == {
        "accumulate", "attention", "base", "block_rates", "compile", "device", "epochs",
        "full_bf16", "full_fp16", "gradient_checkpointing", "keep", "log", "max_tokens", "name",
        "out", "prediction", "prompts", "resume", "sampler", "save_every_epochs",
        "save_every_steps", "save_precision", "shard", "steps", "text_cache",
        "text_encoder_learning_rate", *TEXT,
    }  # fmt: skip
    assert given.deciding()["alpha"] == 4.0
    more = {"text_encoder": True, "text_encoder_learning_rate": 1e-5, "lora_plus": 16.0,
            "timesteps": "uniform", "block_rates": "IN=0.5", "prediction": "v", "accumulate": 2,
            **TEXT}  # fmt: skip
    assert {*more} <= config_of(**more).deciding().keys()
    assert config_of(method="finetune").deciding()["rank"] == 16  # as it always stood there


def test_steps_are_counted() -> None:
    """Epochs are turned into steps, and neither given means a thousand."""
    assert with_steps(config_of(epochs=3), 7).steps == 21
    assert with_steps(config_of(steps=5), 7).steps == 5
    assert with_steps(config_of(), 7).steps == 1000
    assert with_steps(config_of(schedule="cosine", epochs=3), 7).deciding()["steps"] == 21


def test_a_warm_up_has_an_end() -> None:
    """A learning rate that would rise for the whole run is a mistake."""
    with pytest.raises(ConfigError) as caught:
        with_steps(config_of(warmup=21, epochs=3), 7)

    assert (str(caught.value), caught.value.hint) == (
        "`--warmup` is 21, and the run has 21 steps",
        "give fewer steps to warm up, or train longer",
    )


def test_all_mistakes_are_told_at_once() -> None:
    """Every value out of its limits is named with what to give, in the order of the options."""
    with pytest.raises(ConfigError) as caught:
        config_of(
            rank=0, batch=0, learning_rate=math.nan, device="gpu", name="a/b", steps=1, epochs=1,
            weight_decay=-1.0, schedule="cosin", caption_dropout=1.5, clip_skip=13, warmup=-1,
        )  # fmt: skip

    told = [(str(caught.value), caught.value.hint), *caught.value.others]
    assert told == [
        ("`--rank` is 0", "give a whole number from 1 to 1024"),
        ("`--learning-rate` is nan", "give a number from 1e-10 to 10"),
        ("`--batch` is 0", "give a whole number from 1 to 4096"),
        ("`--weight-decay` is -1.0", "give a number from 0 to 10"),
        ("`--schedule` is `cosin`", f"known: {', '.join(SCHEDULES)}"),
        ("`--warmup` is -1", "give a whole number from 0 to 10000000"),
        ("`--clip-skip` is 13", "give a whole number from 1 to 12"),
        ("`--caption-dropout` is 1.5", "give a number from 0 to 1"),
        ("`--device` is `gpu`", "known: auto, cpu, cuda"),
        ("`--epochs` and `--steps` are both given", "give one of them"),
        ("`--name` is `a/b`", "give a file's name: no `/`, no leading dot"),
    ]


@pytest.mark.parametrize("name", ["", ".hidden", "a:b", "a.", "..", "a\x00b", "a\\b"])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    """A name that some system could not write, or that leaves the folder, is a mistake."""
    with pytest.raises(ConfigError):
        config_of(name=name)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("my girl", "my girl"), ("\u7d75", "\u7d75"), ("a:b", "a_b"), ("", "lora"), ("..", "lora")],
)
def test_a_folder_gives_a_name_that_can_be_written(folder: str, name: str) -> None:
    """The default name is the folder's, made fit for every system; it passes our own check."""
    assert safe_name(folder) == name
    assert config_of(name=name).name == name


def test_settings_cannot_change_under_a_run() -> None:
    """The settings are frozen, and each has a help line."""
    with pytest.raises(FrozenInstanceError):
        config_of().rank = 3  # type: ignore[misc]
    assert all(item.metadata["help"] for item in described(Config))
