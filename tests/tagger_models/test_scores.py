from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import render
from tagger_models.labels.label import Label
from tagger_models.scores import FLOOR, columns, kept, packed, unpacked

scores = st.lists(
    st.tuples(st.integers(0, (1 << 32) - 1), st.floats(0, 1, width=16)),
    unique_by=lambda pair: pair[0],
)


@given(scores)
def test_scores_are_read_as_they_were_kept(kept: list[tuple[int, float]]) -> None:
    """Label ids of 32 bits and float16 probabilities come back exactly, as pairs and as columns."""
    data = packed(kept)
    ids, values = columns(data)

    assert unpacked(data) == kept == list(zip(ids.tolist(), values.tolist(), strict=True))
    assert (ids.dtype, values.dtype) == (np.uint32, np.float16)
    assert len(data) == 6 * len(kept)


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=40))
def test_what_a_model_answers_is_kept_as_it_is_packed(answers: list[float]) -> None:
    """Scores from the floor on, and ratings however small, are rounded as each alone would be."""
    labels = [Label("rating", "rating"), *[Label(f"tag {n}", "general") for n in answers[1:]]]
    pairs = [(n, value) for n, value in enumerate(answers) if not n or value >= np.float32(FLOOR)]

    assert kept(labels, np.array([answers], np.float32)) == [packed(pairs)]


def test_a_vocabulary_may_be_larger_than_16_bits() -> None:
    """The 70,527 labels of Camie are told apart."""
    assert unpacked(packed([(70_526, 0.5), (70_526 - 65_536, 0.25)])) == [
        (70_526, 0.5), (4_990, 0.25),
    ]  # fmt: skip


def test_ten_thousand_pictures_take_less_than_60_megabytes(tmp_path: Path) -> None:
    """A tenth of them in a ledger, index and all, with the heavy scores of the benchmark."""
    count = 1000

    assert render.weighed(tmp_path / "ledger", count) * 10_000 <= render.MOST_BYTES * count


def test_the_drawn_scores_are_skewed_as_they_say() -> None:
    """The benchmark's pictures: 691 labels over the floor, 40 of them over a usual threshold."""
    pictures = [[s for _, s in unpacked(render.scores(n))][4:] for n in range(200)]

    assert 660 < np.mean([len(each) for each in pictures]) < 720
    assert 37 < np.mean([sum(s >= 0.2614 for s in each) for each in pictures]) < 43
