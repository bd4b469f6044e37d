"""Every number that a person can give has a smallest and a largest value, declared once."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import Field
from typing import Any, get_type_hints

import pytest
from typer.main import get_command

from prep.cli import app as prep_cli
from prep.pipeline.subcommands import all_commands, mistake
from prep.runtime.errors import ConfigError
from prep.stages import all_stages
from train.cli import app as train_cli
from train.config import Config
from train.config_checks import with_steps
from train.methods import all_methods, config_of
from train.option_fields import described

PARAMS = [
    (name, item)
    for name, command in all_commands(all_stages().values()).items()
    for item in command.params().values()
    if item.type in (int, float)
]
RECORDS = [("lora", Config), *((name, one.options) for name, one in all_methods().items())]
KINDS = {name: hint for _, kind in RECORDS for name, hint in get_type_hints(kind).items()}
WHOLE, BROKEN = (int, int | None), (float, float | None)
NUMBERS = (int, float, list[int], list[float])
SETTINGS = [
    (method, item)
    for method, kind in RECORDS
    for item in described(kind)
    if KINDS[item.name] in (*WHOLE, *BROKEN)
]


def outside(least: float, most: float, whole: bool) -> Iterator[float]:
    """Yield numbers that are out of limits, just beyond and far beyond."""
    if whole:
        yield from (int(least) - 1, int(most) + 1, -(10**30), 10**30)
    else:
        yield from (math.nextafter(least, -math.inf), math.nextafter(most, math.inf))
        yield from (-1e300, 1e300, math.nan, math.inf, -math.inf)


def options() -> Iterator[tuple[str, Any]]:
    """Yield the subcommand and each numeric option of both programs."""
    for app in (prep_cli.build_app(), train_cli.app):
        waiting: list[tuple[str, Any]] = [("", get_command(app))]
        while waiting:
            path, command = waiting.pop()
            inner = vars(command).get("commands", {})
            waiting += [(f"{path} {name}".strip(), one) for name, one in inner.items()]
            for one in command.params:
                if vars(one)["type_descriptor"].annotation in NUMBERS:
                    yield path, one


# What a setting has to stand beside, else it would decide nothing and is refused.
BESIDE: Mapping[str, Mapping[str, Any]] = {
    "schedule_power": {"schedule": "polynomial"},
    "decay_steps": {"schedule": "warmup-stable-decay"},
    "timescale": {"schedule": "inverse-sqrt"},
    "lowest_rate": {"schedule": "cosine-with-min-lr"},
    "huber_c": {"loss": "huber"},
    "huber_scale": {"loss": "huber", "huber_schedule": "constant"},
    "adaptive_noise_scale": {"noise_offset": 0.1},
    "multires_noise_discount": {"multires_noise_iterations": 6},
    "held_out_seed": {"held_out": 0.1},
    "conv_rank": {"targets": "convolutions"},
    "conv_alpha": {"targets": "convolutions"},
    "logit_mean": {"timesteps": "logit-normal"},
    "logit_std": {"timesteps": "logit-normal"},
    "mode_scale": {"timesteps": "mode"},
}


def test_there_are_numbers_to_look_at() -> None:
    """The walk finds the numeric options of both programs."""
    assert len(PARAMS) > 25
    assert len(SETTINGS) > 15
    assert len(list(options())) > 70


@pytest.mark.parametrize(
    ("command", "item"), PARAMS, ids=[f"{name}-{item.name}" for name, item in PARAMS]
)
def test_a_param_of_a_stage_has_limits(command: str, item: "Field[Any]") -> None:
    """Case D1: each number of a stage, as an option or in pipelines.yaml, has two limits."""
    limits = item.metadata["limits"]
    least, most = limits.get("ge", limits.get("gt")), limits["le"]
    kind: Any = item.type

    assert mistake(item, kind(most)) is None
    assert mistake(item, item.default) is None
    for given in outside(least, most, kind is int):
        hints = ["write a finite number"]
        if math.isfinite(given):
            below = "more than {:g}" if "gt" in limits else "{:g} or more"
            hints = [
                f"write {below.format(least)}" if given <= least else f"write {most:g} or less"
            ]
        assert mistake(item, given) == (f"`{item.name}` is {given}", hints[0]), command


@pytest.mark.parametrize(
    ("method", "item"), SETTINGS, ids=[f"{name}-{item.name}" for name, item in SETTINGS]
)
def test_a_setting_of_a_training_has_limits(method: str, item: "Field[Any]") -> None:
    """Case D1: each number of a training has two limits, told with the option's name."""
    limits = item.metadata["limits"]
    least, most = limits["least"], limits["most"]
    whole, of_parts = KINDS[item.name] in WHOLE, all_methods()[method].of_parts

    for good in (least, most):
        beside = {} if good == item.default else BESIDE.get(item.name, {})
        together = {**beside, item.name: good}
        config = config_of(method, text_encoder=of_parts, **together)
        assert config.chosen()[item.name] == pytest.approx(good)
    for given in outside(least, most, whole):
        with pytest.raises(ConfigError) as caught:
            config_of(method, text_encoder=of_parts, **{item.name: given})
        assert (str(caught.value), caught.value.hint) == (
            f"`--{item.name.replace('_', '-')}` is {given}",
            f"give a {'whole number' if whole else 'number'} from {least} to {most}",
        )


def test_no_option_is_without_limits() -> None:
    """Case D1: every numeric option is a stage's, a training's, or has limits of its own."""
    of_stages = {(name, item.name) for name, item in PARAMS}
    of_trainings = {(name, item.name) for name in (*all_methods(), "check") for _, item in SETTINGS}
    bare = [
        (path, one.name)
        for path, one in options()
        if (path, one.name) not in of_stages | of_trainings and (one.min is None or one.max is None)
    ]

    assert bare == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--strength nan", "`--strength`: it is more than 100"),
        ("--strength 1e300", "`--strength`: it is more than 100"),
        ("--guidance -1", "`--guidance`: it is less than 0"),
        ("--guidance inf", "`--guidance`: it is more than 100"),
        ("--seed -1", "`--seed`: it is less than 0"),
        ("--steps 99999999999", "`--steps`: it is more than 1000"),
        ("--clip-skip 99", "`--clip-skip`: it is more than 12"),
    ],
)
def test_numbers_of_a_sheet_have_limits(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Case D1: what `train sample` is given is checked before the LoRA is looked for."""
    with pytest.raises(SystemExit) as ended:
        train_cli.main(["sample", "x.safetensors", *words.split()])

    assert ended.value.code == 2
    assert capsys.readouterr().err == (
        f"error: invalid value for {told}\nhint: see `train sample --help`\n"
    )


def test_epochs_that_are_too_many_steps() -> None:
    """Case D1: epochs are limited by the steps that they are, too."""
    with pytest.raises(ConfigError) as caught:
        with_steps(config_of(epochs=1_000_000), 20)

    assert (str(caught.value), caught.value.hint) == (
        "`--epochs` is 1000000, which is 20000000 steps",
        "train at most 10000000 steps",
    )
