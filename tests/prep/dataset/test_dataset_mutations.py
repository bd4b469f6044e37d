"""The dataset file under every kind of damage: taken as it is, or refused with key and field."""

import json
import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.dataset.dataset_file import Concept, Dataset, Sample, dump, parse
from prep.models.vae_files import Vae
from prep.runtime.errors import DatasetError

Prep = Callable[..., Any]
Draw = Callable[..., Path]
LINEAGE = {"root": "../raw", "key": "a.png", "kind": "crop", "box": [0, 0, 9, 9], "flip": False}
ONE = Sample(
    "ab" * 32, (640, 480), ("1girl", "solo"), "a girl", "both", "neko", "train", 0.5, True,
    (600, 450), (0, 1, 512, 449), (512, 448), "latents/ab/cd.safetensors", None, LINEAGE,
)  # fmt: skip
WHOLE = Dataset(
    root="raw",
    state="raw/.prep",
    samples={"a.png@face.png": ONE, "\u732b/b.png": replace(ONE, tags=(), source=None)},
    concepts={"": Concept(), "neko": Concept(10, "neko", "cat", regularisation=True)},
    made_by={"program": "prep", "stages": {"tag": {"version": 1, "params": {"threshold": 0.35}}}},
    left_out={"c.png": "too small", "sub/": "this folder cannot be read"},
    base="tiny",
    vae=Vae("tiny", "ab" * 32, 0.18215, 0.0, 4),
)

INSIDE = "paths of samples stay inside the folder they are relative to"
AS_WRITTEN = "write it as prep wrote it"
COUNT, PX = "write a whole number, 0 or more", "write a whole number, 1 or more"
MAPPING = "write names with values: {...}"
BROKEN_LINE = "the path `a\nb` holds a line break or control character"
OUT = "the path `a\\b` leads out of the dataset"
# Field of a sample, value, what is said after the file's name, hint.
WRONG = [
    ("bucket", ["128", "128"], '`bucket` of `a.png` is `"128"`', PX),
    ("bucket", [128], "`bucket` of `a.png` is `[128]`", "write [width, height] in px"),
    ("bucket", [0, 64], "`bucket` of `a.png` is `0`", PX),
    ("size", [64, 1e3], "`size` of `a.png` is `1000.0`", PX),
    ("size", [64, 1 << 30], "`size` of `a.png` is `1073741824`", f"{PX[:21]} 1048576 or less"),
    ("crop", [9, 0, 9, 9], "`crop` of `a.png` is `[9, 0, 9, 9]`",
     "write [left, top, right, bottom] in px"),
    ("caption", 5, "`caption` of `a.png` is `5`", "write text"),
    ("caption", None, "`caption` of `a.png` is `null`", "write text"),
    ("caption", "\ud83d", "`caption` of `a.png` holds half a character",
     "write whole characters"),
    ("weight", 1e308, "`weight` of `a.png` is `1e+308`", "write a number, 1000 or less"),
    ("weight", 10**400, "`weight` of `a.png` is `1000000", "write a number, 1000 or less"),
    ("weight", "1", '`weight` of `a.png` is `"1"`', "write a number, 0 or more"),
    ("yours", 5, "`yours` of `a.png` is not a list", 'write ["one", "two"]'),
    ("flip", "x", '`flip` of `a.png` is `"x"`', "write true or false"),
    ("weight", True, "`weight` of `a.png` is `true`", "write a number, 0 or more"),
    ("flip", 1, "`flip` of `a.png` is `1`", "write true or false"),
    ("split", ["train"], "`a.png` has split `['train']`", "known: train, validation"),
    ("digest", "xyz", '`digest` of `a.png` is `"xyz"`',
     "a digest is written in hexadecimal: 0 to 9, a to f"),
    ("source", [], "`source` of `a.png` is `[]`", MAPPING),
    ("latents", "a\\b", OUT, INSIDE),
    ("latents", "a\nb", BROKEN_LINE, AS_WRITTEN),
]  # fmt: skip
REPEATS = "`repeats` of the concept `x` is"
TOP = [
    ("state", 7, ": `state` is `7`", "write text"),
    ("root", "", ': `root` is `""`', "write the path of a folder"),
    ("concepts", {"x": {"repeats": "3"}}, f': {REPEATS} `"3"`', COUNT),
    ("concepts", {"": {"repeats": 0.5}},
     ": `repeats` of the concept without a name is `0.5`", COUNT),
    ("concepts", {"x": {"repeats": -1}}, f": {REPEATS} `-1`", COUNT),
    ("concepts", {"x": {"repeats": 20231105}}, f": {REPEATS} `20231105`",
     "write a whole number, 1000 or less"),
    ("concepts", {"x": {"times": 1}}, ": the concept `x` has an unknown field `times`",
     "remove it"),
    ("concepts", [], ": `concepts` is `[]`", MAPPING),
    ("vae", {"name": "x"}, ": `vae` has no `digest`", AS_WRITTEN),
    ("left_out", {"a.png": 3}, ": the left-out picture `a.png` is `3`", "write text"),
    ("counts", {"samples": "two"}, ': `samples` of `counts` is `"two"`', COUNT),
    ("counts", 5, ": `counts` is `5`", "write fields with values: {...}"),
    ("made_by", {"stages": 5}, ": `stages` of `made_by` is not a mapping", "remove it"),
    ("rooot", "raw", " has an unknown field `rooot`", "did you mean `root`?"),
    ("samples", {"set\\0.png": {}}, ": the path `set\\0.png` leads out of the dataset", INSIDE),
    ("samples", {"C:a.png": {}}, ": the path `C:a.png` leads out of the dataset", INSIDE),
    ("samples", {".a/b.png": {}}, ": the path `.a/b.png` is hidden", AS_WRITTEN),
    ("samples", {"a.png": 5}, ": `a.png` is `5`", "write fields with values: {...}"),
    ("samples", {"a.png": {"digest": "00"}}, ": `a.png` has no `original_size`", AS_WRITTEN),
    ("version", True, ": `version` is `true`", "write 1"),
    ("version", "1", ': `version` is `"1"`', "write 1"),
    ("version", None, ": `version` is `null`", "write 1"),
    ("version", 0, ": `version` is `0`", "write 1"),
    ("version", [1], ": `version` is `[1]`", "write 1"),
    ("version", 2, " has version 2 of the dataset format, this is 1",
     "update with `pip install -U prep-and-train`"),
]  # fmt: skip


