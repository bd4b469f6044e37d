from collections import Counter
from pathlib import Path

import pytest
import torch

from train.data import text_states
from train.data.captions import text_of
from train.data.dataset import TrainingSample
from train.data.text_states import TextCache
from train.methods import config_of


def _training_sample(tags: tuple[str, ...], caption: str = "") -> TrainingSample:
    words = (*tags, caption) if caption else tags
    return TrainingSample(
        digest="0", text=", ".join(words), words=words, num_tags=len(tags), concept="",
        bucket=(8, 8), latents=Path("x"), latents_digest="0", repeats=1, weight=1.0,
    )  # fmt: skip


Conditioning = dict[str, torch.Tensor]
TAGS = ("mascot", "hat", "red", "smile", "tree")


def test_without_shuffle_and_dropout_the_text_is_the_dataset_s() -> None:
    """Nothing is done to a text that nobody asked to change."""
    assert (
        text_of(_training_sample(TAGS, "a, b"), "k", 3, config_of())
        == "mascot, hat, red, smile, tree, a, b"
    )


def test_shuffled_tags_are_the_same_tags() -> None:
    """The first tags stay, the caption stays last, and what lies between takes every order."""
    config = config_of(shuffle_tags=True, keep_tags=2)
    found = [text_of(_training_sample(TAGS, "a, b"), "k", epoch, config) for epoch in range(200)]

    assert all(one.startswith("mascot, hat, ") and one.endswith(", a, b") for one in found)
    middles = Counter(one.removeprefix("mascot, hat, ").removesuffix(", a, b") for one in found)
    assert {tuple(sorted(one.split(", "))) for one in middles} == {("red", "smile", "tree")}
    assert len(middles) == 6
    assert all(15 <= count <= 55 for count in middles.values())


def test_a_text_is_computed_not_carried() -> None:
    """It depends on seed, epoch, key and tags alone."""
    config = config_of(shuffle_tags=True, keep_tags=0)
    texts = {
        (seed, epoch, key): text_of(
            _training_sample(TAGS), key, epoch, config_of(shuffle_tags=True, keep_tags=0, seed=seed)
        )
        for seed in (0, 1)
        for epoch in (0, 1)
        for key in "ab"
    }

    assert len(set(texts.values())) == 8
    assert text_of(_training_sample(TAGS), "a", 0, config) == texts[0, 0, "a"]


def test_a_share_of_texts_is_dropped() -> None:
    """About the share asked for is shown without text: none at 0, all at 1."""
    for share, least, most in ((0.0, 0, 0), (0.25, 200, 300), (1.0, 1000, 1000)):
        config = config_of(caption_dropout=share, shuffle_tags=True)
        empty = sum(
            not text_of(_training_sample(TAGS), f"{n}.png", n % 7, config) for n in range(1000)
        )
        assert least <= empty <= most


def test_variants_are_few_and_come_again() -> None:
    """With N variants a sample has at most N texts, and each epoch one of them."""
    config = config_of(shuffle_tags=True, keep_tags=0, text_variants=3)
    found = Counter(text_of(_training_sample(TAGS), "k", epoch, config) for epoch in range(300))

    assert len(found) == 3
    assert all(60 < count < 140 for count in found.values())


@pytest.mark.parametrize(("learns", "calls"), [(False, [["b", "a"], ["c"]]), (True, None)])
def test_states_are_kept_unless_the_encoder_learns(
    learns: bool, calls: list[list[str]] | None
) -> None:
    """Each text is encoded once, and every time where a text encoder is trained."""
    asked: list[list[str]] = []

    def encode(texts: list[str]) -> list[Conditioning]:
        asked.append(texts)
        return [{"text": torch.full((2, 2), float(ord(one)))} for one in texts]

    states = TextCache(encode, learns)
    first, second = states.of(["b", "a", "b"]), states.of(["a", "c"])

    assert [one["text"][0, 0].item() for one in (*first, *second)] == [98, 97, 98, 97, 99]
    assert asked == (calls or [["b", "a"], ["a", "c"]])


def test_the_oldest_state_goes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """States take no more memory than they may; what was not used longest is encoded again."""
    monkeypatch.setattr(text_states, "_CACHE_BYTES", 32)
    asked: list[str] = []

    def encode(texts: list[str]) -> list[Conditioning]:
        asked.extend(texts)
        return [{"text": torch.ones(4)} for _ in texts]

    states = TextCache(encode)
    for one in ("a", "b", "a", "c", "a", "b"):
        states.of([one])

    assert asked == ["a", "b", "c", "b"]
