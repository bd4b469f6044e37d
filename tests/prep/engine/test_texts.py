"""What a person reads after a mistake: two lines, to the letter, and the exit code."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Prep = Callable[..., Any]
Draw = Callable[..., Path]

PICTURES = "name the folder that holds the pictures"
FETCH = (
    "into a folder, with a `tagger.yaml` that says `like: wd-vit-tagger-v3`, and give the folder's "
    "path as the model, or use `tiny` to try things out"
)
HUB = "https://huggingface.co"


@pytest.mark.parametrize(
    ("words", "code", "error", "hint"),
    [
        ("edit nowhere", 1, "the folder `nowhere` is not there", PICTURES),
        ("edit raw/a.png", 1, "the folder `raw/a.png` is not a folder", PICTURES),
        ("status --in nowhere", 1, "the folder `nowhere` is not there", PICTURES),
        ("why a.png --in nowhere", 1, "the folder `nowhere` is not there", PICTURES),
        ("reset a.png --in nowhere", 1, "the folder `nowhere` is not there", PICTURES),
        (
            "why b.png --in raw",
            1,
            "`raw` has no picture `b.png`",
            "did you mean `a.png`?",
        ),
        (
            "reset a.png --in raw",
            1,
            "nothing of `a.png` was written by a person, and nothing failed",
            "there is nothing to give back in this folder",
        ),
        (
            "crop raw raw",
            1,
            "`raw` cannot be read and written at once",
            "name another folder for the result",
        ),
        (
            "crop raw raw/cut",
            1,
            "`raw/cut` lies inside `raw`, which is read",
            "name another folder for the result",
        ),
        (
            "crop raw .",
            1,
            "`raw` lies inside `.`, which is written",
            "name another folder for the result",
        ),
        ("crop raw note.md", 1, "`note.md` is not a folder", "name a folder for the result"),
        ("tagg raw", 2, "no such command `tagg`", "did you mean `tag`?"),
        ("tag raw --modle x", 2, "no such option `--modle`", "did you mean `--model`?"),
        ("tag", 2, "missing argument `FOLDER`", "see `prep tag --help`"),
        ("why", 2, "missing argument `KEY`", "see `prep why --help`"),
        ("tag raw --threshold 2", 1, "option `--threshold` is 2.0", "write 1 or less"),
        ("edit raw --text taggs", 1, "option `--text` is `taggs`", "did you mean `tags`?"),
        (
            "tag raw --model tiny --threshold 0.001",
            1,
            "a threshold of 0.001 is under 0.01, the least score that is kept",
            "use 0.01 or more",
        ),
        (
            "tag raw --model wd-vit-taggr-v3",
            1,
            "no tagger is named `wd-vit-taggr-v3`",
            "did you mean `wd-vit-tagger-v3`?",
        ),
        (
            "tag raw",
            1,
            (
                "the tagger `SmilingWolf/wd-vit-tagger-v3` is not on this machine"
                " and cannot be downloaded"
            ),
            f"fetch model.onnx, selected_tags.csv from {HUB}/SmilingWolf/wd-vit-tagger-v3 {FETCH}",
        ),
        (
            "edit raw --rules nope.rules",
            1,
            "there is no file `nope.rules`",
            "write it, or leave the param out",
        ),
        (
            "run",
            1,
            "there is no `pipelines.yaml`",
            "write one with `prep init FOLDER`, or name it: `--pipelines FILE`",
        ),
        (
            "init raw --for tinny",
            1,
            "no preset is named `tinny`",
            "did you mean `tiny`?",
        ),
        (
            "init nowhere",
            1,
            "the folder `nowhere` is not there",
            "name the folder of your pictures",
        ),
        (
            "review import --in raw",
            1,
            "there is no `raw/tags.csv`",
            "export one with `prep review export FOLDER`, or name yours",
        ),
        (
            "bucket nope.json",
            1,
            "there is no `nope.json`",
            "make it with `prep edit FOLDER`, or run the whole pipeline",
        ),
        ("bucket .", 1, "`.` is not a dataset of prep", "make one with `prep edit FOLDER`"),
        (
            "bucket note.md",
            1,
            "`note.md` is not a dataset of prep",
            "make one with `prep edit FOLDER`",
        ),
        (
            "bucket kohya.json",
            1,
            "`kohya.json` is metadata of kohya's sd-scripts, not a dataset of prep",
            (
                "take its words over: `prep import kohya.json --in FOLDER`, then run "
                "`prep edit FOLDER`"
            ),
        ),
    ],
)
def test_a_mistake_is_two_lines(
    prep: Prep, draw: Draw, home: Path, words: str, code: int, error: str, hint: str
) -> None:
    """What is wrong in the person's words, and what to type next; nothing is left behind."""
    draw("raw/a.png")
    (home / "note.md").write_text("# a note\n", encoding="utf-8")
    (home / "kohya.json").write_text(json.dumps({"a": {"tags": "x", "caption": "y"}}))
    before = sorted(path for path in home.rglob("*") if ".prep" not in path.parts)
    said = prep(*words.split())

    assert said == (code, "", f"error: {error}\nhint: {hint}\n")
    assert sorted(path for path in home.rglob("*") if ".prep" not in path.parts) == before


