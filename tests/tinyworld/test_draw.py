"""Tests of the drawn world: pictures, their traps, and that they never change."""

import hashlib
import io
from dataclasses import astuple, replace
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tinyworld import world
from tinyworld.draw import cut_out, draw
from tinyworld.pictures import CORRUPT, PICTURES, encoded, write_pictures
from tinyworld.world import MASCOT, Look, Scene, random_scene


def by_kind(kind: str) -> bytes:
    picture = next(picture for picture in PICTURES if picture.kind == kind)
    return encoded(picture, 3)


def test_every_attribute_is_seen() -> None:
    """Each value of each attribute gives a picture of its own, in every framing."""
    looks = [
        *(replace(MASCOT, body=body) for body in world.BODIES[1:]),
        *(replace(MASCOT, colour=colour) for colour in list(world.COLOURS)[1:]),
        *(replace(MASCOT, hat=hat) for hat in world.HATS[1:]),
        *(replace(MASCOT, accessory=extra) for extra in world.ACCESSORIES[1:]),
    ]
    size = (96, 96)
    for framing in world.FRAMINGS:
        scenes = [Scene(look, "meadow", "standing", framing, size) for look in looks]
        scenes += [Scene(MASCOT, where, "standing", framing, size) for where in world.BACKGROUNDS]
        scenes += [Scene(MASCOT, "snow", pose, framing, size) for pose in world.POSES[1:]]
        scenes += [Scene(MASCOT, world.WHITE_PAPER, "standing", framing, size)]

        pictures = [draw(scene, 0) for scene in scenes]

        assert {(picture.mode, picture.size) for picture in pictures} == {("RGB", size)}
        assert len({picture.tobytes() for picture in pictures}) == len(scenes) == 21
        # The least that two of them differ by: a hat, say, must not shrink to a few pixels.
        ready = [np.asarray(picture, np.int16) for picture in pictures]
        seen = [(np.abs(a - b).max(2) > 40).mean() for a, b in combinations(ready, 2)]
        assert min(seen) > 0.01


def test_held_out_combinations() -> None:
    """About a tenth of all combinations is held out, the mascot's look on every background.

    Every single value still occurs in what may be trained on, and so does every pair of values.
    """
    looks = [
        Look(*parts)
        for parts in product(world.BODIES, world.COLOURS, world.HATS, world.ACCESSORIES)
    ]
    all_five = [(look, where) for look in looks for where in world.BACKGROUNDS]
    kept = [each for each in all_five if not world.held_out(*each)]

    assert len(all_five) == 1200
    assert 0.85 < len(kept) / len(all_five) < 0.92
    assert all(world.held_out(MASCOT, where) for where in world.BACKGROUNDS)
    pairs = {pair for look, where in kept for pair in combinations((*astuple(look), where), 2)}
    counts = (3, 5, 4, 4, 5)
    assert len(pairs) == sum(a * b for a, b in combinations(counts, 2))


@pytest.mark.parametrize("unseen", [False, True])
def test_scenes_by_seed_keep_to_their_side(unseen: bool) -> None:
    """A seed gives one scene, on the side of the held-out combinations that was asked for."""
    scenes = [random_scene(seed, unseen) for seed in range(300)]

    assert {world.held_out(scene.look, scene.background) for scene in scenes} == {unseen}
    assert scenes == [random_scene(seed, unseen) for seed in range(300)]
    assert len(set(scenes)) > 250


def test_drawing_is_a_pure_function() -> None:
    """The same scene and seed give the same pixels, another seed gives others."""
    scene = Scene(MASCOT, "meadow", "waving", "full_body", (120, 90))

    assert draw(scene, 5).tobytes() == draw(scene, 5).tobytes()
    assert draw(scene, 5).tobytes() != draw(scene, 6).tobytes()


def test_the_cut_out_hides_wild_colours() -> None:
    """Under alpha 0 lie colours of every kind; where alpha is full, the mascot is as drawn."""
    scene = Scene(MASCOT, "studio", "standing", "full_body", (160, 160))
    pixels = np.asarray(cut_out(scene, 1))
    whole = np.asarray(draw(scene, 1))
    hidden, solid = pixels[..., 3] == 0, pixels[..., 3] == 255

    assert pixels.shape == (160, 160, 4)
    assert hidden.mean() > 0.4
    assert pixels[hidden][:, :3].std(axis=0).min() > 60
    assert solid.mean() > 0.15
    assert (pixels[solid][:, :3] == whole[solid]).all()


def test_the_pictures_are_many_kinds() -> None:
    """There are 20 pictures and a broken one: several shapes, 200 to 640 px, and no studio."""
    sizes = [picture.scene.size for picture in PICTURES]

    assert len({picture.name for picture in PICTURES}) == 21
    assert all(200 <= side <= 640 for size in sizes for side in size)
    assert len({round(width / height, 2) for width, height in sizes}) >= 6
    assert {picture.scene.framing for picture in PICTURES} == set(world.FRAMINGS)
    assert {picture.scene.background for picture in PICTURES} == {*world.BACKGROUNDS, "white"} - {
        "studio"
    }
    kinds = sorted(picture.kind for picture in PICTURES if picture.kind != "plain")
    assert kinds == ["corrupt", "cut_out", "turned"]


def test_the_phone_photo_lies_on_its_side() -> None:
    """The stored pixels are turned; obeying the EXIF orientation gives the drawing back."""
    stored = Image.open(io.BytesIO(by_kind("turned")))
    scene = next(picture.scene for picture in PICTURES if picture.kind == "turned")
    upright = np.asarray(ImageOps.exif_transpose(stored), np.int16)

    assert stored.size == scene.size[::-1]
    assert stored.getexif()[0x0112] == 6
    assert np.abs(upright - np.asarray(draw(scene, 3), np.int16)).mean() < 3


def test_the_corrupt_file_begins_like_a_picture() -> None:
    """Its header can be read, its pixels cannot."""
    with Image.open(io.BytesIO(by_kind("corrupt"))) as picture:
        assert picture.format == "JPEG"
        with pytest.raises(OSError, match="truncated"):
            picture.load()


def test_the_pictures_are_written_once(tmp_path: Path) -> None:
    """A second writing changes no file; a damaged one is drawn again; a stranger is left alone."""
    stranger = tmp_path / "mine.png"
    stranger.write_bytes(b"mine")
    assert write_pictures(tmp_path) == [picture.name for picture in PICTURES]
    before = {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()}

    assert write_pictures(tmp_path) == []
    assert before == {
        path: (path.stat().st_mtime_ns, path.read_bytes()) for path in tmp_path.iterdir()
    }

    (tmp_path / CORRUPT).write_bytes(b"")
    assert write_pictures(tmp_path) == [CORRUPT]
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == {
        path: data for path, (_, data) in before.items()
    }


def test_the_drawings_never_change() -> None:
    """The pixels of one picture are those that the models were trained on, to the bit."""
    scene = Scene(MASCOT, "meadow", "waving", "full_body", (96, 128))
    digest = hashlib.sha256(draw(scene, 0).tobytes()).hexdigest()

    assert digest[:16] == "c6ff5162afde98bd"
