"""Numbers of things as a person says them, and one count of pictures in every command."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.runtime.counts import counted

Prep = Callable[..., Any]
Draw = Callable[..., Path]


@given(st.integers(0, 10**9))
@settings(derandomize=True)
def test_one_is_one_and_all_else_is_several(count: int) -> None:
    """A word ends in `s` for every number but one."""
    assert counted(count, "picture") == f"{count} picture" + "s" * (count != 1)


def _link(raw: Path) -> None:
    (raw / "2.png").symlink_to("0.png")


def _twin(raw: Path) -> None:
    (raw / "0.PNG").write_bytes((raw / "0.png").read_bytes())


def _broken(raw: Path) -> None:
    (raw / "2.png").write_bytes((raw / "0.png").read_bytes()[:99])


def _bad_text(raw: Path) -> None:
    (raw / "2.png").write_bytes((raw / "0.png").read_bytes())
    (raw / "2.txt").write_bytes(b"caf\xe9")


def _bad_name(raw: Path) -> None:
    (raw / "a\\2.png").write_bytes((raw / "0.png").read_bytes())


def _dropped(raw: Path) -> None:
    (raw / "2.png").write_bytes((raw / "0.png").read_bytes())
    (raw.parent / "drop").touch()


@pytest.mark.parametrize("spoil", [_link, _twin, _broken, _bad_text, _bad_name, _dropped])
def test_every_command_counts_the_same_pictures(
    prep: Prep, draw: Draw, home: Path, spoil: Callable[[Path], None]
) -> None:
    """Case F10: run, status, doctor, edit and tags say one number, with what cannot be used."""
    for number in range(2):
        draw(f"raw/{number}.png")
    spoil(home / "raw")
    run = prep("tag", "raw", "--model", "tiny").out
    if (home / "drop").exists():
        sheet = home / "raw" / "tags.csv"
        text = sheet.read_text(encoding="utf-8-sig").splitlines()
        rows = [re.sub(r"^(2\.png,[^,]*),[^,]*", r"\1,no", line) for line in text]
        sheet.write_text("\n".join([*rows, ""]), encoding="utf-8-sig")
        prep("review", "import", "raw/tags.csv")

    told = [
        run,
        prep("status", "--in", "raw").out.replace("pictures: ", "") + " pictures",
        prep("doctor", "--in", "raw").out,
        prep("edit", "raw", "--where", "has:tags").out,
        prep("edit", "raw", "--add", "hat", "-n").out,
        prep("tags", "raw").out,
    ]
    status = json.loads(prep("status", "--in", "raw", "--json").out.splitlines()[0])

    assert status["pictures"] == 3
    for text in told:
        assert re.search(r"\b3 pictures|^  3$", text, re.MULTILINE), text
        assert not re.search(r"(?<!of )\b2 pictures", text), text


def test_a_changed_param_is_told_as_it_is_written(prep: Prep, draw: Draw) -> None:
    """What differs from the last run is said in the words of pipelines.yaml."""
    draw("raw/a.png")
    prep("edit", "raw")

    told = prep("edit", "raw", "--skip-empty", "--trigger", "toy").out
    assert "  edit: skip_empty was false, is now true\n" in told
    assert "  edit: trigger was not set, is now toy\n" in told


def test_a_broken_picture_is_told_without_a_code(prep: Prep, draw: Draw, home: Path) -> None:
    """A reason is a sentence: no word of the program's own stands before it."""
    draw("raw/a.png")
    data = draw("raw/b.png").read_bytes()
    (home / "raw" / "b.png").write_bytes(data[:200])
    (home / "raw" / "c.png").write_bytes(b"junk")

    told = prep("tag", "raw", "--model", "tiny").out
    assert "  failed: b.png: the PNG ends too early, after 200 bytes\n" in told
    assert "  failed: c.png: not a picture, begins with `6a 75 6e 6b`\n" in told
