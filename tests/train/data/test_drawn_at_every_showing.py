"""Shuffled tags and dropped captions: drawn anew each time a sample is shown."""

import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import pytest
import torch

from prep.dataset.dataset_file import Concept
from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from tests.train.runs import lora, new_console, steps
from train.data import dataset
from train.data.batches import Batches
from train.data.captions import text_of
from train.data.dataset import TrainingSample
from train.data.order import Showing, nth_of, step_order
from train.families.diffusion_process import Diffusion
from train.families.noise_process import Prediction
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.run import recipe_versions
from train.run.decide import program_version

TAGS = ("mascot", "hat", "red", "smile", "tree")
LESSON = TrainingSample(
    digest="0", text=", ".join(TAGS), words=TAGS, num_tags=5, concept="",
    bucket=(8, 8), latents=Path("x"), latents_digest="0", repeats=10, weight=1.0,
)  # fmt: skip


def test_200_showings_have_more_texts_than_epochs() -> None:
    """Case F7: twenty epochs of ten repeats shuffle 200 times, not twenty."""
    config = config_of(shuffle_tags=True, keep_tags=0)
    texts = [text_of(LESSON, "a.png", n // 10, config, n % 10) for n in range(200)]

    assert len(set(texts)) > 80  # of 120 orders, 97 are met in the mean
    assert {tuple(sorted(one.split(", "))) for one in texts} == {tuple(sorted(TAGS))}


def test_a_share_of_showings_has_no_text() -> None:
    """Case F7: in one epoch of many repeats about the share that was asked for is dropped."""
    config = config_of(caption_dropout=0.25)
    texts = Counter(text_of(LESSON, "a.png", 0, config, nth) for nth in range(1000))

    assert 200 <= texts[""] <= 300


def test_few_variants_stay_few() -> None:
    """Case F7: with N variants all showings of all epochs have at most N texts."""
    config = config_of(shuffle_tags=True, keep_tags=0, text_variants=3)
    texts = Counter(text_of(LESSON, "a", n // 10, config, n % 10) for n in range(300))

    assert len(texts) == 3
    assert all(60 < count < 140 for count in texts.values())


def test_the_first_showing_is_drawn_as_it_ever_was() -> None:
    """Case F7: where nothing is repeated, a run keeps the texts of the version before."""
    config = config_of(shuffle_tags=True, keep_tags=1, caption_dropout=0.2, seed=3)

    assert [text_of(LESSON, "a.png", epoch, config) for epoch in range(4)] == [
        "mascot, red, tree, hat, smile",
        "",
        "mascot, red, hat, smile, tree",
        "mascot, hat, red, tree, smile",
    ]


def test_an_epoch_counts_the_showings_of_each_sample() -> None:
    """Case F7: the order says which showing of a sample each one is, and keys are keys still."""
    order = islice(step_order({(8, 8): {"a": 3, "b": 1}}, 2, 1, 0), 2)
    shown = [key for (keys,) in order for key in keys]

    assert sorted((str(key), nth_of(key)) for key in shown) == [
        ("a", 0), ("a", 1), ("a", 2), ("b", 0),
    ]  # fmt: skip
    assert Counter(shown) == {"a": 3, "b": 1}
    assert nth_of("a") == 0


@pytest.fixture
def repeated(meta: Path, changed: Callable[..., Path]) -> Path:
    """The dataset with four repeats of each sample, and tags enough to shuffle."""
    for number in range(6):
        changed(meta, f"{number}.png", tags=TAGS)
    return changed(meta, concepts={"toy": Concept(repeats=4)})


def test_a_feed_shows_what_text_of_says(repeated: Path) -> None:
    """Case F7: a key in the order is drawn for as a plain key: its type enters no seed."""
    config = config_of(shuffle_tags=True, keep_tags=0, batch=1)
    batches = Batches(dataset.load([repeated]), config, 1.0, 0.0)
    order = [*chain(*islice(step_order(batches.data.repeats(), 1, 1, 0), 24))]
    process = Diffusion(torch.linspace(0.99, 0.01, 1000), Prediction.EPSILON)
    texts = [
        batches.batch(keys, step, 0, range(1), process).texts[0] for step, keys in enumerate(order)
    ]

    sample = batches.data.samples["0.png"]
    assert [
        text for (key,), text in zip(order, texts, strict=True) if key == "0.png"
    ] == [
        text_of(sample, "0.png", 0, config, nth_of(key)) for (key,) in order if key == "0.png"
    ]  # fmt: skip
    assert len(set(texts)) > 12


def test_stopped_and_resumed_it_is_the_same_run(
    repeated: Path, tmp_path: Path, models: Models
) -> None:
    """Case F7: stopped in the middle of an epoch, the same texts follow: equal bytes."""
    more = {"shuffle_tags": True, "keep_tags": 0, "caption_dropout": 0.3}
    whole = lora(repeated, tmp_path / "whole", models, new_console(), **more, steps=7)
    first = lora(repeated, tmp_path / "cut", models, new_console(), **more, steps=3)
    first.unlink()

    second = lora(repeated, tmp_path / "cut", models, new_console(), **more, steps=7)

    assert second == first
    assert steps(second) == [1, 2, 3, 4, 5, 6, 7]
    assert second.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("given", "repeats", "newer"),
    [
        ({}, 4, False),
        ({"shuffle_tags": True}, 1, False),
        ({"shuffle_tags": True}, 4, True),
        ({"caption_dropout": 0.1}, 4, True),
        ({"clip_skip": 2}, 4, False),
        ({"clip_skip": 2, "text_encoder": True}, 1, True),
    ],
)
def test_only_what_changed_is_another_run(
    meta: Path, given: dict[str, object], repeats: int, newer: bool
) -> None:
    """Case F7: runs whose bits stay keep their recipe; the others are known as newer ones."""
    found = dataset.load([meta])
    samples = {key: replace(one, repeats=repeats) for key, one in found.samples.items()}

    config = config_of(**given)  # type: ignore[arg-type]
    version = recipe_versions.version_of(config, replace(found, samples=samples), FAMILY, 1)

    assert version == (3 if newer else 2)


def test_a_run_of_the_version_before_is_refused(
    repeated: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case F7: stopped before the change, a run is neither begun anew in silence nor gone on with.

    Another name, or the folder moved away, begins a new one.
    """
    more = {"shuffle_tags": True, "name": "toy"}
    with monkeypatch.context() as before:
        before.setattr(recipe_versions, "_is_newer", lambda config, data: False)
        old = lora(repeated, tmp_path / "runs", models, new_console(), **more, steps=1)
    old.unlink()

    with pytest.raises(ConfigError) as caught:
        lora(repeated, tmp_path / "runs", models, new_console(), **more, steps=2)

    assert str(caught.value) == (
        f"`{old.parent}`, stopped after step 1, was begun by another version of this program, "
        "which showed other texts or trained other weights"
    )
    assert caught.value.hint == (
        f"finish it with version {program_version()}, or begin a new run: give another `--name`, "
        "or move that folder away"
    )
    with pytest.raises(ConfigError, match=r"is another run: the program differs$"):
        lora(repeated, tmp_path, models, new_console(), **more, steps=2, resume=old.parent)
    shutil.move(old.parent, tmp_path / "away")
    made = lora(repeated, tmp_path / "runs", models, new_console(), **more, steps=2)
    assert steps(made) == [1, 2]


def test_a_showing_is_its_key() -> None:
    """Case F7: a showing looks, compares and hashes as the key it is of."""
    one = Showing("a.png", 3)

    assert (one, str(one), hash(one), f"{one}") == ("a.png", "a.png", hash("a.png"), "a.png")
    assert type(str(one)) is str
