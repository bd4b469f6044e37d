"""What augment adds to a picture."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prep.images import pixel_steps
from prep.images.pixel_steps import BACKGROUND, CUT, LIGHT, MIRROR, TURN
from prep.runtime.errors import ConfigError
from prep.stage import Derived
from prep.stages.augment import Params, augment, models
from prep.tags.one_sided import one_sided
from tests.prep.stages.test_check import typed_with
from tests.prep.stages.test_duplicates import typed

ORIGINAL = Derived("", None, (0, 0, 40, 30))
NOISE = Image.effect_noise((40, 30), 90).convert("RGB")


def made(params: Params, image: Image.Image = NOISE, key: str = "a.png", **words: Any) -> Any:
    """Return what is made of a picture with some words."""
    return augment.run({"image": image, "key": key, **words}, params)


def test_the_original_and_its_mirror_image() -> None:
    """The original is passed on as its file; the other is mirrored left to right, and says so."""
    original, mirrored = made(Params())

    assert original == ORIGINAL
    assert (mirrored.name, mirrored.box, mirrored.flip) == ("flip", (0, 0, 40, 30), True)
    assert np.array_equal(np.asarray(mirrored.image), np.asarray(NOISE)[:, ::-1])


def test_without_flips_only_originals() -> None:
    """For an asymmetric subject the mirror images are turned off."""
    assert made(Params(flip=False)) == [ORIGINAL]


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"tags": ["1girl", "eyepatch"]}, "it has the tag `eyepatch`"),
        ({"tags": ["single_thighhigh"]}, "it has the tag `single thighhigh`"),
        ({"tags": ["Asymmetrical hair"]}, "it has the tag `asymmetrical hair`"),
        ({"tags": ["hand on left hip"]}, "it has the tag `hand on left hip`"),
        ({"caption": "A cat on the right-hand side."}, "its caption says `right-hand`"),
        ({"caption": "She looks Left"}, "its caption says `Left`"),
        ({"notes": "keep, but no flip"}, "you noted `no flip`"),
        ({"checks": [{"kind": "text"}]}, "writing was found in it"),
    ],
)
def test_what_is_one_sided_is_not_mirrored(words: dict[str, Any], why: str) -> None:
    """By its tags, a word for a side, a person's mark or writing; then it weighs for two."""
    (original,) = made(Params(), **words)
    assert original.about == {"unmirrored": why, "share": 2.0}

    each = made(Params(variants=8), **words)
    assert [one.flip for one in each] == [False] * 9
    assert {one.about["share"] for one in each} == {10 / 9}


def test_other_words_say_nothing_of_sides() -> None:
    """`bright` and `copyright` are no `right`; a list of a person's own adds tags to ours."""
    assert one_sided(["bright eyes", "smile"], "A brightly leftover copyright", "") == ""
    assert len(made(Params(), tags=["smile"], caption="bright")) == 2
    assert len(made(Params(one_sided="Smile\n\n"), tags=["smile"])) == 1


def test_variants_are_computed_from_seed_key_and_number() -> None:
    """Others come and go, the same are made again; another seed or key gives others."""
    wish = Params(variants=4, turn=8, background="gradient")
    size = Image.new("RGB", (300, 200))
    four = made(wish, size)[2:]

    assert made(Params(variants=2, turn=8, background="gradient"), size)[2:] == four[:2]
    for other in (made(Params(variants=4, turn=8, background="gradient", seed=1), size),
                  made(wish, size, key="b.png")):  # fmt: skip
        assert all(one.steps != another.steps for one, another in zip(other[2:], four, strict=True))
    assert [one.name for one in four] == ["v1", "v2", "v3", "v4"]


