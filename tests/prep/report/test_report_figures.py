"""The figures of the report, each worked out another way."""

import io
import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from prep.report import small_pictures
from prep.report.alike_pairs import leaks
from prep.report.bucket_waste import filled, wastes
from prep.report.shown_picture import TRAIN, VALIDATION
from prep.runtime.keys import first_source
from tinyworld import first_look
from tinyworld.pictures import CORRUPT, write_pictures
from train.data.order import batches_per_epoch

counts = st.dictionaries(st.tuples(st.integers(1, 9), st.integers(1, 9)), st.integers(1, 40))


@given(counts)
def test_batches_waste_what_training_leaves_empty(shown: dict[tuple[int, int], int]) -> None:
    """The places that stay empty are those that the batches of `train` do not fill."""
    for one in wastes(shown):
        repeats = {bucket: {"a": count} for bucket, count in shown.items()}
        assert one.batches == batches_per_epoch(repeats, one.batch)
        assert round(one.empty * one.batches * one.batch) == one.batches * one.batch - sum(
            shown.values()
        )
        assert one.short == sum(1 for count in shown.values() if count % one.batch)


def test_buckets_are_told_with_what_folders_repeat() -> None:
    """Pictures and showings, the fullest bucket first."""
    assert filled([((64, 64), 1), ((32, 64), 10), ((64, 64), 2)]) == {
        (64, 64): (2, 3), (32, 64): (1, 10),
    }  # fmt: skip


def test_the_larger_copies_are_taken_as_long_as_they_fit() -> None:
    """Both copies of a picture keep its shape; of many pictures the page has the smaller ones."""
    noise = Image.frombytes("RGB", (640, 320), random.Random(1).randbytes(640 * 320 * 3))
    data = small_pictures.packed(noise)
    copies = small_pictures.unpacked(data)

    sizes = [Image.open(io.BytesIO(one)).size for one in copies]
    assert sizes == [(104, 52), (320, 160)]
    assert small_pictures.fitting([data] * 2, 2 * len(copies.large)) == [copies.large] * 2
    assert small_pictures.fitting([data] * 2, 2 * len(copies.large) - 1) == [copies.small] * 2


@pytest.fixture
def page(draw: Callable[..., Path], prep: Callable[..., Any]) -> Callable[..., dict[str, Any]]:
    """Return what the script of a folder's page is told, after a report with some options."""

    def made(*words: str) -> dict[str, Any]:
        assert prep("report", "images", *words).code == 0
        text = Path("images/report.html").read_text(encoding="utf-8")
        told: dict[str, Any] = json.loads(text.split('id="data">')[1].split("</script>")[0])
        return {one["key"]: one for one in told["pictures"]} | {"": text}

    return made


def test_only_what_is_new_is_decoded(
    draw: Callable[..., Path], prep: Callable[..., Any], page: Callable[..., dict[str, Any]]
) -> None:
    """A second report writes nothing; a text makes the page anew, and opens no picture."""
    draw("images/a.png")
    page()
    assert "up to date" in prep("report", "images").out
    Path("images/a.txt").write_text("mine")
    done = prep("report", "images", "-v")
    assert "made small" not in done.out
    assert "wrote images/report.html" in done.out
    draw("images/b.png", seed=7)
    assert "2 compared, 1 made small" in prep("report", "images").out