def as_json(**changed: Any) -> str:
    data: dict[str, Any] = json.loads(dump(replace(WHOLE, samples={"a.png": ONE})))
    return json.dumps(data | changed)


@pytest.mark.parametrize(("field", "value", "message", "hint"), WRONG)
def test_a_wrong_field_is_told_with_its_key(
    field: str, value: Any, message: str, hint: str
) -> None:
    """Case C4: type, limit and form of every field of a sample."""
    row = json.loads(as_json())["samples"]["a.png"] | {field: value}
    with pytest.raises(DatasetError) as caught:
        parse(as_json(samples={"a.png": row}), "meta.json")

    assert str(caught.value).startswith(f"`meta.json`: {message}")
    assert caught.value.hint == hint


@pytest.mark.parametrize(("field", "value", "message", "hint"), TOP)
def test_a_wrong_field_at_the_top_is_told(field: str, value: Any, message: str, hint: str) -> None:
    """Case C4: the same of what stands beside the samples; an unknown field is not lost."""
    with pytest.raises(DatasetError) as caught:
        parse(as_json(**{field: value}), "meta.json")

    assert (str(caught.value), caught.value.hint) == (f"`meta.json`{message}", hint)


@pytest.mark.parametrize(
    "rows",
    [
        '{"digest": "00", "original_size": [1, 1]}',
        '{"key": 5, "digest": "00", "original_size": [1, 1]}',
        "[]",
        '{"key": "a.png", "digest": "00", "original_size": [1, 1]}\n' * 2,
    ],
)
def test_lines_that_are_no_samples_of_their_own(rows: str) -> None:
    """Case C4: in a file of JSON lines, no line is left out, and none hides another."""
    head = '{"format": "prep-dataset", "version": 1}\n'
    line = 3 if "a.png" in rows else 2
    with pytest.raises(DatasetError) as caught:
        parse(head + rows, "m.jsonl")

    assert str(caught.value) == (
        f"`m.jsonl`: line {line} is not one sample with a `key` of its own"
    )


@pytest.mark.parametrize("name", ["m.json", "m.jsonl"])
def test_line_ends_of_every_kind_within_a_text(name: str) -> None:
    """Case C4: a caption with Unicode's line separators comes back from both forms."""
    said = replace(WHOLE, samples={"a.png": replace(ONE, caption="a\u2028b\x85c\x0bd\re")})

    assert parse(dump(said, name).decode(), name) == said


def test_prep_and_train_refuse_alike(prep: Prep, draw: Draw, home: Path) -> None:
    """Case C4: both programs say the same two lines of a broken file."""
    from train.data.dataset import check_texts

    draw("raw/a.png")
    assert prep("edit", "raw").code == 0
    data = json.loads(Path("meta.json").read_text())
    data["samples"]["a.png"]["weight"] = "heavy"
    Path("meta.json").write_text(json.dumps(data))
    told = [prep(*words) for words in (("edit", "raw"), ("bucket", "meta.json"))]
    with pytest.raises(DatasetError) as caught:
        check_texts(Path("meta.json"))

    lines = f"error: {caught.value}\nhint: {caught.value.hint}\n"
    assert lines == (
        'error: `meta.json`: `weight` of `a.png` is `"heavy"`\nhint: write a number, 0 or more\n'
    )
    assert [(one.code, one.err) for one in told] == [(1, lines)] * 2


