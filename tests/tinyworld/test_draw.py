"""Tests of the drawn world: pictures, their traps, and that they never change."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from tinyworld import world
from tinyworld.draw import cut_out, draw
from tinyworld.pictures import CORRUPT, PICTURES, encoded, write_pictures
from tinyworld.world import MASCOT, Look, Scene


def by_kind(kind: str) -> bytes:
    picture = next(picture for picture in PICTURES if picture.kind == kind)
    return encoded(picture, 3)


def test_every_attribute_is_seen() -> None:
    """Each value of each attribute gives a picture of its own."""
    looks = [
        *(Look(body, "mint", "none", "none") for body in world.BODIES),
        *(Look("round", colour, "crown", "none") for colour in world.COLOURS),
        *(Look("tall", "sky", hat, "none") for hat in world.HATS if hat != "none"),
        *(Look("round", "lemon", "none", extra) for extra in world.ACCESSORIES if extra != "none"),
    ]
    scenes = [Scene(look, "studio", "standing", "full_body", (96, 96)) for look in looks]
    scenes += [Scene(MASCOT, where, "standing", "face", (96, 64)) for where in world.BACKGROUNDS]
    scenes += [Scene(MASCOT, "snow", pose, "upper_body", (64, 96)) for pose in world.POSES]

    pictures = [draw(scene, 0) for scene in scenes]

    assert [picture.size for picture in pictures] == [scene.size for scene in scenes]
    assert {picture.mode for picture in pictures} == {"RGB"}
    assert len({picture.tobytes() for picture in pictures}) == len(scenes) == 25


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
    """There are 18 files, of several aspect ratios, sides of 200 to 640 px, all framings."""
    sizes = [picture.scene.size for picture in PICTURES]

    assert len({picture.name for picture in PICTURES}) == 18
    assert all(200 <= side <= 640 for size in sizes for side in size)
    assert len({round(width / height, 2) for width, height in sizes}) >= 6
    assert {picture.scene.framing for picture in PICTURES} == set(world.FRAMINGS)
    assert {picture.scene.background for picture in PICTURES} == set(world.BACKGROUNDS)
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
    """The pixels of one picture are those of the first release, to the bit."""
    scene = Scene(MASCOT, "meadow", "waving", "full_body", (96, 128))
    digest = hashlib.sha256(draw(scene, 0).tobytes()).hexdigest()

    assert digest[:16] == "ba1ea156a7315759"
