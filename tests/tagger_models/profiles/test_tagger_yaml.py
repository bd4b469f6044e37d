from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.images.fitting import Resize
from prep.runtime.errors import ConfigError, ModelFileError, UserError
from tagger_models.profiles.registry import PROFILES, ask, ask_labels, profile
from tagger_models.profiles.tagger_yaml import local_profile, parse
from tagger_models.profiles.wd import WD

WHOLE = """\
like: joytag
model: mine.onnx
labels: words.csv
label_format: csv
layout: NHWC
order: BGR
low: -1
high: 1
mean: [0.1, 0.2, 0.3]
std: [1, 2, 3]
fit: [{within: lanczos}, {pad: [1, 2, 3]}, {square: box}]
size: 384
output: tags
activation: none
thresholds: {general: 0.5, character: 0.6}
"""


def parsed(text: str) -> object:
    """Return the row of a `tagger.yaml`, as the registry gets it."""
    return parse(text, "tagger.yaml", PROFILES, WD)


def told(text: str) -> list[tuple[str, str | None]]:
    """Return every mistake with its hint."""
    with pytest.raises(ConfigError) as raised:
        parsed(text)
    return [(str(raised.value), raised.value.hint), *raised.value.others]


def test_every_fact_can_be_said() -> None:
    """All keys at once: each value reaches its field, and nothing of the other row is left."""
    row = parse(WHOLE, "tagger.yaml", PROFILES, WD)

    assert row == replace(
        PROFILES["joytag"],
        repo="",
        files=("mine.onnx", "words.csv"),
        layout="NHWC",
        order="BGR",
        low=-1.0,
        high=1.0,
        mean=(0.1, 0.2, 0.3),
        std=(1.0, 2.0, 3.0),
        fit=(Resize("within", "LANCZOS"), Resize("pad", colour=(1, 2, 3)), Resize("square", "BOX")),
        size=384,
        output="tags",
        activation="none",
        label_format="csv",
        thresholds={"general": 0.5, "character": 0.6},
        sources=("`tagger.yaml`", *PROFILES["joytag"].sources),
    )


def test_what_is_not_said_is_the_usual() -> None:
    """An empty file is a WD tagger; `like` another row, its files flat in the person's folder."""
    assert parsed("") == replace(WD, sources=("`tagger.yaml`", *WD.sources))
    camie = parse("like: camie-tagger-initial", "tagger.yaml", PROFILES, WD)
    assert (camie.files, camie.input_file, camie.threshold_file) == (
        ("model.onnx", "selected_tags.csv"),
        "preprocess.json",
        "threshold.json",
    )


def test_a_person_overrules_the_models_own_files() -> None:
    """Steps or thresholds that a person gives are not replaced by files of the model."""
    for text, left in (
        ("like: pixai-tagger-v0.9\nfit: [{square: box}]", ("", "thresholds.csv")),
        ("like: pixai-tagger-v0.9\nmean: [0, 0, 0]", ("", "thresholds.csv")),
        ("like: pixai-tagger-v0.9\nhigh: 255", ("", "thresholds.csv")),
        ("like: pixai-tagger-v0.9\nthresholds: {general: 0.1}", ("preprocess.json", "")),
    ):
        row = parse(text, "tagger.yaml", PROFILES, WD)
        assert (row.input_file, row.threshold_file) == left


@pytest.mark.parametrize(
    ("text", "value"),
    [("white", (255, 255, 255)), ("black", (0, 0, 0)), ("edge", None), ("[9, 8, 7]", (9, 8, 7))],
)
def test_colours_of_a_border(text: str, value: tuple[int, int, int] | None) -> None:
    """A border is white, black, the picture's own edge, or any colour."""
    row = parse(f"fit: [{{pad: {text}}}]", "tagger.yaml", PROFILES, WD)

    assert row.fit == (Resize("pad", colour=value),)


