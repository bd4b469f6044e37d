"""What is said of pictures that look alike; no picture is dropped by it."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from PIL import Image, ImageOps

from prep.likeness.proposals import proposals, proposed, sentence
from tests.prep.likeness import changed
from tests.prep.likeness.changed import drawn, kept

Change = Callable[[Image.Image], Image.Image]


def rows(pictures: dict[str, Image.Image], **sources: str) -> dict[str, dict[str, object] | None]:
    """Return the rows of pictures; each file is its own, `sources` are what they were made of."""
    samples = {
        key: (kept(image), key, {"key": sources[key]} if key in sources else None)
        for key, image in pictures.items()
    }
    return proposals(samples)


COPIES: dict[str, tuple[Change, list[str]]] = {
    "half": (changed.half, ["resized"]),
    "jpeg 40": (changed.jpeg, ["recompressed"]),
    "crop": (changed.cropped, ["cropped"]),
    "large crop": (lambda image: image.crop((60, 5, 450, 300)), ["cropped"]),
    "border": (changed.bordered, ["bordered"]),
    "watermark": (changed.watermarked, ["watermarked"]),
    "mirror": (ImageOps.mirror, ["mirrored"]),
    "mirrored half": (lambda image: changed.half(ImageOps.mirror(image)), ["mirrored", "resized"]),
}


@pytest.mark.parametrize("name", COPIES)
def test_a_copy_says_what_was_done_to_it(name: str) -> None:
    """Whichever comes first by name, the changed picture repeats the original, and says how."""
    change, kinds = COPIES[name]
    first = {"a": drawn(), "z": change(drawn()), "other": drawn(1)}
    second = {"z": drawn(), "a": change(drawn()), "other": drawn(1)}
    found, turned = rows(first), rows(second)

    assert found["z"] is not None
    assert (found["z"]["key"], found["z"]["kinds"]) == ("a", kinds)
    assert found["a"] is found["other"] is None
    if name not in ("jpeg 40", "mirror"):  # as large and as whole: of these, the first key stays
        assert turned["a"] is not None
        assert (turned["a"]["key"], turned["a"]["kinds"]) == ("z", kinds)


@pytest.mark.parametrize("change", [changed.smiling, changed.dressed, changed.at_night])
@pytest.mark.parametrize(
    "after", [lambda image: image, changed.half, changed.jpeg, changed.cropped]
)
def test_a_variant_is_never_proposed(change: Change, after: Change) -> None:
    """Another expression, costume or light is told, also of a changed copy, and never proposed."""
    found = rows({"a": drawn(), "b": after(change(drawn()))})

    assert [proposed(row) for row in found.values()] == ["", ""]
    row = found["b"] or found["a"]
    assert row is not None
    assert row["kinds"] == ["variant"]


def test_the_region_that_differs_is_told() -> None:
    """The box of a variant holds what was drawn otherwise, and little else."""
    row = rows({"a": drawn(), "b": changed.smiling(drawn())})["b"]

    assert row is not None
    left, top, right, bottom = row["box"]
    assert 222 <= left <= 240 <= right <= 258
    assert 162 <= top <= 179 <= bottom <= 196
    assert row["there"] == row["box"]
    assert sentence(row) == (
        f"it is a variant of a: it differs at {left}, {top} to {right}, {bottom} px"
    )


def test_a_crop_says_where_it_was_cut() -> None:
    """The place in the other picture is known to a hundredth of its sides."""
    row = rows({"a": drawn(), "b": drawn().crop((60, 5, 450, 300))})["b"]

    assert row is not None
    assert row["box"] is None
    assert np.abs(np.subtract(row["there"], (60, 5, 450, 300))).max() <= 4
    left, top, right, bottom = row["there"]
    assert (
        sentence(row) == f"it repeats a: cropped, from {left}, {top} to {right}, {bottom} px of it"
    )


def test_flat_pictures_match_nothing() -> None:
    """White, red, a slope of nearly one grey: none repeats another, whatever its size."""
    slope = Image.fromarray(np.tile(np.linspace(120, 124, 300), (200, 1)).astype(np.uint8))
    flat = {
        "white": Image.new("RGB", (300, 300), "white"),
        "red": Image.new("RGB", (300, 200), "red"),
        "white too": Image.new("RGB", (150, 150), "white"),
        "slope": slope.convert("RGB"),
    }

    assert set(rows(flat).values()) == {None}


def test_the_same_file_is_the_same_whatever_it_shows() -> None:
    """Equal files repeat the first of them, flat ones too; the mark says so."""
    white = kept(Image.new("RGB", (300, 300), "white"))
    found = proposals({"b": (white, "1", None), "a": (white, "1", None), "c": (white, "1", None)})

    assert [proposed(row) for row in found.values()] == [
        "", "a (same file)", "a (same file)"
    ]  # fmt: skip


def test_the_order_of_the_folder_decides_nothing() -> None:
    """The same pictures in any order get the same rows."""
    pictures = {"a": changed.half(drawn()), "b": drawn(), "c": changed.bordered(drawn())}
    found = [rows({key: pictures[key] for key in order}) for order in permutations(pictures)]

    assert all(each == found[0] for each in found)


def test_of_many_copies_one_stays() -> None:
    """Each copy is proposed for the one that stays: whole, without a border, and the largest."""
    original = drawn()
    found = rows({
        "a": changed.half(original), "b": original, "c": changed.bordered(original),
        "d": changed.half(changed.cropped(original)), "e": changed.watermarked(original),
    })  # fmt: skip

    assert {key: row and row["key"] for key, row in found.items()} == {
        "a": "b", "b": None, "c": "b", "d": "b", "e": "b",
    }  # fmt: skip


def test_what_augment_made_is_never_proposed() -> None:
    """Variants of one source are alike on purpose; those of two sources are not."""
    pictures = {"1": drawn(), "2": ImageOps.mirror(drawn())}

    assert rows(pictures, **{"1": "a", "2": "a"})["2"] is None
    assert rows(pictures, **{"1": "a", "2": "b"})["2"] is not None
    shots = {"1": "a@2x.png@upper.png", "2": "a@2x.png@figure.png"}
    assert rows(pictures, **shots)["2"] is None
    assert rows(pictures, **shots | {"2": "a@3x.png@figure.png"})["2"] is not None


def test_what_an_earlier_version_found_is_read() -> None:
    """A row of the first version is the other key alone."""
    assert (proposed("b.png"), sentence("b.png")) == ("b.png", "it repeats b.png")
    assert (proposed(None), sentence(None)) == ("", "")
