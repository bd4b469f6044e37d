"""File names of every kind: row 20 and 96 of the fault table."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import prep as package
from prep.dataset.dataset_file import parse
from prep.engine.inventory.scan import scan
from prep.runtime import files, keys
from prep.runtime.errors import ConfigError, DatasetError

Prep = Callable[..., Any]
Draw = Callable[..., Path]

ORDINARY = (
    "-dash.png",
    "many.dots.in.it.png",
    "two  spaces .png",
    "UPPER.PNG",
    "\u7b11\u9854/\u732b.png",
    "#hash & 100%.png",
    "quote'\".png",
)
LONG = "n" * 251 + ".png"


def meta() -> dict[str, Any]:
    return dict(json.loads(Path("meta.json").read_text(encoding="utf-8")))


def renamed(draw: Draw, name: str | bytes) -> None:
    """Draw a picture and give it a name of any bytes."""
    path = draw("raw/x.png", seed=len(name))
    path.rename(path.with_name(os.fsdecode(name)))


def test_ordinary_names_are_keys_as_they_are(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 20: a leading dash, dots, spaces, quotes and Japanese are kept to the letter."""
    for name in ORDINARY:
        draw(f"raw/{name}")
    code, _, err = prep("tag", "raw", "--model", "tiny")
    prep("edit", "raw")

    assert (code, err) == (0, "")
    assert list(meta()["samples"]) == sorted(ORDINARY)
    for name in ORDINARY:
        assert (home / "raw" / name).with_suffix(".txt").exists()
        assert prep("why", "--in", "raw", "--", name).out.startswith(f"{name}\n")


