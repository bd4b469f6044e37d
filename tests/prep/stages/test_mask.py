"""Masks from the files beside pictures, from alpha, and through fan-outs, to the dataset file."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.prep.projects import Project

STAGES = """\
pipelines:
  small:
    images: ./images
    meta: ./meta.json
    stages:
      - edit: {trigger: mascot}
      - bucket: {resolution: 128, step: 64}
      - latents: {model: tiny}
"""
CLEAR = "its mask: it has transparency\n    hint: save it without: white trains, black does not"
FANNED = STAGES.replace("./images\n", "./raw\n").replace(
    "stages:\n",
    "stages:\n      - crop: {to: ./cut, aspect_ratio: 1.0, min_side: 64}\n"
    "      - augment: {to: ./images}\n",
)


def file_of(image: Image.Image, **told: Any) -> bytes:
    """Return a picture as the bytes of a PNG."""
    file = io.BytesIO()
    image.save(file, "PNG", **told)
    return file.getvalue()


def png(pixels: Any, **told: Any) -> bytes:
    """Return a PNG of an array of numbers from 0 to 255."""
    return file_of(Image.fromarray(np.asarray(pixels, np.uint8)), **told)


def subject(mode: str) -> Any:
    """Return a mask as GIMP saves one with alpha: a white subject, all else transparent."""
    alpha = drawn_mask() // 128 * 255
    return np.stack([np.full_like(alpha, 255)] * (len(mode) - 1) + [alpha], -1)


def picture(seed: int, size: tuple[int, int] = (192, 128)) -> bytes:
    """Return a picture of noise; size is (width, height)."""
    return png(np.random.default_rng(seed).integers(0, 256, (*size[::-1], 3)))


def drawn_mask(seed: int = 0, size: tuple[int, int] = (192, 128)) -> Any:
    """Return a mask of blocks of 8 px, as rows of numbers."""
    shape = (size[1] // 8, size[0] // 8)
    return np.kron(np.random.default_rng(seed).integers(0, 256, shape), np.ones((8, 8)))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three pictures of 192x128 px; the first has a mask."""
    return made(tmp_path / "p", STAGES)


def made(folder: Path, stages: str) -> Project:
    """Write a project whose first picture has a mask."""
    found = Project(folder)
    first = folder / ("raw" if "./raw" in stages else "images")
    first.mkdir(parents=True)
    for seed, name in enumerate("abc"):
        (first / f"{name}.png").write_bytes(picture(seed))
    (first / "a.mask.png").write_bytes(png(drawn_mask()))
    found.file.write_text(stages)
    return found


def masks(project: Project) -> dict[str, Any]:
    """Return key -> rows of the mask, of the samples of the dataset file that have one."""
    meta = json.loads((project.folder / "meta_lat.json").read_text())
    state = project.folder / meta["state"]
    rows = {key: row["mask"] for key, row in meta["samples"].items() if "mask" in row}
    return {key: np.asarray(Image.open(state / path)) for key, path in rows.items()}


def samples(project: Project) -> set[str]:
    """Return the keys of the dataset file."""
    return {*json.loads((project.folder / "meta_lat.json").read_text())["samples"]}


def fitted(rows: Any, box: tuple[int, int, int, int] | None = None, flip: bool = False) -> Any:
    """Return a mask of 192x128 px as its bucket of 128x128 px shows it."""
    left, top, right, bottom = box or (32, 0, 160, 128)
    cut = rows[top:bottom, left:right]
    return (cut[:, ::-1] if flip else cut).astype(np.uint8)


def test_a_mask_reaches_the_dataset_file_as_its_bucket_shows_it(project: Project) -> None:
    """`x.mask.png` is no picture: it lies over `x.png`, cropped alike, and is computed once."""
    made_of = project.run().maps()
    again = project.run().maps()

    assert made_of["mask"] == 1
    assert samples(project) == {"a.png", "b.png", "c.png"}
    assert "latents: 3 encoded, 1 masked" in project.said or again == {}
    assert {*masks(project)} == {"a.png"}
    assert np.array_equal(masks(project)["a.png"], fitted(drawn_mask()))
    assert again == {}
    assert not any(row["busy"] for row in project.plan().values())
    assert "latents: up to date" in project.why("b.png")
    other = made(project.folder.parent / "smaller", STAGES.replace("128, step", "64, step"))
    other.run()
    mean = fitted(drawn_mask()).astype(float).reshape(64, 2, 64, 2).mean((1, 3))
    assert np.abs(masks(other)["a.png"] - mean).max() <= 0.5