POOL: list[Any] = [
    None, True, False, 0, 1, -1, 3, 0.5, -0.5, 1e308, -1e308, 10**30, -(10**30), "", "3",
    "a\nb", "\ud800", "\u202e", "../x", "C:x", "a\\b", "x" * 300, [], {}, [[]], [1, 2],
    [1, 2, 3, 4], [2, 1], ["a"], ["a", 1], {"a": 1}, {"": {}}, {"a": {"b": [None]}}, [None],
]  # fmt: skip


def places(data: Any) -> list[tuple[Any, Any]]:
    """Return each container of JSON with each of its keys or indices."""
    inner = data.items() if isinstance(data, dict) else enumerate(data)
    found = [(data, at) for at, _ in inner]
    for _, at in list(found):
        if isinstance(data[at], dict | list):
            found += places(data[at])
    return found


def mutated(draw: random.Random, name: str) -> str:
    """Return the text of the dataset file, torn or with one to three things changed."""
    text = dump(WHOLE, name).decode()
    at = draw.randrange(len(text))
    if draw.random() < 0.15:
        return text[:at] + draw.choice(["", text[at + 1 :], "7" + text[at:], '"' + text[at:]])
    rows = [json.loads(row) for row in text.splitlines()] if name[-1] == "l" else [json.loads(text)]
    for _ in range(draw.randint(1, 3)):
        change(draw, rows)
    return "\n".join(json.dumps(row).replace("Infinity", "1e999") for row in rows)


def change(draw: random.Random, rows: list[Any]) -> None:
    """Put, remove, add, wrap or bury a value somewhere in JSON."""
    holder, at = draw.choice(places(rows) or [(rows, slice(None))])
    value = json.loads(json.dumps(draw.choice([*POOL, float("inf"), float("nan")])))
    match draw.choice(["put", "put", "put", "remove", "add", "wrap", "bury"]):
        case "put":
            holder[at] = value
        case "remove":
            del holder[at]
        case "add" if isinstance(holder, dict):
            holder[draw.choice(["x", "weight", "root", "tags", "counts"])] = value
        case "wrap":
            holder[at] = [holder[at]]
        case _:
            for _ in range(draw.choice([3, 30, 300])):
                value = [value]
            holder[at] = value


def kept(given: Any, after: Any) -> bool:
    """Return whether all that was given is there after, each value as it was and of its kind."""
    if isinstance(given, dict):
        absent = {name for name, value in given.items() if value is None}  # as if it did not stand
        return isinstance(after, dict) and all(
            name in after and kept(value, after[name])
            for name, value in given.items()
            if name not in absent or name in after
        )
    if isinstance(given, list):
        if given == [after]:  # one caption may stand in a list,
            return True
        pairs = zip(given, after, strict=False)
        return len(given) == len(after) and all(kept(one, other) for one, other in pairs)
    if isinstance(given, str) and isinstance(after, list):  # and several in lines
        return given.split("\n") == after
    return bool(given == after) and isinstance(given, bool) == isinstance(after, bool)


def read(text: str, name: str) -> list[Any]:
    """Return the JSON of a dataset file, in the order of keys, without what is counted anew."""
    lines = text.split("\n") if name == "m.jsonl" else [text]
    rows = [json.loads(line) for line in lines if line.strip()]
    rows[0].pop("counts", None)
    return [rows[0], *sorted(rows[1:], key=lambda row: str(row["key"]))]


@settings(max_examples=1000, derandomize=True, deadline=None, database=None)
@given(seed=st.integers(0, 1 << 40), name=st.sampled_from(["m.json", "m.jsonl"]))
def test_a_mutation_is_accepted_unchanged_or_refused(seed: int, name: str) -> None:
    """Case C4: of 1,000 damaged files, each comes back whole or ends in two lines."""
    text = mutated(random.Random(seed), name)
    try:
        found = parse(text, name)
    except DatasetError as error:
        told = (str(error)[: len(name) + 2], bool(error.hint))
        found = None
    if found is None:
        assert told == (f"`{name}`", True)
    else:
        assert kept(*(read(data, name) for data in (text, dump(found, name).decode())))


def test_some_mutations_are_accepted() -> None:
    """Case C4: what the test before this one draws is sound in good part, and broken in another."""
    sound = 0
    for seed in range(200):
        with suppress(DatasetError):
            parse(mutated(random.Random(seed), "m.json"), "m.json")
            sound += 1

    assert 10 < sound < 150
