from typing import Any

import pytest

from prep.runtime.errors import ConfigError
from train.config_checks import with_steps
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.methods.lora import share
from train.schedule_rows import SCHEDULES as ROWS
from train.step.schedule import learning_rate, peak_of

RULES = "1:10,0.1:20,0.01:30,0.005"
# Settings, and the schedulers of diffusers and transformers that they are: name, arguments.
SCHEDULES: list[tuple[dict[str, Any], str, dict[str, Any]]] = [
    ({}, "constant", {}),
    ({"warmup": 5}, "constant_with_warmup", {"num_warmup_steps": 5}),
    ({"schedule": "linear", "warmup": 4}, "linear", {"num_warmup_steps": 4}),
    ({"schedule": "cosine", "warmup": 3}, "cosine", {"num_warmup_steps": 3}),
    ({"schedule": "cosine_with_restarts", "warmup": 2, "cycles": 3}, "cosine_with_restarts",
     {"num_warmup_steps": 2, "num_cycles": 3}),
    ({"schedule": "polynomial", "warmup": 4}, "polynomial", {"num_warmup_steps": 4}),
    ({"schedule": "polynomial", "schedule_power": 2.5}, "polynomial",
     {"num_warmup_steps": 0, "power": 2.5}),
    ({"schedule": "piecewise_constant", "rate_rules": RULES}, "piecewise_constant",
     {"step_rules": RULES}),
    ({"schedule": "inverse_sqrt", "warmup": 6}, "inverse_sqrt", {"num_warmup_steps": 6}),
    ({"schedule": "inverse_sqrt"}, "inverse_sqrt", {"num_warmup_steps": 0}),
    ({"schedule": "inverse_sqrt", "warmup": 6, "timescale": 90}, "inverse_sqrt",
     {"num_warmup_steps": 6, "scheduler_specific_kwargs": {"timescale": 90}}),
    ({"schedule": "cosine_with_min_lr", "warmup": 3, "cycles": 2, "lowest_rate": 0.2},
     "cosine_with_min_lr",
     {"num_warmup_steps": 3,
      "scheduler_specific_kwargs": {"num_cycles": 1.0, "min_lr_rate": 0.2}}),
    ({"schedule": "warmup_stable_decay", "warmup": 5, "decay_steps": 12}, "warmup_stable_decay",
     {"num_warmup_steps": 5, "scheduler_specific_kwargs": {"num_decay_steps": 12}}),
    ({"schedule": "warmup-stable-decay", "warmup": 5, "decay_steps": 12, "lowest_rate": 0.1},
     "warmup_stable_decay",
     {"num_warmup_steps": 5,
      "scheduler_specific_kwargs": {"num_decay_steps": 12, "min_lr_ratio": 0.1}}),
]  # fmt: skip


@pytest.mark.parametrize(("given", "name", "more"), SCHEDULES)
def test_learning_rates_are_diffusers_own(
    given: dict[str, Any], name: str, more: dict[str, Any]
) -> None:
    """The rate of each step is the one that the library's scheduler of that name comes to."""
    import diffusers.optimization
    import torch
    import transformers.optimization

    of_transformers = name in ("inverse_sqrt", "cosine_with_min_lr", "warmup_stable_decay")
    library: Any = transformers.optimization if of_transformers else diffusers.optimization
    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    scheduler = library.get_scheduler(name, optimizer, num_training_steps=40, **more)
    config = config_of(**given, learning_rate=1e-4)
    for step in range(40):
        (wanted,) = scheduler.get_last_lr()
        assert learning_rate(step, 1e-4, config, 40) == pytest.approx(wanted, rel=1e-12, abs=1e-20)
        optimizer.step()
        scheduler.step()


def test_every_schedule_is_measured() -> None:
    """No row stands without a scheduler of a library beside it."""
    named = {config_of(**given).schedule for given, _, _ in SCHEDULES}

    assert named == {*ROWS}
    assert {ROWS[config_of(**given).schedule].written_as(bool(given.get("warmup")))
            for given, _, _ in SCHEDULES} == {name for _, name, _ in SCHEDULES}  # fmt: skip


