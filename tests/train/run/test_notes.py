"""What a person is told of settings before a training begins."""

import re
from itertools import islice

import pytest

from train.data.order import step_order, steps_per_epoch
from train.methods import config_of
from train.run import notes


@pytest.mark.parametrize(
    ("counts", "passes", "each", "note"),
    [
        ((2, 4), 1, "2 samples each", None),
        ((2, 3, 1), 1, "up to 2 samples each, 1.5 on average", None),
        ((2, 4, 2), 2, "4 samples each", "4 samples a step: 2 batches of 2"),
        ((2, 3, 1), 3, "up to 5 samples each, 3.0 on average",
         "up to 5 samples a step, 3.0 on average: up to 3 batches of up to 2"),
        ((2, 4), 2, "up to 4 samples each, 3.0 on average",
         "up to 4 samples a step, 3.0 on average: up to 2 batches of up to 2"),
        ((2, 3, 1), 5, "6 samples each",
         "`--accumulate` is 5, and an epoch has 4 batches: a step is a whole epoch"),
    ],
)  # fmt: skip
def test_the_samples_of_a_step_are_told(
    counts: tuple[int, ...], passes: int, each: str, note: str | None
) -> None:
    """Buckets leave batches short, epochs leave steps short: the most and the mean are counted."""
    repeats = {(64 + n, 64): {f"{n}": count} for n, count in enumerate(counts)}
    config = config_of(batch=2, accumulate=passes)

    assert notes.samples_told(config, repeats, "each") == each
    assert notes.batches_note(config, repeats) == note
    shown = [sum(map(len, step)) for step in islice(step_order(repeats, 2, passes, 0), 60)]
    numbers = [float(one) for one in re.findall(r"\d+(?:\.\d+)?", each)]
    assert numbers[0] >= max(shown)
    per_epoch = steps_per_epoch(repeats, 2, passes)
    assert numbers[-1] == sum(shown[:per_epoch]) / per_epoch


def test_what_compiling_and_float16_cost_is_told() -> None:
    """Each size of bucket and of batch is compiled; squares of gradients vanish in float16."""
    repeats = {(64, 64): {"a": 3, "b": 2}, (64, 32): {"c": 1}, (32, 64): {"d": 4}}

    assert notes.compile_note(config_of(batch=2), repeats) is None
    assert notes.compile_note(config_of(batch=2, compile=True), repeats) == (
        "`--compile` makes a program for 4 sizes of bucket and batch, at the first step of each"
    )
    assert notes.halves_note(config_of(full_fp16=True)) == (
        "`--full-fp16` keeps what `adamw` remembers in float16 too, where small numbers vanish and "
        "steps become too long: `--optimizer adamw8bit` or `adafactor` keeps it otherwise"
    )
    assert notes.halves_note(config_of(full_fp16=True, optimizer="adafactor")) is None
    assert notes.halves_note(config_of(full_bf16=True)) is None
