"""Text files beside pictures: read strictly, never written over; rows 26, 27, 29 and 31."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Prep = Callable[..., Any]
Draw = Callable[..., Path]


def samples() -> dict[str, Any]:
    return dict(json.loads(Path("meta.json").read_text(encoding="utf-8"))["samples"])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"smile, \xff\xfe", "it is not UTF-8 at byte 7; save it as UTF-8"),
        ("\u7b11\u9854".encode("cp932"), "it is not UTF-8 at byte 0; save it as UTF-8"),
        (b"smile\0", "line 1 holds the control character U+0000; delete that"),
    ],
)
def test_a_sidecar_that_is_no_text(
    prep: Prep,
    draw: Draw,
    home: Path,
    data: bytes,
    why: str,
) -> None:
    """Rows 26 and 27: it is named, left untouched, and its picture waits; exit 3 until mended."""
    draw("raw/a.png")
    draw("raw/b.png")
    (home / "raw" / "b.txt").write_text("solo")
    sidecar = home / "raw" / "a.txt"
    sidecar.write_bytes(data)
    code, out, _ = prep("edit", "raw")

    assert code == 3
    assert f"  failed: a.png: `a.txt` cannot be read: {why}\n" in out
    assert sidecar.read_bytes() == data
    assert list(samples()) == ["b.png"]

    sidecar.write_text("\ufeffsmile, solo", encoding="utf-8")
    assert prep("edit", "raw").code == 0
    assert samples()["a.png"]["tags"] == ["smile", "solo"]


def test_a_sidecar_that_is_a_link(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 93: it is neither followed nor replaced, dangling or not: its picture waits, exit 3."""
    for name in "abc":
        draw(f"raw/{name}.png")
    (home / "shared.txt").write_text("a person's words", encoding="utf-8")
    links = {"a.txt": "../shared.txt", "b.caption": "nowhere"}
    for name, target in links.items():
        (home / "raw" / name).symlink_to(target)

    assert prep("tag", "raw", "--model", "tiny").code == 3
    code, out, _ = prep("edit", "raw")

    assert code == 3
    for key, name in (("a.png", "a.txt"), ("b.png", "b.caption")):
        why = f"`{name}` is a link: copy the text itself into the folder"
        assert f"  failed: {key}: {why}\n" in out
    assert {name: str((home / "raw" / name).readlink()) for name in links} == links
    assert list(samples()) == ["c.png"]

    (home / "raw" / "a.txt").unlink()
    (home / "raw" / "b.caption").unlink()
    for name in "ab":
        (home / "raw" / f"{name}.txt").write_text("solo")
    assert prep("edit", "raw").code == 0
    assert len(samples()) == 3


def test_a_sidecar_as_notepad_saves_it(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 26: UTF-8 and UTF-16 with a byte order mark are read."""
    for name, code in (("a", "utf-8-sig"), ("b", "utf-16")):
        draw(f"raw/{name}.png")
        (home / "raw" / f"{name}.txt").write_bytes("\u7b11\u9854, solo\r\n".encode(code))

    assert prep("edit", "raw").code == 0
    assert [row["tags"] for row in samples().values()] == [["\u7b11\u9854", "solo"]] * 2


def test_sidecars_that_were_there_are_used(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 29: a .txt from before prep is the person's: read, and never written."""
    draw("raw/a.png")
    sidecar = home / "raw" / "a.txt"
    sidecar.write_text("1girl, smile", encoding="utf-8")
    before = (sidecar.stat().st_mtime_ns, sidecar.read_bytes())
    code, _, _ = prep("tag", "raw", "--model", "tiny")
    prep("edit", "raw")

    assert code == 0
    assert (sidecar.stat().st_mtime_ns, sidecar.read_bytes()) == before
    assert samples()["a.png"]["tags"] == ["1girl", "smile"]


def test_tags_with_commas_and_brackets_come_back(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 31: kaomoji, escaped parentheses and spaces go through sidecar and dataset unchanged."""
    draw("raw/a.png")
    (home / "raw" / "a.txt").write_text(r"^_^, :d, sketch \(medium\), @_@", encoding="utf-8")
    prep("edit", "raw")

    assert samples()["a.png"]["tags"] == ["^_^", ":d", "sketch (medium)", "@_@"]