def test_a_key_is_composed_whatever_the_disk_says(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 20: a name in decomposed Unicode has a composed key; its sidecar lies beside the file."""
    draw("raw/e\u0301.png")
    (home / "raw" / "e\u0301.txt").write_text("mine", encoding="utf-8")
    code, _, _ = prep("tag", "raw", "--model", "tiny")
    prep("edit", "raw")

    assert code == 0
    assert meta()["samples"]["\u00e9.png"]["tags"] == ["mine"]
    assert sorted(p.name for p in (home / "raw").iterdir() if p.suffix in (".txt", ".png")) == [
        "e\u0301.png",
        "e\u0301.txt",
    ]


def test_twins_in_unicode_form_or_case(prep: Prep, draw: Draw) -> None:
    """Row 20: of names that other systems take for one, only the first is a sample."""
    for seed, name in enumerate(("A.png", "a.png", "\u00e9.png", "e\u0301.png", "Strasse.png")):
        draw(f"raw/{name}", seed=seed)
    draw("raw/Stra\u00dfe.png")  # another name everywhere, though case folding makes them one
    code, out, _ = prep("edit", "raw")
    another = "is that of another file in another Unicode form"

    assert code == 3
    assert "  failed: a.png: its name differs from A.png only in case: rename one of them\n" in out
    assert f"  failed: e\u0301.png: its name {another}: rename one of them\n" in out
    assert out.endswith("  6 pictures: 4 good, 0 left out, 2 failed\n")
    assert list(meta()["samples"]) == ["A.png", "Strasse.png", "Stra\u00dfe.png", "\u00e9.png"]
    assert list(meta()["left_out"]) == ["a.png", "e\u0301.png"]


@pytest.mark.parametrize(
    ("name", "shown", "why"),
    [
        (b"bad\xff.png", r"bad\udcff.png", "its name is not valid UTF-8"),
        ("ro\nse.png", r"ro\nse.png", "its name holds a line break or control character"),
        ("red\x1b[31m.png", r"red\x1b[31m.png", "its name holds a line break or control character"),
    ],
)
def test_names_that_no_list_can_hold(
    prep: Prep, draw: Draw, name: str | bytes, shown: str, why: str
) -> None:
    """Rows 20, 96: bytes that are no text, control characters: listed, escaped, exit 3."""
    draw("raw/a.png")
    renamed(draw, name)
    code, out, err = prep("edit", "raw")

    assert code == 3
    assert f"  failed: {shown}: {why}: rename it\n" in out
    assert out.endswith("  2 pictures: 1 good, 0 left out, 1 failed\n")
    assert "\x1b" not in out + err
    assert list(meta()["samples"]) == ["a.png"]
    assert os.fsdecode(name) in [path.name for path in Path("raw").iterdir()]


def test_a_name_as_long_as_a_disk_takes(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 20: it is a sample; a file made of it whose name would not fit is told."""
    draw("raw/a.png")
    draw(f"raw/{LONG}")
    tagged = prep("tag", "raw", "--model", "tiny")
    prep("edit", "raw")
    cropped = prep("crop", "raw", "cut", "--min-side", 8)
    again = prep("crop", "raw", "cut", "--min-side", 8)

    assert (tagged.code, cropped.code, again.code) == (3, 3, 3)
    assert (
        f"  clash: {LONG}: its name is too long for a .caption beside it: shorten it\n"
        in tagged.out
    )
    why = "its name is too long for a picture derived from it: shorten it"
    assert f"  failed: {LONG}: {why}\n" in cropped.out
    assert again.out.startswith("`cut` is up to date: nothing to do\n")
    assert list(meta()["samples"]) == ["a.png", LONG]
    assert [path.name for path in (home / "cut").glob("*.png")] == ["a.png@crop.png"]


def test_captions_cannot_steer_the_terminal(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 96: what a sidecar says is shown as one line, without escapes or changes of direction."""
    draw("raw/a.png")
    (home / "raw" / "a.caption").write_text("one\u202e two", encoding="utf-8")
    prep("edit", "raw")

    assert (
        r"caption: yours, from a.caption: one\u202e two" in prep("why", "a.png", "--in", "raw").out
    )


def typed(
    program: str, *words: str | bytes, cwd: Path | bytes
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", program, *words],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("program", [("prep", "edit"), ("train", "lora")])
def test_folders_whose_own_names_are_no_text(
    draw: Draw, home: Path, program: tuple[str, str]
) -> None:
    """Case C2: a dataset in, or a command run from, such a folder: two lines, nothing written."""
    draw("raw/a.png")
    bad = os.fsencode(home) + b"/bad\xff"
    os.renames(home / "raw", os.fsdecode(bad + b"/raw"))
    shown = f"{home}/bad\\udcff"
    inside = typed(*program, "raw", cwd=bad)
    outside = typed(*program, b"bad\xff/raw", cwd=home)
    option = typed("prep", "edit", "raw", b"--out", b"\xff.json", cwd=home)

    assert inside.stderr == (
        f"error: the current folder, `{shown}`, has a name that is not valid UTF-8\n"
        "hint: rename it, or the folder above it, then run the same command again\n"
    )
    hint = "hint: rename the file or folder\n"
    assert outside.stderr == f"error: `bad\\udcff/raw` is not valid UTF-8\n{hint}"
    assert option.stderr == f"error: `\\udcff.json` is not valid UTF-8\n{hint}"
    assert {one.returncode for one in (inside, outside, option)} == {1}
    assert [path.name for path in Path(os.fsdecode(bad), "raw").iterdir()] == ["a.png"]
    assert typed(program[0], "--help", cwd=bad).returncode == 0


def test_a_folder_that_is_gone(home: Path) -> None:
    """Case C2: a command typed in a folder that was removed says so."""
    (home / "gone").mkdir()
    words = f"rmdir ../gone; exec {sys.executable} -m prep status"
    told = subprocess.run(
        ["sh", "-c", words],
        cwd=home / "gone",
        env=os.environ | {"PYTHONPATH": str(Path(package.__file__).parents[1])},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (told.returncode, told.stderr) == (
        1,
        "error: the current folder is gone\nhint: change to another one: `cd`\n",
    )


PARTS = st.sampled_from(
    ["a", "set\\0", "C:", "C:d", "c: d", "a:b", "-", "con", "nul", "a.", "a ", " ", "..a", "...",
     "two\nlines", "\x7f", "\x85", "tu\u202ern", "\u2066x", "\u200fx", "\u2028", "n" * 251,
     "\u732b" * 83, "\u732b" * 84, "e\u0301", "\U0001f600", "'\"", "%00", "~", "$HOME", "*", "?"]
)  # fmt: skip
NAMES = st.lists(PARTS, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".png")


@settings(max_examples=200, derandomize=True, deadline=None)
@given(NAMES)
def test_every_gate_says_the_same_of_a_name(tmp_path_factory: Any, name: str) -> None:
    """Case C1: what the scan takes is a key of our own files and a path in a folder; no other."""
    top = tmp_path_factory.mktemp("names")
    try:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x")
    except OSError:  # no disk takes it, so that none can be found
        assert keys.fault_of_key(name)
        return
    found = scan(top, ())
    key = keys.nfc(name)
    taken = list(found.pictures) == [key]
    told = next(iter(found.faulty.values()), "")
    text = json.dumps({"format": "prep-dataset", "version": 1, "samples": {key: ONE}})

    assert len(found.pictures) + len(found.faulty) == 1 or "/." in f"/{name}"
    assert taken == (keys.fault_of_key(key) == "") == accepted(lambda: parse(text, "m.json"))
    assert not taken or accepted(lambda: files.inside(top, key))
    if found.faulty:
        assert told == f"its name {keys.fault_of_path(name)}: rename it"


ONE = {"digest": "00", "original_size": [1, 1]}


def accepted(read: Callable[[], object]) -> bool:
    """Return whether a reader takes what it is given."""
    try:
        read()
    except DatasetError:
        return False
    return True


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("set\\0.png", "its name holds a backslash"),
        ("C:a.png", "its name begins like a Windows drive, `C:`"),
        ("a\u202eb.png", "its name holds a character that changes the reading direction"),
        ("a\u2028b.png", "its name holds a line break or control character"),
    ],
)
def test_a_name_that_is_no_key_costs_itself(
    prep: Prep, draw: Draw, home: Path, name: str, why: str
) -> None:
    """Case C1: it is listed in every stage, and the files of ours are read as ever."""
    draw("raw/a.png")
    renamed(draw, name)
    told = [
        prep("tag", "raw", "--model", "tiny"),
        prep("edit", "raw"),
        prep("bucket", "meta.json", "--resolution", 64, "--step", 32),
        prep("latents", "meta_bucket.json", "--model", "tiny"),
        prep("crop", "raw", "cut", "--min-side", 8),
        prep("review", "import", "--in", "raw"),
    ]

    assert [one.code for one in told] == [3] * 6
    for one in told:
        assert f": {why}: rename it\n" in one.out
        assert one.err == ""
    assert list(meta()["samples"]) == ["a.png"]


@pytest.mark.parametrize(
    ("out", "why"),
    [
        ("x", "does not end in .json or .jsonl"),
        ("raw/b.png", "does not end in .json or .jsonl"),
        ("", "does not end in .json or .jsonl"),
        ("a\nb.json", "holds a line break or control character"),
        ("se\\t.json", "holds a backslash"),
        ("C:x.json", "begins like a Windows drive, `C:`"),
        (f"{'n' * 250}.json", "has 255 bytes, more than 200"),
    ],
)
def test_names_of_dataset_files(prep: Prep, draw: Draw, home: Path, out: str, why: str) -> None:
    """Case C1: what cannot be read back is not written; `--out` and `meta:` are told alike."""
    draw("raw/a.png")
    told = prep("edit", "raw", "--out", out)
    quoted = json.dumps(out)
    Path("pipelines.yaml").write_text(f"pipelines: {{a: {{images: raw, meta: {quoted}}}}}")
    plan = prep("plan")
    shown = (out or ".").replace("\n", " ")

    hint = "hint: give a name like `meta.json`"
    assert told.code == 2
    assert told.err.splitlines() == [f"error: `--out` is `{shown}`, which {why}", hint]
    assert plan.code == 1
    if "\n" not in out:  # which no YAML of ours may hold
        assert plan.err.splitlines()[1:] == [hint]
        assert plan.err.splitlines()[0].endswith(f"which {why}")
    assert not list(home.glob("*.json"))


@pytest.mark.parametrize("key", ["images", "meta", "state"])
def test_paths_in_pipelines_that_are_none(prep: Prep, home: Path, key: str) -> None:
    """Case C1: the home of nobody in a path of pipelines.yaml is told with its line."""
    rest = "" if key == "images" else "images: raw, "
    value = "~nobody-here/x.json"
    Path("pipelines.yaml").write_text(f"pipelines: {{a: {{{rest}{key}: {value}}}}}")
    told = prep("plan")

    assert told.code == 1
    assert told.err == (
        f"error: `pipelines.yaml` line 1: `{value}` is not a path: there is no user of that name\n"
        "hint: check the spelling\n"
    )


@pytest.mark.parametrize(
    "name", ["a/b", "con", "NUL.x", "a\u202eb", ".a", "a.", "", "n" * 201, "a\nb"]
)
def test_names_of_exports(name: str) -> None:
    """Case C1: `--name` is a file's name everywhere; one made of a folder's name always is."""
    from train.config import safe_name
    from train.methods import config_of

    with pytest.raises(ConfigError) as caught:
        config_of(name=name)
    safe = safe_name(name)

    assert str(caught.value) == f"`--name` is `{name}`"
    assert config_of(name=safe).name == safe
    assert safe_name("bad\udcff") == "bad_"


@pytest.mark.parametrize(
    "name",
    ["my: raw", "a # b", "trail ", "it's", 'quo"te', "back\\slash", "[a, b]", "\u732b", "yes"],
)
def test_a_folder_of_any_name_can_be_begun_with(prep: Prep, draw: Draw, name: str) -> None:
    """Case C1: what `prep init` writes is read back as the folder that was named."""
    draw(f"{name}/a.png")

    assert prep("init", name, "--for", "tiny").code == 0
    assert prep("plan").out.startswith(f"{name}:\n")


@pytest.mark.parametrize("name", ["tab\there", "two\nlines"])
def test_a_folder_that_pipelines_cannot_name(prep: Prep, draw: Draw, name: str) -> None:
    """Case C1: a folder with a control character in its name is two lines, nothing written."""
    draw(f"{name}/a.png")
    told = prep("init", name, "--for", "tiny")

    assert told.code == 1
    assert told.err.endswith("it holds a control character\nhint: rename the folder\n")
    assert not Path("pipelines.yaml").exists()
