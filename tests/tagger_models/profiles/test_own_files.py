import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from prep.images.fitting import Resize
from prep.runtime.errors import ModelFileError, UserError
from tagger_models.profiles.own_files import preprocessed
from tagger_models.profiles.profile import Profile
from tagger_models.profiles.registry import PROFILES

ROW = PROFILES["pixai-tagger-v0.9"]
PAD = {"type": "pad_to_size", "size": [512, 512], "background_color": "white"}
CUBIC = {"type": "resize", "size": 448, "interpolation": "bicubic"}


def read(*steps: Any, key: str = "stages") -> Profile:
    """Return the row as a `preprocess.json` with these steps leaves it."""
    return preprocessed(json.dumps({key: steps}), "preprocess.json", ROW)


@pytest.mark.parametrize("key", ["stages", "test"])
def test_steps_become_ours(key: str) -> None:
    """Border, resize, crop of nothing and scaling are read, under either name."""
    row = read(
        {"type": "convert_rgb", "force_background": "white"},
        PAD,
        CUBIC,
        {"type": "center_crop", "size": [448, 448]},
        {"type": "maybe_to_tensor"},
        {"type": "normalize", "mean": [0.1, 0.2, 0.3], "std": 0.5},
        key=key,
    )

    assert row.fit == (
        Resize("within", "BILINEAR", size=512),
        Resize("pad", colour=(255, 255, 255)),
        Resize("square", "BICUBIC", size=448),
    )
    assert (row.mean, row.std, row.low, row.high) == ((0.1, 0.2, 0.3), (0.5,) * 3, 0.0, 1.0)


def test_two_sides_squash_the_picture() -> None:
    """A resize to two equal sides needs no square before it; without scaling there is none."""
    row = read({"type": "resize", "size": [448, 448]}, {"type": "to_tensor"})

    assert row.fit == (Resize("square", "BILINEAR", size=448),)
    assert (row.mean, row.std) == ((0.0,) * 3, (1.0,) * 3)


@pytest.mark.parametrize(
    "steps",
    [
        [CUBIC],  # keeps the aspect of a picture that is no square
        [PAD, {**CUBIC, "max_size": 500}],
        [PAD, {**CUBIC, "size": [448, 384]}],
        [PAD, {**CUBIC, "size": 0}],
        [PAD, {**CUBIC, "size": True}],
        [PAD, {**CUBIC, "size": [True]}],
        [PAD, {**CUBIC, "size": 1e9}],
        [PAD, {**CUBIC, "interpolation": "best"}],
        [PAD, CUBIC, {"type": "center_crop", "size": 384}],
        [{**PAD, "background_color": "teal"}],
        [{"type": "rotate", "size": 4}],
        [{"type": "rescale", "factor": 2}],
        [PAD, {"type": "normalize", "mean": [1, 2], "std": 1}],
        [PAD, {"type": "normalize", "mean": "grey", "std": 1}],
    ],
)
def test_a_step_that_we_do_not_have_is_refused(steps: list[dict[str, Any]]) -> None:
    """What would be done in another way is not done at all: the step is named."""
    with pytest.raises(ModelFileError) as told:
        read(*steps)

    kind = steps[-1]["type"]
    assert str(told.value) == (
        f"`preprocess.json` asks for the step `{kind}` in a way that is not known here"
    )
    assert told.value.hint == ("describe the model in a `tagger.yaml` beside it: docs/tagging.md")


@pytest.mark.parametrize("text", ["", "<html>", "[]", "{}", '{"stages": 3}', '{"test": [{}]}', "3"])
def test_what_holds_no_steps_is_damaged(text: str) -> None:
    """An error page or a file of another kind is told as damaged."""
    with pytest.raises(ModelFileError) as told:
        preprocessed(text, "preprocess.json", ROW)

    assert str(told.value) == "`preprocess.json` is damaged: it holds no steps"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)
STEP = st.fixed_dictionaries(
    {"type": st.sampled_from(["pad_to_size", "resize", "center_crop", "normalize", "to_tensor"])},
    optional=dict.fromkeys(("size", "mean", "std", "interpolation", "background_color"), JSON),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, max_size=4))
@example([{"type": "pad_to_size", "size": 448, "interpolation": None}])
def test_any_steps_are_read_or_refused(steps: list[dict[str, Any]]) -> None:
    """Whatever the steps hold, they are ours or told; never a traceback."""
    row, hint = ROW, "it is a row"
    try:
        row = read(*steps)
    except UserError as error:
        hint = error.hint or ""
    assert hint
    assert row is ROW or all(step.kind == "pad" or 0 < step.size <= 4096 for step in row.fit)