def test_an_empty_folder_is_said(prep: Prep, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder without pictures is told, with the suffixes that are read."""
    for module in ("pillow_heif", "pillow_jxl"):
        monkeypatch.setitem(sys.modules, module, None)
    (home / "raw").mkdir()
    said = prep("edit", "raw")

    assert said.code == 1
    assert said.err.splitlines() == [
        "error: there are no pictures in `raw`",
        (
            "hint: name the folder that holds them; pictures end in .avif, .bmp, .gif, .jfif,"
            " .jpeg, .jpg, .png, .tif, .tiff, .webp"
        ),
    ]


def test_a_dataset_file_of_another_folder_is_kept(prep: Prep, draw: Draw, home: Path) -> None:
    """`prep edit` never writes over a dataset file that it did not write for this folder."""
    draw("one/a.png")
    draw("two/b.png")
    prep("edit", "one")
    before = (home / "meta.json").read_bytes()
    said = prep("edit", "two")

    assert said.code == 1
    assert said.err == (
        "error: `meta.json` is there already and was not written for this folder\n"
        "hint: name another file with `--out`, or move it away\n"
    )
    assert (home / "meta.json").read_bytes() == before
    assert prep("edit", "two", "--out", "two.json").code == 0


def test_a_preset_is_never_written_over_a_file(prep: Prep, draw: Draw, home: Path) -> None:
    """`prep init` leaves a pipelines.yaml that is there alone."""
    draw("raw/a.png")
    (home / "pipelines.yaml").write_text("mine", encoding="utf-8")

    assert prep("init", "raw") == (
        1,
        "",
        "error: `pipelines.yaml` is there already\nhint: edit it, or move it away\n",
    )
    assert (home / "pipelines.yaml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize(
    ("text", "error", "hint"),
    [
        ('{"format": "prep-dataset", ', "is not JSON at line 1, column 28: ", "mend it by hand"),
        ('{"format": 1, "format": 2}', "has `format` twice", "keep one of the two"),
        ('{"format": NaN}', "holds `NaN`, which is not JSON", "write a number"),
        (
            '{"a": ' * 100_000,
            "cannot be read: it is nested too deep",
            "is it really a dataset file?",
        ),
        (
            '{"a": ' + "9" * 5000 + "}",
            "cannot be read: it holds a number of too many digits",
            "is it really a dataset file?",
        ),
        (
            '{"format": "prep-dataset", "version": 99}',
            "has version 99 of the dataset format, this is 1",
            "update with `pip install -U prep-and-train`",
        ),
        (
            (
                '{"format": "prep-dataset", "version": 1, "samples": {"../a.png": {"digest": "0",'
                ' "original_size": [1, 1]}}}'
            ),
            "the path `../a.png` leads out of the dataset",
            "paths of samples stay inside the folder they are relative to",
        ),
        (
            (
                '{"format": "prep-dataset", "version": 1, "samples": {"a.png": {"digest": "0",'
                ' "original_size": [1, 1], "latents": "/etc/passwd"}}}'
            ),
            "the path `/etc/passwd` leads out of the dataset",
            "paths of samples stay inside the folder they are relative to",
        ),
        (
            '{"format": "prep-dataset", "version": 1, "samples": {"a.png": {"digset": "0"}}}',
            "`a.png` has an unknown field `digset`",
            "did you mean `digest`?",
        ),
    ],
)
def test_a_damaged_dataset_file(prep: Prep, home: Path, text: str, error: str, hint: str) -> None:
    """Rows 41 to 44, 48, 92: torn, ambiguous, hostile or newer: two lines, the file untouched."""
    file = home / "meta.json"
    file.write_text(text, encoding="utf-8")
    code, out, err = prep("bucket", "meta.json")

    assert (code, out) == (1, "")
    first, second = err.splitlines()
    assert first.startswith("error: `meta.json`")
    assert error in first
    assert second.startswith(f"hint: {hint}")
    assert file.read_text(encoding="utf-8") == text


def test_mistakes_of_a_rules_file_are_told_at_once(prep: Prep, draw: Draw, home: Path) -> None:
    """Rows 41 to 47: every mistake of tags.rules with its line; nothing is written."""
    draw("raw/a.png")
    (home / "tags.rules").write_text("- drp: x\n- add: [a]\n- rename: [b]\n", encoding="utf-8")
    code, _, err = prep("edit", "raw", "--rules", "tags.rules")

    assert code == 1
    assert err == (
        "error: `tags.rules` line 1: no rule is named `drp`\n"
        "hint: did you mean `drop`?\n"
        "error: `tags.rules` line 3: `rename` names no old and new tag\n"
        "hint: write `- rename: {old: new}`\n"
    )
    assert not (home / "meta.json").exists()


def test_mistakes_are_told_of_the_file_that_was_named(prep: Prep, draw: Draw, home: Path) -> None:
    """Case C5: rules, aliases and implications go by the name that the person gave them."""
    draw("raw/a.png")
    (home / "my rules.yaml").write_text("- drp: x\n", encoding="utf-8")
    (home / "pairs.csv").write_text("a,b\n", encoding="utf-8")
    (home / "own.yaml").write_text(
        "pipelines: {a: {images: ./raw, stages: [edit: {rules: ./my rules.yaml}]}}\n",
        encoding="utf-8",
    )
    rules = "error: `{}` line 1: no rule is named `drp`\nhint: did you mean `drop`?\n"

    assert prep("edit", "raw", "--rules", "my rules.yaml").err == rules.format("my rules.yaml")
    assert prep("run", "--pipelines", "own.yaml").err == rules.format("./my rules.yaml")
    for option in ("--aliases", "--implications"):
        assert prep("edit", "raw", option, "pairs.csv").err.startswith("error: `pairs.csv` ")