def test_every_picture_is_told_where_it_went(
    draw: Callable[..., Path], prep: Callable[..., Any], page: Callable[..., dict[str, Any]]
) -> None:
    """Dropped, too small for a bucket, for validation: place, reason, the frame of its bucket."""
    draw("images/a.png", (600, 400))
    draw("images/drop.png", (512, 512))
    draw("images/small.png", (64, 64))
    Path("images/a.txt").write_text("one, two")
    Path("images/a.caption").write_text("a sentence")
    assert prep("edit", "images").code in (0, 3)
    meta = json.loads(Path("meta.json").read_text())
    meta["samples"]["a.png"]["split"] = "validation"
    del meta["samples"]["drop.png"]
    Path("meta.json").write_text(json.dumps(meta))
    assert prep("edit", "images").code in (0, 3)

    told = page("--text", "both")

    assert (told["a.png"]["place"], told["a.png"]["bucket"]) == ("validation", "640x384")
    # 600x400 covers 640x384 as 640x427: 21 px are cut off above, 22 below.
    assert told["a.png"]["frame"] == [0, round(21 / 427, 4), 1, round(405 / 427, 4)]
    assert (told["a.png"]["text"], told["a.png"]["tokens"]) == ("one, two, a sentence", 6)
    assert (told["drop.png"]["place"], told["drop.png"]["why"]) == (
        "dropped", "you removed it from a dataset file",
    )  # fmt: skip
    assert (told["small.png"]["place"], told["small.png"]["why"]) == (
        "fits no bucket", "too small: 64x64 px has a side under 256 px",
    )  # fmt: skip


def test_a_copy_in_both_splits_is_a_leak(
    draw: Callable[..., Path], prep: Callable[..., Any], page: Callable[..., dict[str, Any]]
) -> None:
    """What is kept for validation and shown by training as well is named with its twin."""
    file = draw("images/a.png", (300, 300))
    Path("images/copy.png").write_bytes(file.read_bytes())
    draw("images/other.png", (300, 300), seed=3)
    assert prep("edit", "images").code in (0, 3)
    meta = json.loads(Path("meta.json").read_text())
    for key in ("a.png", "other.png"):
        meta["samples"][key]["split"] = "validation"
    Path("meta.json").write_text(json.dumps(meta))
    assert prep("edit", "images").code in (0, 3)

    text = page()[""]

    assert "copy.png repeats a.png: same file" in text
    assert text.count("<strong>validation: </strong>") == 1


def test_shots_of_one_picture_are_no_pictures_apart() -> None:
    """Up the line as well, and where a person's own name has an `@`."""
    assert first_source("a.png@upper.png@flip.png") == "a.png"
    assert first_source("x/a@2x.jpg@face.png") == "x/a@2x.jpg"
    assert first_source("a@2x.png") == "a@2x.png"
    shots: list[Any] = [
        SimpleNamespace(key=f"a.png@{name}.png@v1.png", source=f"a.png@{name}.png", place=place)
        for name, place in (("figure", TRAIN), ("upper", VALIDATION))
    ]
    (one,) = leaks(shots, [])
    assert (one.kept.key, one.why) == ("a.png@upper.png@v1.png", "both were made from a.png")


def test_the_three_spoiled_drawings_of_the_demo_are_found(
    prep: Callable[..., Any], page: Callable[..., dict[str, Any]]
) -> None:
    """Each is proposed for what was done to it, and none of the 17 others; the page says so."""
    write_pictures(Path("raw"))
    first_look.spoil(Path("raw"), Path("images"))
    Path("images", CORRUPT).unlink()
    words = ("--resolution", str(first_look.RESOLUTION))
    assert prep("check", "images", *words).code == 0

    told = page(*words)

    text = told.pop("")
    kept = {key: one["cells"]["keep"] for key, one in told.items() if "cells" in one}
    assert (kept, len(told)) == (first_look.FOUND, 20)
    for words in ("it repeats meadow 1.png: resized", "drop: too small", "look: blur"):
        assert words in text


def test_a_page_is_written_anew_after_the_memory_was_lost(
    draw: Callable[..., Path], prep: Callable[..., Any], page: Callable[..., dict[str, Any]]
) -> None:
    """It holds nothing that a person wrote: nobody has to move it away."""
    draw("images/a.png")
    page()
    shutil.rmtree("images/.prep")
    Path("images/a.txt").write_text("mine")

    assert page()["a.png"]["cells"]["tags"] == "mine"