def test_a_variant_is_within_its_limits() -> None:
    """The box lies in the picture, also its turned corners, and no step exceeds what was asked."""
    wish = Params(variants=60, zoom=0.3, turn=12, colour=0.5)
    flips = 0
    for one in made(wish, Image.new("RGB", (300, 200)))[2:]:
        kinds = [step.kind for step in one.steps]
        assert kinds[0] in (TURN, CUT)
        turn = one.steps[0].value[4] if kinds[0] == TURN else 0
        left, top, right, bottom = one.box
        assert 0 <= left < right <= 300
        assert 0 <= top < bottom <= 200
        assert right - left >= 0.6 * 300
        assert (right - left) / (bottom - top) == pytest.approx(1.5, rel=0.02)
        assert abs(turn) <= 12
        corners = _corners(one.box, turn)
        assert corners.min() >= -1.5
        assert (corners <= np.array([301.5, 201.5])).all()
        flips += MIRROR in kinds
        stops, warmth, colour = next(step.value for step in one.steps if step.kind == LIGHT)
        assert abs(stops) <= 0.5
        assert abs(warmth) <= 0.125
        assert 0.7 <= colour <= 1.3
    assert 15 <= flips <= 45


def _corners(box: tuple[int, int, int, int], degrees: float) -> Any:
    left, top, right, bottom = box
    middle = np.array([(left + right) / 2, (top + bottom) / 2])
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    corners = np.array([[left, top], [right, top], [left, bottom], [right, bottom]])
    return (corners - middle) @ turn.T + middle


def test_light_is_moved_as_light() -> None:
    """One stop doubles the light, not the number; greys stay grey, and black and white stay."""
    grey = Image.new("RGB", (2, 1), (128, 128, 128))
    found = pixel_steps.done(grey, [(LIGHT, (1.0, 0.0, 1.0))])
    light = ((128 / 255 + 0.055) / 1.055) ** 2.4
    wanted = round((1.055 * (2 * light) ** (1 / 2.4) - 0.055) * 255)

    assert found.getpixel((0, 0)) == (wanted,) * 3 == (176,) * 3
    assert pixel_steps.done(NOISE, [(LIGHT, (0.0, 0.0, 1.0))]).tobytes() == NOISE.tobytes()
    red = Image.new("RGB", (1, 1), (255, 0, 0))
    eye = round((1.055 * 0.2126 ** (1 / 2.4) - 0.055) * 255)
    assert pixel_steps.done(red, [(LIGHT, (0.0, 0.0, 0.0))]).getpixel((0, 0)) == (eye,) * 3


def test_another_background_shows_where_it_is_transparent() -> None:
    """As if the picture had been laid on that background, to one level of rounding."""
    dice = np.random.default_rng(0)
    pixels = dice.integers(0, 256, (20, 30, 4), dtype=np.uint8)
    image = Image.fromarray(pixels, "RGBA")
    alpha = image.getchannel("A").convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    steps = [(BACKGROUND, [(10, 200, 30)])]
    found = pixel_steps.done(white.convert("RGB"), steps, alpha=lambda: alpha)

    part = pixels[..., 3:] / 255
    wanted = pixels[..., :3] * part + np.array([10, 200, 30]) * (1 - part)
    assert np.abs(np.asarray(found) - wanted).max() <= 1.5
    ramp = [(BACKGROUND, [(0, 0, 0), (200, 100, 50), 0])]
    clear = Image.new("RGB", (100, 2))
    shown = np.asarray(pixel_steps.done(Image.new("RGB", (100, 2), "white"), ramp,
                                        alpha=lambda: clear))  # fmt: skip
    assert (shown[0, 0].tolist(), shown[1, 99].tolist()) == ([1, 0, 0], [199, 100, 50])
    assert pixel_steps.done(NOISE, steps) is NOISE


