"""Tests of the judge: a second reader of the five attributes, of another kind than the tagger."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import tinyworld
from benchmarks.tiny_reading import judge_figures
from tinyworld.draw import draw
from tinyworld.training import judge
from tinyworld.training.slices import Plan
from tinyworld.words import attribute_values
from tinyworld.world import WHITE_PAPER, Look, Scene, random_scene

FOLDER = Path(tinyworld.__file__).parent / "models" / "judge"


@pytest.mark.parametrize("words", ["fresh", "held-out"])
def test_the_judge_reads_what_it_never_saw(words: str) -> None:
    """Each attribute is right in 95 % of 48 pictures or more, of held-out combinations as well."""
    found = judge_figures(FOLDER, 48, words)

    assert [figure.name for figure in found] == [
        f"judge, {words}, {name}" for name in attribute_values()
    ]
    assert min(figure.value for figure in found) >= 0.95


def test_the_judge_is_small() -> None:
    """Its weights are float16 and take 300 kB at most."""
    file = FOLDER / judge.FILE

    assert {value.dtype for value in load_file(file).values()} == {torch.float16}
    assert file.stat().st_size <= 300_000


def test_an_answer_is_a_tag_of_each_attribute() -> None:
    """Pictures of any size are answered with one tag of each attribute, each for itself."""
    net = judge.open_judge(FOLDER)
    images = [draw(random_scene(n), n).resize((50 + 90 * n, 64)) for n in range(3)]
    found = judge.judged(net, images)

    assert [judge.judged(net, [image])[0] for image in images] == found
    for answer in found:
        assert list(answer) == list(attribute_values())
        assert all(answer[name] in values for name, values in attribute_values().items())


def test_a_picture_on_paper_has_no_background() -> None:
    """What a picture does not have is no answer to learn: -1; else the place of the value."""
    look = Look("pear", "blue", "top_hat", "scarf")
    scenes = tuple(
        Scene(look, where, "standing", "face", (96, 96)) for where in (WHITE_PAPER, "snow")
    )
    found = {name: places.tolist() for name, places in judge.truths(scenes).items()}

    assert found == {
        "body": [2, 2], "colour": [4, 4], "hat": [3, 3], "accessory": [0, 0],
        "background": [-1, 3],
    }  # fmt: skip


def test_training_again_gives_the_same_file(tmp_path: Path) -> None:
    """The same seed gives the same bytes, whatever torch drew before."""
    plan = Plan(steps=3, rate=1e-3, warmup=2, save_every=2, seed=5)
    judge.train_judge(tmp_path / "one", tmp_path / "a", plan=plan, count=20)
    torch.rand(3)
    judge.train_judge(tmp_path / "two", tmp_path / "b", plan=plan, count=20)

    files = [(tmp_path / name / judge.FILE).read_bytes() for name in "ab"]
    assert files[0] == files[1]
    assert len(files[0]) == (FOLDER / judge.FILE).stat().st_size
