"""Tests of what the readers learn from: drawings on canvases, and views of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tinyworld.draw import draw
from tinyworld.training.canvases import CANVAS, Drawings, drawings, on_canvas
from tinyworld.training.views import covered, spoilt, views
from tinyworld.words import character_tags
from tinyworld.world import WHITE_PAPER, held_out, random_scene


def dice(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Drawings:
    return drawings(tmp_path_factory.mktemp("pictures"), 120)


def test_a_canvas_holds_the_whole_drawing(found: Drawings) -> None:
    """A drawing lies in the middle of its white square, its longer side as long as the square."""
    for number in range(30):
        scene = random_scene(number)
        width, height = (round(side * 80 / max(scene.size)) for side in scene.size)
        wanted = np.full((80, 80, 3), 255, np.uint8)
        top, left = (80 - height) // 2, (80 - width) // 2
        picture = np.asarray(draw(replace(scene, size=(width, height)), number))
        wanted[top : top + height, left : left + width] = picture

        assert CANVAS == 80
        assert np.array_equal(on_canvas(number), wanted)
        assert np.array_equal(found.canvases[number], wanted)
    assert len({random_scene(number).size for number in range(30)}) == 5


def test_nothing_held_out_is_learnt_from(found: Drawings) -> None:
    """No drawing to learn from is of a combination that is held out."""
    assert len(found.scenes) == len(found.canvases) == 120
    assert not any(held_out(scene.look, scene.background) for scene in found.scenes)


def test_drawings_are_kept(tmp_path: Path) -> None:
    """A second call reads the file of the first; a half-written one is no file."""
    drawings(tmp_path, 3)
    kept = tmp_path / "canvases-3.npy"
    assert list(tmp_path.iterdir()) == [kept]
    np.save(kept, np.zeros((3, 80, 80, 3), np.uint8))

    assert not np.asarray(drawings(tmp_path, 3).canvases).any()


def test_rare_drawings_are_chosen_oftener(found: Drawings) -> None:
    """White paper and characters are chosen 2.5 times as often as another drawing."""
    numbers = found.chosen(40_000, dice())
    rare = {
        number
        for number, scene in enumerate(found.scenes)
        if scene.background == WHITE_PAPER or character_tags(scene)
    }
    often = sum(number in rare for number in numbers) / len(rare)
    seldom = sum(number not in rare for number in numbers) / (120 - len(rare))

    assert 4 <= len(rare) <= 30
    assert often / seldom == pytest.approx(2.5, rel=0.05)


def test_a_view_is_the_picture_or_its_white_square(found: Drawings) -> None:
    """Squashed, a tall picture fills its view; else its white border stays beside it."""
    tall = [n for n, scene in enumerate(found.scenes) if scene.size == (96, 160)]
    dark = [n for n in tall if found.scenes[n].background == "night"][:3]
    edges = {
        squash: views(found, dark, 64, squash, dice())[..., 20:44, :3].mean().item()
        for squash in (True, False)
    }

    assert dark
    assert edges[True] < 0.6
    assert edges[False] > 0.95


def test_views_are_of_the_same_picture(found: Drawings) -> None:
    """On average over its views, a picture keeps its colours: nothing else is shown."""
    seen = views(found, [5] * 64, 64, False, dice()).mean((0, 2, 3))
    plain = torch.from_numpy(found.canvases[5] / 255).mean((0, 1))

    assert torch.allclose(seen.double(), plain, atol=0.05)


def test_what_covers_a_picture_is_counted(found: Drawings) -> None:
    """The share that belongs to the picture before is the share of pixels that changed."""
    paper = torch.arange(8.0)[:, None, None, None].expand(8, 3, 64, 64)
    seen, other = covered(paper, dice(), share=0.5)
    changed = (seen != paper).all(1).float().mean((1, 2))

    assert torch.equal(changed, other)
    assert 0 < (other > 0).float().mean() < 1
    assert other.max() <= 0.26
    for number in range(8):
        assert set(seen[number].flatten().tolist()) <= {number, (number - 1) % 8}


def test_a_spoilt_picture_can_still_be_seen(found: Drawings) -> None:
    """Each is changed, none beyond recognition: it stays most like the picture it was."""
    plain = views(found, list(range(24)), 64, False, dice())
    seen = spoilt(plain, dice(2))
    far = (seen[:, None] - plain[None]).square().mean((2, 3, 4))

    assert seen.shape == plain.shape
    assert not torch.equal(seen, plain)
    assert (far.argmin(1) == torch.arange(24)).float().mean() > 0.9


def test_views_follow_from_the_dice(found: Drawings) -> None:
    """The same seed gives the same views, to the bit, and another seed gives others."""

    def seen(seed: int) -> torch.Tensor:
        own = dice(seed)
        batch, _ = covered(views(found, list(range(16)), 64, True, own), own, 0.5)
        return spoilt(batch, own)

    first = seen(3)
    torch.rand(7)
    assert torch.equal(first, seen(3))
    assert not torch.equal(first, seen(4))
