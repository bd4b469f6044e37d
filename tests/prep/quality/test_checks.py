"""What is wrong with a picture is found and named; of a good one nothing is found."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from prep.quality.checks import CHECKS, KINDS, PROPOSALS
from prep.stages.check import Params, check, proposes
from tests.prep.quality.spoilt import SPOILT, drawn, jpeg, measured, png

REAL = Path(__file__).resolve().parents[4] / "shared" / "data"


@cache
def good() -> Any:
    """Return what is measured of a good picture."""
    return measured(png(drawn(1)))


def kinds(data: bytes, params: Params = Params()) -> list[str]:  # noqa: B008 - frozen
    """Return the kinds that are found of a file which is alone in its set."""
    seen = json.loads(json.dumps(measured(data)))
    found = check.run({"a": tuple(seen)}, params)["a"]
    return [one["kind"] for one in found or ()]


@pytest.mark.parametrize("name", SPOILT)
def test_what_is_wrong_is_named(name: str) -> None:
    """Each defect is found under its own name, and no other one with it."""
    kind, spoil = SPOILT[name]
    data = spoil(drawn())
    # Alone, all of a set: a style. Beside good pictures it is none.
    found = check.run({"a": measured(data), "b": good(), "c": good()}, Params())

    assert [one["kind"] for one in found["a"]] == [kind]
    assert found["b"] is found["c"] is None


def test_each_kind_of_the_table_is_spoilt_here() -> None:
    """A row that is added is tested: something stands for each kind."""
    assert {kind for kind, _ in SPOILT.values()} == set(KINDS)
    assert {one.propose for one in CHECKS} == set(PROPOSALS)
    assert all(set(one.instead) <= set(KINDS) and len(one.limits) == 3 for one in CHECKS)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_is_found_of_a_good_picture(seed: int) -> None:
    """As a PNG, as a usual JPEG, and half as large."""
    image = drawn(seed)
    assert kinds(png(image)) == kinds(jpeg(image, 88)) == []
    assert kinds(jpeg(image.resize((427, 320)), 92)) == []


def test_what_most_pictures_have_is_their_style() -> None:
    """A set drawn in greys is meant to be so; one grey picture among others is not."""
    grey, colour = measured(SPOILT["greys"][1](drawn())), good()
    most = check.run({"a": grey, "b": grey, "c": colour}, Params())
    few = check.run({"a": grey, "b": colour, "c": colour}, Params())

    assert (most["a"], few["b"]) == (None, None)
    assert proposes(few["a"]) == "look: monochrome"


def test_it_is_as_strict_as_it_is_asked_to_be() -> None:
    """What is loose is standard, and what is standard is strict; a kind may be left out."""
    data = jpeg(drawn(), 22)
    found = [set(kinds(data, Params(strictness=word))) for word in ("loose", "standard", "strict")]

    assert found[0] <= found[1] <= found[2]
    assert (found[0], found[1]) == (set(), {"JPEG damage"})
    assert kinds(data, Params(skip="JPEG damage, text")) == []
    assert kinds(data, Params(resolution=1024)) == ["too small", "JPEG damage"]


@pytest.mark.long
@pytest.mark.skipif(not REAL.is_dir(), reason="the pictures of ../shared are not here")
def test_of_real_pictures_hardly_anything_is_found() -> None:
    """Of 35 photographs, sprites and backgrounds at most two have a finding."""
    files = sorted([*REAL.glob("photos/*/*.jpg"), *REAL.glob("renpy-sprites/*.[pj][np]g")])
    found = check.run({file.name + str(n): measured(file.read_bytes())
                       for n, file in enumerate(files)}, Params())  # fmt: skip

    assert len(files) == 35
    assert sum(row is not None for row in found.values()) <= 2