@pytest.mark.parametrize(("given", "name", "more"), SCHEDULES)
def test_a_rate_that_does_not_know_the_end_is_no_other_run(
    given: dict[str, Any], name: str, more: dict[str, Any]
) -> None:
    """A run can be made longer exactly where no step that is done would be another one."""
    config = config_of(**given, steps=40)

    rates = [
        [learning_rate(step, 1e-4, config, steps) for step in range(40)] for steps in (40, 2000)
    ]

    assert (rates[0] == rates[1]) == ("steps" not in config.deciding())


def test_parts_of_other_rates_keep_their_ratio() -> None:
    """A polynomial ends at 1e-7 of the usual rate; a part of half the rate at half of that."""
    config = config_of(schedule="polynomial", learning_rate=1e-4)

    assert learning_rate(40, 1e-4, config, 40) == pytest.approx(1e-7, rel=1e-12)
    assert learning_rate(40, 5e-5, config, 40) == pytest.approx(5e-8, rel=1e-12)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"schedule_power": 2.0},
         "`--schedule-power` is given, and `--schedule constant` does not use it",
         "leave it out, or give `--schedule polynomial`"),
        ({"schedule": "piecewise-constant", "rate_rules": "1:5,0.1", "warmup": 3},
         "`--warmup` is given, and `--schedule piecewise-constant` does not use it",
         "leave it out, or give `--schedule constant`"),
        ({"schedule": "piecewise-constant"},
         "`--schedule piecewise-constant` is given without `--rate-rules`",
         "give shares of the rate, each up to a step: `1:100,0.1:200,0.01`"),
        ({"schedule": "piecewise-constant", "rate_rules": "1:ten,0.1"},
         "`--rate-rules` has `1:ten`",
         "give shares of the rate, each up to a step: `1:100,0.1:200,0.01`"),
        ({"schedule": "warmup-stable-decay"},
         "`--schedule warmup-stable-decay` is given without `--decay-steps`",
         "give the steps in which the rate falls at last"),
        ({"schedule": "polynomial", "learning_rate": 1e-7},
         "`--learning-rate` is 1e-07, and `--schedule polynomial` ends at 1e-07",
         "give a higher rate, or another schedule"),
    ],
)  # fmt: skip
def test_a_schedule_has_what_it_needs_and_no_more(
    given: dict[str, Any], message: str, hint: str
) -> None:
    """What a schedule cannot do without, or does not use, is two lines."""
    with pytest.raises(ConfigError) as caught:
        config_of(**given)

    assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize("text", ["1:5,1:5,0.1", "1:5", "nan", "0.1:5,-1", "1:5,0.1,", "1:5:6,1"])
def test_a_rule_that_is_none_is_refused(text: str) -> None:
    """Steps that come twice, numbers that are none, and an end without a share are mistakes."""
    with pytest.raises(ConfigError):
        config_of(schedule="piecewise-constant", rate_rules=text)


def test_warm_up_and_decay_fit_the_run() -> None:
    """A rate that falls before it has risen is two lines, once the steps are known."""
    config = config_of(schedule="warmup-stable-decay", warmup=8, decay_steps=14, epochs=3)

    with pytest.raises(ConfigError) as caught:
        with_steps(config, 7)

    assert (str(caught.value), caught.value.hint) == (
        "`--warmup` and `--decay-steps` are 8 and 14, and the run has 21 steps",
        "give fewer of them, or train longer",
    )


def test_a_weight_learns_at_the_rate_of_its_part() -> None:
    """A text encoder's own rate, and LoRA+ for the up weights of both; else all learn alike."""
    config = config_of(
        learning_rate=1e-4, text_encoder=True, text_encoder_learning_rate=1e-5, lora_plus=16.0
    )
    names = ("up.lora_A.lora.weight", "up.lora_B.lora.weight", "text_encoder.q.lora_B.lora.weight")

    assert [peak_of(name, config, FAMILY, share) for name in names] == [
        1e-4, pytest.approx(1.6e-3), pytest.approx(1.6e-4),
    ]  # fmt: skip
    assert {peak_of(name, config_of(), FAMILY, share) for name in names} == {1e-4}
