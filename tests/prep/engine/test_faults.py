"""Pictures that cannot be samples: listed, exit 3, the others go on; rows of the fault table.

Row 94 does not apply: no archive is ever opened.
"""

import io
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.engine.decoding.outcome import Failure
from prep.engine.decoding.pool import Decoders
from prep.engine.state.ledger import Ledger

Prep = Callable[..., Any]
Draw = Callable[..., Path]


def png(size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", size, (200, 30, 60)).save(stream, "PNG", **options)
    return stream.getvalue()


def bomb() -> bytes:
    """Return a PNG whose header promises 50,000 x 50,000 px."""
    head = bytearray(png())
    head[16:24] = (50_000).to_bytes(4, "big") * 2
    head[29:33] = zlib.crc32(bytes(head[12:29])).to_bytes(4, "big")
    return bytes(head)


HOSTILE = {
    "bomb.png": (bomb(), "2500000000 px, at most 112 megapixels are decoded"),
    "drawing.png": (b"%!PS-Adobe-3.0 EPSF-3.0\n", None),
    "empty.png": (b"", "the file is empty"),
    "page.jpg": (
        b"<!DOCTYPE html>",
        "not a picture, begins with `3c 21 44 4f 43 54 59 50 45 20 68 74 6d 6c 3e`",
    ),
    "torn.png": (png()[:100], "the PNG ends too early, after 100 bytes"),
}


@pytest.fixture
def hostile(home: Path, draw: Draw) -> Path:
    """A folder with one good picture and one of each kind that is none."""
    draw("raw/good.png")
    for name, (data, _) in HOSTILE.items():
        (home / "raw" / name).write_bytes(data)
    return home / "raw"


def samples(file: str = "meta.json") -> dict[str, Any]:
    return dict(json.loads(Path(file).read_text(encoding="utf-8"))["samples"])


def left_out(file: str = "meta.json") -> dict[str, str]:
    return dict(json.loads(Path(file).read_text(encoding="utf-8"))["left_out"])


def seen(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.iterdir()
        if path.is_file()
    }


def test_what_is_no_picture_is_listed_and_stays(prep: Prep, hostile: Path) -> None:
    """Rows 1, 2, 4, 5, 6: each is listed with its reason, never moved; the others go on; exit 3."""
    before = seen(hostile)
    code, out, err = prep("edit", "raw")

    assert (code, err) == (3, "")
    for name, (_, why) in HOSTILE.items():
        if why is not None:
            assert f"  failed: {name}: {why}\n" in out
    assert "  failed: drawing.png: EPS is not opened" in out
    assert out.endswith("  6 pictures: 1 good, 0 left out, 5 failed\n")
    assert seen(hostile) == before
    assert list(samples()) == ["good.png"]
    assert list(left_out()) == sorted(HOSTILE)


def test_it_is_reported_again_without_decoding(
    prep: Prep, hostile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise 5: every later run lists them too and ends with 3, and decodes nothing."""
    _, first, _ = prep("edit", "raw")
    monkeypatch.setattr(sys, "executable", "/nowhere/python")  # decoders could not start
    code, again, err = prep("edit", "raw")

    def listed(text: str) -> list[str]:
        return [line for line in text.splitlines() if "failed:" in line]

    assert (code, err) == (3, "")
    assert again.startswith("`raw` is up to date: nothing to do\n")
    assert listed(again) == listed(first)
    assert len(listed(again)) == 5


def test_mended_or_dropped_it_is_forgotten(prep: Prep, hostile: Path) -> None:
    """A mended picture joins the dataset, a deleted one is no more; then the exit code is 0."""
    prep("edit", "raw")
    for name in HOSTILE:
        if name == "torn.png":
            (hostile / name).write_bytes(png())
        else:
            (hostile / name).unlink()
    code, out, err = prep("edit", "raw", "--accept-missing")

    assert (code, err) == (0, "")
    assert out.endswith("  2 pictures: 2 good, 0 left out, 0 failed\n")
    assert list(samples()) == ["good.png", "torn.png"]
    assert left_out() == {}


def test_an_odd_picture_is_used_and_said(prep: Prep, home: Path) -> None:
    """Rows 3, 11, 15: a wrong suffix or orientation, several frames: used, and told once."""
    (home / "raw").mkdir()
    (home / "raw" / "named.jpg").write_bytes(png())
    exif = Image.Exif()
    exif[0x0112] = 9
    Image.new("RGB", (64, 64), (1, 2, 3)).save(home / "raw" / "turned.jpg", exif=exif)
    frames = [Image.new("RGB", (64, 64), (n, n, n)) for n in (0, 200)]
    frames[0].save(home / "raw" / "moving.gif", save_all=True, append_images=frames[1:])
    for name in ("named", "turned", "moving"):
        (home / "raw" / f"{name}.txt").write_text("solo")
    code, out, _ = prep("edit", "raw")
    again = prep("edit", "raw")

    assert code == 0
    assert "  moving.gif: has more than one frame: the first is used\n" in out
    assert "  named.jpg: is named as JPEG and holds PNG\n" in out
    assert "  turned.jpg: its EXIF orientation `9` means nothing and is ignored\n" in out
    assert (
        again.out
        == "`raw` is up to date: nothing to do\n  3 pictures: 3 good, 0 left out, 0 failed\n"
    )


def test_too_small_and_too_long_are_left_out(prep: Prep, draw: Draw) -> None:
    """Rows 16 and 17: a rule leaves them out by name, which is no failure: exit 0."""
    draw("raw/dot.png", (1, 200))
    draw("raw/fine.png", (128, 128))
    draw("raw/strip.png", (900, 70))
    prep("edit", "raw")
    code, out, _ = prep(
        "bucket", "meta.json", "--resolution", 128, "--step", 32, "--no-upscale", "--max-crop", 0.2
    )
    rejected = left_out("meta_bucket.json")

    assert code == 0
    assert list(samples("meta_bucket.json")) == ["fine.png"]
    assert list(rejected) == ["dot.png", "strip.png"]
    for key, why in rejected.items():
        assert f"  left out: {key}: {why}\n" in out
    assert out.endswith("  3 pictures: 1 good, 2 left out, 0 failed\n")


def test_equal_pictures_are_computed_once(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 18: one content under two names is decoded once; both are samples."""
    one = draw("raw/one.png")
    (home / "raw" / "two.png").write_bytes(one.read_bytes())
    code, _, err = prep("edit", "raw", "-v")

    assert code == 0
    assert [line for line in err.splitlines() if "measure" in line] == ["measure: one.png: made"]
    assert samples()["one.png"] == samples()["two.png"]


def test_two_pictures_that_would_share_a_sidecar(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 19: `a.jpg` beside `a.png` are two samples, both named; their sidecars stay."""
    for name in ("a.jpg", "a.png", "b.png"):
        draw(f"raw/{name}")
    (home / "raw" / "a.txt").write_text("mine", encoding="utf-8")
    code, out, _ = prep("tag", "raw", "--model", "tiny")
    prep("edit", "raw")

    why = "a.jpg and a.png would share one sidecar; rename one of them"
    assert code == 3
    assert f"  clash: a.jpg: {why}\n  clash: a.png: {why}\n" in out
    assert (home / "raw" / "a.txt").read_text(encoding="utf-8") == "mine"
    assert (home / "raw" / "b.txt").exists()
    assert list(samples()) == ["a.jpg", "a.png", "b.png"]


def test_a_picture_that_goes_away_meanwhile(prep: Prep, draw: Draw, home: Path) -> None:
    """Row 22: a picture deleted after the listing is told for this run, and is gone in the next."""
    for name in "abcdef":
        draw(f"raw/{name}.png")
    prep("edit", "raw")
    file = draw("raw/f.png", seed=1)

    def deleted(ledger: Ledger) -> dict[str, set[str]]:
        file.unlink(missing_ok=True)
        return intended(ledger)

    intended = Ledger.intents
    with pytest.MonkeyPatch.context() as meanwhile:  # between the listing and the decoding
        meanwhile.setattr(Ledger, "intents", deleted)
        code, out, _ = prep("edit", "raw")
    assert code == 3
    assert "  failed: f.png: the file is gone\n" in out

    code, out, _ = prep("edit", "raw")
    assert code == 0
    assert "f.png" not in out
    assert list(samples()) == [f"{name}.png" for name in "abcde"]


def test_a_picture_that_changes_under_the_same_size_and_time(prep: Prep, home: Path) -> None:
    """Row 23: other bytes of the same length, the old time put back: seen by the change time."""
    (home / "raw").mkdir()
    file = home / "raw" / "a.bmp"

    def painted(colour: tuple[int, int, int]) -> bytes:
        stream = io.BytesIO()
        Image.new("RGB", (64, 64), colour).save(stream, "BMP")
        return stream.getvalue()

    file.write_bytes(painted((1, 2, 3)))
    os.utime(file, ns=(10**18, 10**18))
    prep("edit", "raw")
    first = samples()["a.bmp"]["digest"]
    file.write_bytes(painted((3, 2, 1)))
    os.utime(file, ns=(10**18, 10**18))
    code, _, _ = prep("edit", "raw")

    assert code == 0
    assert samples()["a.bmp"]["digest"] != first


def test_what_is_no_file_holds_up_nothing(prep: Prep, draw: Draw, home: Path) -> None:
    """Rows 24 and 93: pipes and links named as pictures are listed; no link is followed."""
    draw("raw/a.png")
    draw("elsewhere/secret.png")
    raw = home / "raw"
    os.mkfifo(raw / "pipe.png")
    (raw / "folder.png").mkdir()
    (raw / "link.png").symlink_to("../elsewhere/secret.png")
    (raw / "loop").symlink_to(".")
    (raw / "out").symlink_to("../elsewhere")
    code, out, _ = prep("edit", "raw")

    copy = "copy the picture itself into the folder"
    assert code == 3
    assert f"  failed: link.png: it is a link: {copy}\n" in out
    assert f"  failed: pipe.png: it is not a regular file: {copy}\n" in out
    assert out.endswith("  3 pictures: 1 good, 0 left out, 2 failed\n")
    assert list(samples()) == ["a.png"]


@pytest.mark.parametrize("kind", ["io-error", "oom", "missing", "unstable"])
def test_what_may_pass_is_tried_again(prep: Prep, draw: Draw, kind: str) -> None:
    """Rows 21, 62, 76: a failure of the moment is told and not remembered."""
    draw("raw/a.png")

    def failing(_: Decoders, pictures: Iterable[tuple[str, Path]]) -> Iterator[tuple[str, Failure]]:
        return ((key, Failure(kind, "as it goes")) for key, _ in pictures)

    with pytest.MonkeyPatch.context() as bad_day:  # the decoding process stands outside of ours
        bad_day.setattr(Decoders, "decoded", failing)
        code, out, _ = prep("edit", "raw")
    assert code == 3
    assert "  failed: a.png: as it goes\n" in out

    assert prep("edit", "raw").code == 0
    assert list(samples()) == ["a.png"]