@pytest.mark.parametrize(
    ("line", "shown", "hint"),
    [
        ("layout: CHW", "`layout` cannot be `CHW`", "write NHWC or NCHW"),
        ("order: GRB", "`order` cannot be `GRB`", "write RGB or BGR"),
        ("low: black", "`low` cannot be `black`", "write a number"),
        ("high: true", "`high` cannot be `true`", "write a number"),
        (
            "mean: [1, 2]",
            "`mean` cannot be `[1, 2]`",
            "write three numbers, for red, green and blue: [0.5, 0.5, 0.5]",
        ),
        (
            "std: [1, 0, 1]",
            "`std` cannot be `[1, 0, 1]`",
            "write three numbers, for red, green and blue: [0.5, 0.5, 0.5]",
        ),
        ("size: 0", "`size` cannot be `0`", "write the picture's side in px, 1 or more"),
        ("size: 4.5", "`size` cannot be `4.5`", "write the picture's side in px, 1 or more"),
        (
            "output: [a]",
            "`output` cannot be `['a']`",
            "write the output's name, or its place: 0 the first, -1 the last",
        ),
        ("activation: relu", "`activation` cannot be `relu`", "write none or sigmoid"),
        ("model: ../m.onnx", "`model` cannot be `../m.onnx`", "name a file of this folder"),
        ("labels: a\\b", "`labels` cannot be `a\\b`", "name a file of this folder"),
        ("model: ..", "`model` cannot be `..`", "name a file of this folder"),
        ("labels: 'a*'", "`labels` cannot be `a*`", "name a file of this folder"),
        ("model: ''", "`model` cannot be ``", "name a file of this folder"),
        (
            "fit: pad",
            "`fit` cannot be `pad`",
            "write steps, such as [{pad: white}, {square: bicubic}]",
        ),
        (
            "fit: [{crop: 3}]",
            "`fit` cannot be `[{'crop': 3}]`",
            "each step is one of pad, within, square, as {pad: white}",
        ),
        (
            "fit: [{square: cubic}]",
            "`fit` cannot be `[{'square': 'cubic'}]`",
            "`square` takes a filter: nearest, box, bilinear, hamming, bicubic, lanczos",
        ),
        (
            "fit: [{pad: [1, 2, 256]}]",
            "`fit` cannot be `[{'pad': [1, 2, 256]}]`",
            "`pad` takes white, black, edge, or three levels: [255, 255, 255]",
        ),
        (
            "thresholds: {generol: 0.4}",
            "`thresholds` cannot be `{'generol': 0.4}`",
            (
                "write a number from 0.01 to 1 for some of: artist, character, copyright, "
                "general, invalid, lore, meta, model, quality, species, year"
            ),
        ),
    ],
)
def test_a_value_that_cannot_be(line: str, shown: str, hint: str) -> None:
    """Each key says what it takes, with the line."""
    assert told(f"# mine\n{line}\n") == [(f"`tagger.yaml` line 2: {shown}", hint)]


@pytest.mark.parametrize("value", ["{general: 0.005}", "{general: 1.1}", "{rating: 0.5}", ""])
def test_thresholds_that_cannot_be(value: str) -> None:
    """Under the least score that is kept tags would lack silently, and ratings have none."""
    [(message, hint)] = told(f"thresholds: {value}\n")

    assert message.startswith("`tagger.yaml` line 1: `thresholds` cannot be `")
    assert str(hint).startswith("write a number from 0.01 to 1 for some of: artist, character, ")


@pytest.mark.parametrize("text", ["low: 1\nhigh: 1.0\n", "# mine\nlow: 255\n"])
def test_black_is_not_white(text: str) -> None:
    """A range of nothing would show the tagger the same in every picture."""
    assert told(text) == [
        (
            "`tagger.yaml` line 2: black and white are the same number",
            "write the input's values of black (`low`) and of white (`high`)",
        )
    ]


def test_all_mistakes_are_told_at_once() -> None:
    """A file with three mistakes is mended in one go."""
    assert told("like: joytak\nordr: RGB\nlow: x\n") == [
        ("`tagger.yaml` line 1: no tagger is named `joytak`", "did you mean `joytag`?"),
        ("`tagger.yaml` line 2: no key is named `ordr`", "did you mean `order`?"),
        ("`tagger.yaml` line 3: `low` cannot be `x`", "write a number"),
    ]


def test_a_folder_is_read_by_its_own_file(tmp_path: Path) -> None:
    """A folder, or an `.onnx` file in it, is asked for by what its `tagger.yaml` names."""
    (tmp_path / "tagger.yaml").write_text(WHOLE, encoding="utf-8-sig")

    for name in (str(tmp_path), str(tmp_path / "mine.onnx")):
        assert profile(name).layout == "NHWC"
        assert ask(name).name == str(tmp_path)
        assert ask(name).needs == ("mine.onnx", "words.csv")
        assert ask_labels(name).patterns == ("words.csv",)
    facts = ask(str(tmp_path)).facts
    (tmp_path / "tagger.yaml").write_text(WHOLE.replace("low: -1", "low: 0"), encoding="utf-8")
    assert ask(str(tmp_path)).facts != facts


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    """A `tagger.yaml` in another encoding is two lines."""
    (tmp_path / "tagger.yaml").write_bytes("order: RGB".encode("utf-16"))

    with pytest.raises(ModelFileError) as raised:
        local_profile(tmp_path / "tagger.yaml", PROFILES, WD)

    assert str(raised.value) == f"`{tmp_path / 'tagger.yaml'}` cannot be read as UTF-8 text"
    assert raised.value.hint == "save it as UTF-8, or remove it"


KEYS = [line.partition(":")[0] for line in WHOLE.splitlines()]
VALUES = st.one_of(
    st.sampled_from([line.partition(": ")[2] for line in WHOLE.splitlines()]),
    st.text("[]{}:, .0123456789abcRGB-\"'&*!|>#\n", max_size=20),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(KEYS), VALUES), max_size=4))
def test_any_text_is_a_row_or_two_lines(pairs: list[tuple[str, str]]) -> None:
    """Whatever stands in the file, it is a row or a mistake that is told; never a traceback."""
    hint: str | None = "none is needed"
    try:
        parsed("".join(f"{key}: {value}\n" for key, value in pairs))
    except UserError as error:
        hint = error.hint
    assert hint