def test_what_cannot_be_done_is_told_before_any_work() -> None:
    """Variants that are all the same, and a background that is none."""
    with pytest.raises(ConfigError, match="would all be the same"):
        models(Params(variants=2, zoom=0, turn=0, colour=0))
    with pytest.raises(ConfigError, match="`whit` is no background"):
        models(Params(background="black, whit"))
    assert models(Params(background="black, #102030")) == ()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures with words, one of them one-sided and half transparent."""
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "raw"
    raw.mkdir()
    NOISE.resize((96, 64)).save(raw / "a.png")
    clear = NOISE.resize((96, 64)).convert("RGBA")
    clear.putalpha(Image.linear_gradient("L").resize((96, 64)))
    clear.save(raw / "b.png")
    (raw / "a.txt").write_text("cat, smile")
    (raw / "b.txt").write_text("cat, eyepatch")
    return tmp_path


def test_variants_are_samples_that_share_a_weight(folder: Path) -> None:
    """Each has its lineage and its words; those of one source weigh as those of any other."""
    typed("augment", "raw", "out", "--variants", "2", "--background", "random", "--turn", "5")
    names = sorted(path.name for path in (folder / "out").glob("*.png"))
    assert names == ["a.png", "a.png@flip.png", "a.png@v1.png", "a.png@v2.png",
                     "b.png", "b.png@v1.png", "b.png@v2.png"]  # fmt: skip
    first = {path.name: path.read_bytes() for path in (folder / "out").glob("*.png")}
    typed("edit", "out", "--out", "meta.json")
    samples = json.loads((folder / "meta.json").read_text())["samples"]

    sums: dict[str, float] = {}
    for key, sample in samples.items():
        sums[key[0]] = sums.get(key[0], 0) + sample["weight"]
        assert sample["tags"][0] == "cat"
    assert sums == pytest.approx({"a": 4.0, "b": 4.0})
    said = typed("why", "b.png@v1.png", "--in", "out")
    assert "made from b.png of `../raw` by augment" in said
    assert "on another background" in said
    assert "not mirrored, as it has the tag `eyepatch`" in said

    said = typed("augment", "raw", "out", "--variants", "2", "--background", "random",
                 "--turn", "5")  # fmt: skip
    assert "is up to date" in said
    shutil.rmtree(folder / "out")
    typed("augment", "raw", "out", "--variants", "2", "--background", "random", "--turn", "5")
    assert {path.name: path.read_bytes() for path in (folder / "out").glob("*.png")} == first


def test_a_background_is_that_of_the_alpha(folder: Path, steps_of: Callable[..., Any]) -> None:
    """What is written is what the steps of its lineage make of the picture and its alpha."""
    typed("augment", "raw", "out", "--variants", "1", "--background", "#204060", "--zoom", "0")
    with Image.open(folder / "raw" / "b.png") as source:
        alpha, white = source.getchannel("A"), Image.new("RGBA", source.size, "white")
        white.alpha_composite(source)
    wanted = pixel_steps.done(white.convert("RGB"), steps_of("b.png@v1.png"),
                              alpha=lambda: alpha.convert("RGB"))  # fmt: skip

    with Image.open(folder / "out" / "b.png@v1.png") as found:
        assert found.tobytes() == wanted.tobytes()


@pytest.fixture
def steps_of(folder: Path) -> Callable[..., Any]:
    """Return the steps of a picture of `out`."""

    def steps(key: str) -> Any:
        typed("edit", "out", "--out", "meta.json")
        return json.loads((folder / "meta.json").read_text())["samples"][key]["source"]["steps"]

    return steps


def test_mistakes_are_two_lines(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What cannot be done ends the command before a file is written."""
    typed_with(1, "augment", "raw", "out", "--background", "whit")
    assert capsys.readouterr().err == (
        "error: `whit` is no background\n"
        "hint: write random, gradient, or colours such as `white, #8090a0`\n"
    )
    assert not (folder / "out").exists() or not list((folder / "out").glob("*.png"))


def test_shares_multiply_up_the_line(folder: Path) -> None:
    """What was made of a picture that stands for two stands for two, over another fan-out."""
    typed("augment", "raw", "out")
    typed("augment", "out", "more", "--no-flip", "--variants", "1", "--background", "gradient")
    typed("edit", "more", "--out", "meta.json")
    samples = json.loads((folder / "meta.json").read_text())["samples"]

    assert {key: sample["weight"] for key, sample in samples.items()} == {
        "a.png": 1.0, "a.png@flip.png": 1.0, "a.png@flip.png@v1.png": 1.0, "a.png@v1.png": 1.0,
        "b.png": 2.0, "b.png@v1.png": 2.0,
    }  # fmt: skip