def test_only_what_a_mask_changes_is_done_again(project: Project) -> None:
    """A new, changed or removed mask costs no latents; without masks all is as it was before."""
    mask = project.images / "a.mask.png"
    kept = mask.read_bytes()
    mask.unlink()
    project.run()
    before = project.results()
    mask.write_bytes(kept)
    assert project.plan()["mask"]["run"] == 1
    new = project.run().maps()
    with_mask = project.results()
    mask.write_bytes(png(drawn_mask(7)))
    changed = project.run().maps()
    assert np.array_equal(masks(project)["a.png"], fitted(drawn_mask(7)))
    mask.unlink()
    assert project.plan()["meta_lat"]["busy"]
    removed = project.run().maps()

    assert (new, changed, removed) == ({"mask": 1}, {"mask": 1}, {})
    assert project.results() == before
    mask.write_bytes(kept)
    assert project.run().maps() == {}
    assert project.results() == with_mask


def test_a_picture_whose_mask_cannot_be_used_does_not_train(project: Project) -> None:
    """It is left out of the dataset file, named at every run with exit code 3, and comes back."""
    colours = np.stack([drawn_mask(seed) for seed in range(3)], -1)
    bad = {
        "d": (png(drawn_mask())[:600], "its mask: the PNG ends too early, after 600 bytes"),
        "e": (b"none", "its mask: not a picture, begins with `6e 6f 6e 65`"),
        "f": (png(colours), ("its mask has colours\n    hint: save it as grey: white trains, "
                             "black does not")),
        "g": (png(drawn_mask(0, (128, 192))),
              "its mask: it is 128x192 px, and the picture 192x128"),
        "h": (png(drawn_mask() * 0), ("its mask hides all of the picture\n    hint: make white "
                                      "what should train, or remove the mask")),
        "i": (png(subject("RGBA")), CLEAR), "j": (png(subject("LA")), CLEAR),
        "k": (file_of(Image.fromarray(drawn_mask().astype(np.uint8) // 128 * 255).convert("P"),
                      transparency=0), CLEAR),
    }  # fmt: skip
    for seed, (name, (data, _)) in enumerate(bad.items(), 3):
        (project.images / f"{name}.png").write_bytes(picture(seed))
        (project.images / f"{name}.mask.png").write_bytes(data)
    for _ in range(2):
        project.run()
        assert project.code == 3
        for name, (_, why) in bad.items():
            assert f"failed: {name}.png: {why}\n" in project.said
        assert samples(project) == {"a.png", "b.png", "c.png"}
        assert {*masks(project)} == {"a.png"}
    for seed, name in enumerate(bad, 3):
        (project.images / f"{name}.mask.png").write_bytes(png(drawn_mask(seed)))

    assert project.run().maps() == {"mask": len(bad)}
    assert project.code == 0
    assert {*masks(project)} == {"a.png", *(f"{name}.png" for name in bad)}
    levels = drawn_mask().astype(np.uint8)
    opaque = np.stack([levels, np.full_like(levels, 255)], -1)
    (project.images / "a.mask.png").write_bytes(png(opaque))

    assert project.run().maps() == {"mask": 1}
    assert np.array_equal(masks(project)["a.png"], fitted(levels))


def test_a_mask_of_no_picture_is_named(project: Project) -> None:
    """One whose picture is gone, and a second one, are told; so is one that is a link."""
    images = project.images
    (images / "a.png").rename(images / "d.png")
    (images / "B.mask.PNG").write_bytes(png(drawn_mask()))
    (images / "b.mask.png").write_bytes(png(drawn_mask()))
    (images / "c.mask.png").symlink_to(images / "b.mask.png")
    project.run()

    assert project.code == 3
    for line in (
        ("a.mask.png: it is a mask, and there is no picture `a.*`: move it away, or give it "
         "another name"),
        "B.mask.PNG: it is a mask, and `b.mask.png` is there already: keep one of the two",
        ("c.png: its mask `c.mask.png`: it is a link: copy the picture itself into the folder"),
    ):  # fmt: skip
        assert f"failed: {line}\n" in project.said
    assert "  5 pictures: 2 good, 0 left out, 3 failed\n" in project.said
    assert samples(project) == {"b.png", "d.png"}
    assert {*masks(project)} == {"b.png"}


def test_a_picture_named_almost_like_a_mask_is_told(
    prep: Callable[..., Any], draw: Callable[..., Path], home: Path
) -> None:
    """One line names the first and what its name would be; they are pictures all the same."""
    for name in ("a", "sub/b", "c", "sub/b.mask", "of_a_mask", "mask", "unmask", "a_masked"):
        draw(f"raw/{name}.png")
    (home / "raw/sub/b.mask.png").rename(home / "raw/sub/b.mask.jpg")
    called = "a mask is called `sub/b.mask.png`\n"
    one = f"  `sub/b.mask.jpg` looks like a mask, and is a picture; {called}"
    told = prep("edit", "raw").out
    assert told.count(one) == 1
    assert told.endswith("  8 pictures: 8 good, 0 left out, 0 failed\n")
    for name in ("sub/B-Mask", "c_mask"):
        draw(f"raw/{name}.png")
    several = "  `c_mask.png` and 2 more look like masks, and are pictures; "
    several += "a mask is called `c.mask.png`\n"

    for words in (
        ("edit", "raw"),
        ("edit", "raw"),
        ("crop", "raw", "cut"),
        ("status", "--in", "raw"),
    ):
        assert prep(*words).out.count(several) == 1
    last = prep("status", "--in", "raw", "--json").out
    assert '["c_mask.png", "sub/B-Mask.png", "sub/b.mask.jpg"]' in last


def with_alpha(seed: int) -> tuple[bytes, Any]:
    """Return a picture of noise with alpha, and its alpha as rows of numbers."""
    alpha = drawn_mask(seed)
    pixels = np.random.default_rng(seed).integers(0, 256, (*alpha.shape, 3))
    return png(np.concatenate([pixels, alpha[..., None]], -1)), alpha


def test_alpha_is_a_mask_where_it_is_asked_for(project: Project) -> None:
    """White is opaque, a mask beside the picture wins; latents stay as they are, asked or not."""
    data, alpha = with_alpha(5)
    clear, _ = with_alpha(6)
    palette = Image.fromarray((drawn_mask(2) // 64).astype(np.uint8), "P")
    palette.putpalette([level for one in range(4) for level in (one * 60,) * 3])
    palette.save(project.images / "c.png", transparency=2)
    (project.images / "b.png").write_bytes(data)
    (project.images / "a.png").write_bytes(clear)
    nothing = np.zeros((128, 192, 4))
    nothing[..., :3] = np.random.default_rng(9).integers(0, 256, (128, 192, 3))
    (project.images / "d.png").write_bytes(png(nothing))
    project.run()
    before, whole = project.results(), samples(project)
    project.replace("latents: {model: tiny}", "latents: {model: tiny, alpha_mask: true}")
    asked = project.run().maps()
    found = masks(project)

    assert asked == {"alpha_mask": 3}
    assert project.code == 3
    assert "failed: d.png: all of it is transparent\n    hint: leave it out, or" in project.said
    assert whole - samples(project) == {"d.png"}
    assert {*found} == {"a.png", "b.png", "c.png"}
    assert np.array_equal(found["a.png"], fitted(drawn_mask()))
    assert np.array_equal(found["b.png"], fitted(alpha))
    assert np.array_equal(found["c.png"], fitted((drawn_mask(2) // 64 != 2) * 255))
    assert project.run().maps() == {}
    project.replace(", alpha_mask: true", "")
    assert project.run().maps() == {}
    assert project.results() == before


def test_a_picture_that_is_opaque_has_no_mask(project: Project) -> None:
    """It is neither counted nor written, nor looked at again, whether or not it has an alpha."""
    data, _ = with_alpha(5)
    opaque = np.concatenate([np.asarray(Image.open(project.images / "c.png")),
                             np.full((128, 192, 1), 255)], -1)  # fmt: skip
    (project.images / "b.png").write_bytes(data)
    (project.images / "c.png").write_bytes(png(opaque))
    for name in "de":  # the same bytes twice
        (project.images / f"{name}.png").write_bytes(picture(3))
    project.replace("latents: {model: tiny}", "latents: {model: tiny, alpha_mask: true}")

    assert project.run().maps()["alpha_mask"] == 3
    assert "latents: 1 masked by their alpha, 5 encoded, 1 masked\n" in project.said
    assert "without a result" not in project.said
    assert project.code == 0
    assert {*masks(project)} == {"a.png", "b.png"}
    assert samples(project) == {f"{name}.png" for name in "abcde"}
    assert len([*(project.images / ".prep/alpha_mask").rglob("*.png")]) == 1
    assert not any(row["busy"] for row in project.plan().values())
    assert "latents: up to date" in project.why("c.png")
    (project.images / "f.png").write_bytes(picture(3))
    assert project.run().maps() == {}  # what was found of the same bytes holds
    (project.images / "d.png").write_bytes(with_alpha(6)[0])
    assert project.run().maps()["alpha_mask"] == 1
    assert {*masks(project)} == {"a.png", "b.png", "d.png"}


def test_fan_outs_carry_masks_and_alpha(tmp_path: Path) -> None:
    """A cut and a mirrored picture have their part of the mask, and of alpha, of their source."""
    project = made(tmp_path / "p", FANNED.replace("tiny}", "tiny, alpha_mask: true}"))
    data, alpha = with_alpha(5)
    (project.folder / "raw/b.png").write_bytes(data)
    project.run()
    found, first = masks(project), project.results()
    cut, flipped = fitted(drawn_mask()), fitted(drawn_mask(), flip=True)

    assert {key[0] for key in found} == {"a", "b"}
    assert np.array_equal(found["a.png@crop.png"], cut)
    assert np.array_equal(found["a.png@crop.png@flip.png"], flipped)
    assert np.array_equal(found["b.png@crop.png"], fitted(alpha))
    assert np.array_equal(found["b.png@crop.png@flip.png"], fitted(alpha, flip=True))
    assert "c.png@crop.png" in samples(project)
    assert not any(name.endswith(".mask.png") for name in first if not name.startswith("raw/"))
    assert project.run().maps() == {}
    mask = project.folder / "raw/a.mask.png"
    kept = mask.read_bytes()
    mask.write_bytes(png(drawn_mask(3)))
    assert project.plan()["mask"]["run"] == 2
    assert project.run().maps() == {"mask": 2}
    new = fitted(drawn_mask(3), flip=True)
    assert np.array_equal(masks(project)["a.png@crop.png@flip.png"], new)
    mask.write_bytes(png(drawn_mask(0, (384, 256))))  # its part would be another one
    project.run()
    told = "failed: a.png@crop.png: its mask: it is 384x256 px, and the picture 192x128\n"
    assert told in project.said
    mask.write_bytes(kept)
    own = project.images / "a.png@crop.png@flip.mask.png"
    own.write_bytes(png(drawn_mask(4, (128, 128))))
    assert project.run().maps() == {"mask": 1}
    mine = masks(project)["a.png@crop.png@flip.png"]
    assert np.array_equal(mine, drawn_mask(4, (128, 128)).astype(np.uint8))
    own.unlink()
    assert project.run().maps() == {}
    cut = project.images / "a.png@crop.png"
    ours = cut.read_bytes()
    cut.write_bytes(picture(8, (128, 256)))  # a person's, in its place
    project.run()
    assert (
        f"failed: {cut.name}: its mask: it is 128x128 px, and the picture 128x256\n" in project.said
    )
    cut.write_bytes(ours)
    project.run()
    project.file.write_text(STAGES.replace("tiny}", "tiny, alpha_mask: true}"))
    (project.folder / "raw").rename(project.folder / "away")
    (project.folder / "cut").rename(project.folder / "away too")

    assert project.run().maps() == {}  # what was taken over before stays
    assert {name: data for name, data in project.results().items() if name in first} == {
        name: data for name, data in first.items() if not name.startswith(("raw/", "cut/", "pipe"))
    } | {"pipelines.yaml": project.file.read_bytes()}
