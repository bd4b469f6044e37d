"""File names of every kind: row 20 and 96 of the fault table."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

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
