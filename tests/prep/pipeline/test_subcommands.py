"""What stages declare as subcommands: their params, limits and nearest names."""

import math
from dataclasses import dataclass, fields
from typing import Any

import pytest

from prep.pipeline.subcommands import all_commands, build_params, check, mistake, unknown_param
from prep.runtime.errors import ConfigError
from prep.stage import Shape, param, stage
from prep.stages import all_stages


@dataclass(frozen=True)
class Params:
    size: int = param(8, "px", ge=1, le=64)
    ratio: float = param(0.5, "part", gt=0)
    mode: str = param("fast", "how", choices=("fast", "exact"))
    grey: bool = param(False, "no colours")


@stage(version=1, reads=("image",), writes="thing", params=Params, commands=("do", "do all"))
def first(image: Any, params: Params) -> int:
    """Make a thing."""
    return 0


@stage(
    version=1, reads=("thing",), writes="meta", params=Params, shape=Shape.VIEW, commands=("do",)
)
def second(rows: Any, params: Params) -> bytes:
    """Publish the thing."""
    return b""


COMMANDS = all_commands([second, first])
ITEMS = {item.name: item for item in fields(Params)}


def test_a_command_is_the_stages_that_name_it() -> None:
    """A stage may be in several commands; in each, makers come before what shows the thing."""
    assert list(COMMANDS) == ["do", "do all"]
    assert COMMANDS["do"].stages == (first, second)
    assert COMMANDS["do all"].stages == (first,)
    assert COMMANDS["do"].help() == "Make a thing. Publish the thing."


def test_a_commands_kind_follows_from_its_stages() -> None:
    """Whether it begins, continues or needs no dataset file, and whether it writes pictures."""
    real = all_commands(all_stages().values())

    assert [name for name in real if real[name].fans_out()] == ["augment", "crop"]
    assert [name for name in real if real[name].reads_meta()] == ["bucket", "latents"]
    assert [name for name in real if real[name].writes_meta()] == ["edit"]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("size", 0, ("`size` is 0", "write 1 or more")),
        ("size", 65, ("`size` is 65", "write 64 or less")),
        ("size", 1.5, ("`size` is `1.5`", "write a whole number")),
        ("size", True, ("`size` is `true`", "write a whole number")),
        ("ratio", 0, ("`ratio` is 0.0", "write more than 0")),
        ("ratio", "x", ("`ratio` is `x`", "write a number")),
        ("ratio", math.nan, ("`ratio` is nan", "write a finite number")),
        ("ratio", math.inf, ("`ratio` is inf", "write a finite number")),
        ("mode", "exactly", ("`mode` is `exactly`", "did you mean `exact`?")),
        ("mode", 3, ("`mode` is `3`", "write text")),
        ("grey", "maybe", ("`grey` is `maybe`", "write true or false")),
        ("size", 64, None),
        ("ratio", 1, None),
        ("mode", "exact", None),
        ("grey", True, None),
    ],
)
def test_a_value_is_checked_against_its_param(
    name: str, value: Any, told: tuple[str, str] | None
) -> None:
    """Types, limits and choices are checked in one place, whoever gives the value."""
    assert mistake(ITEMS[name], value) == told


def test_wrong_options_are_told_together() -> None:
    """All wrong options of a command line at once, named as they are typed."""
    with pytest.raises(ConfigError) as caught:
        check(COMMANDS["do"], {"size": 0, "mode": "x", "grey": True})

    assert (str(caught.value), caught.value.hint) == ("option `--size` is 0", "write 1 or more")
    assert caught.value.others == (("option `--mode` is `x`", "known: exact, fast"),)


def test_an_unknown_param_has_its_nearest() -> None:
    """A misspelt key of pipelines.yaml is met with the param it resembles."""
    assert unknown_param(COMMANDS["do"], "sise") == (
        "`do` has no param `sise`",
        "did you mean `size`?",
    )


def test_a_command_without_params_says_so() -> None:
    """Whoever gives `duplicates` its former param is told what to write in its place."""
    assert unknown_param(all_commands(all_stages().values())["duplicates"], "distance") == (
        "`duplicates` has no param `distance`",
        "it has none at all: write `- duplicates`",
    )


def test_params_are_built_from_what_a_stage_has() -> None:
    """A command's values reach each of its stages; what is not given is the default."""
    assert build_params(first, {"size": 9, "threshold": 3}) == Params(size=9)


def test_where_a_stage_writes_is_proposed_too() -> None:
    """`to` is a key of what writes pictures, and of nothing else."""
    assert (
        unknown_param(all_commands(all_stages().values())["crop"], "too")[1] == "did you mean `to`?"
    )
    assert "`to`" not in unknown_param(all_commands(all_stages().values())["tag"], "too")[1]
