"""Which pairs of pictures are looked at: against products worked out one by one."""

from itertools import pairwise

import numpy as np
from PIL import ImageOps

from prep.likeness.alike import LEAST
from prep.likeness.appearance import (
    CELLS,
    INSIDE,
    LENGTH,
    NUM_PARTS,
    inside_of,
    part,
    size_of,
    unpacked,
    vectors,
)
from prep.likeness.area import ALL
from prep.likeness.candidates import Candidate, candidates
from prep.likeness.index import Index
from tests.prep.likeness import changed
from tests.prep.likeness.changed import drawn, kept


def test_a_vector_is_the_grey_of_a_part() -> None:
    """Each one is what a mean over the cells of its part gives, within a level of rounding."""
    image = drawn()
    found = vectors(kept(image))
    grey = np.asarray(image.convert("L"), float)
    for place in (0, 8, 24, 45):
        left, top, right, bottom = part(place)
        rows = np.linspace(top, bottom, CELLS + 1) * image.height
        columns = np.linspace(left, right, CELLS + 1) * image.width
        cells = np.array([
            [grey[round(y) : round(b), round(x) : round(r)].mean() for x, r in pairwise(columns)]
            for y, b in pairwise(rows)
        ])  # fmt: skip
        away = (cells - cells.mean()).ravel()
        alike = away @ found[place] / np.linalg.norm(away) / np.linalg.norm(found[place])
        assert alike > 0.995, place

    assert np.allclose(np.linalg.norm(found.astype(float), axis=1), LENGTH, rtol=0.03)


def test_what_is_kept_comes_back() -> None:
    """Size, what is inside of a border, and a copy no larger than is kept."""
    data = kept(changed.bordered(drawn()))

    assert size_of(data) == (520, 400)
    assert np.allclose(inside_of(data), (20 / 520, 20 / 400, 500 / 520, 380 / 400), atol=0.01)
    assert unpacked(data).copy.size == (256, 197)
    assert inside_of(kept(drawn())) == ALL


def test_pairs_are_those_whose_products_are_large() -> None:
    """Of ten pictures and a copy of each, the pairs are the ones that a plain loop finds."""
    pictures = [drawn(seed, (120, 90)) for seed in range(10)]
    changes = [
        changed.half,
        changed.jpeg,
        ImageOps.mirror,
        lambda image: image.crop((9, 5, 110, 85)),
    ]
    copies = [changes[seed % 4](image) for seed, image in enumerate(pictures)]
    data = [kept(image) for image in pictures + copies]
    table = np.stack([vectors(each) for each in data])
    own = table.astype(int)
    mirrored = own.reshape(len(own), NUM_PARTS, CELLS, CELLS)[..., ::-1].reshape(own.shape)

    expected = set()
    for a in range(len(own)):
        for b in range(len(own)):
            ends = own[b][[0, INSIDE]]
            products = [own[b] @ own[a][0], *(ends @ each for each in (
                own[a][INSIDE], mirrored[a][0], mirrored[a][INSIDE]
            ))]  # fmt: skip
            if a != b and max(map(np.max, products)) >= LEAST * LENGTH**2:
                expected.add((min(a, b), max(a, b)))

    found = [tuple(sorted((pair.inner, pair.outer))) for pair in _candidates(data)]
    assert found == sorted(expected)
    assert {(n, n + 10) for n in range(10)} <= expected


def test_of_very_many_pictures_an_index_finds_the_copies() -> None:
    """Each of thirty pictures finds its copy as it does among few, in both orders of them."""
    changes = (changed.half, changed.jpeg, ImageOps.mirror, changed.cropped, changed.bordered)
    pictures = [drawn(seed) for seed in range(30)]
    copies = [changes[seed % 5](image) for seed, image in enumerate(pictures)]
    data = [kept(image) for image in pictures + copies]
    with_all = {(pair.inner, pair.outer): pair for pair in _candidates(data)}
    found = {(pair.inner, pair.outer): pair for pair in _candidates(data, index=True)}
    back = [(59 - pair.inner, 59 - pair.outer) for pair in _candidates(data[::-1], index=True)]

    assert {(n, n + 30) for n in range(30)} <= {tuple(sorted(pair)) for pair in found}
    assert found.items() <= with_all.items()
    assert {tuple(sorted(pair)) for pair in back} == {tuple(sorted(pair)) for pair in found}


def test_the_work_for_a_picture_is_bounded() -> None:
    """Where thousands of vectors are nearly one, no vector is compared with more than a few."""
    dice = np.random.default_rng(0)
    one = dice.integers(-30, 30, CELLS**2)
    rows = (one + dice.integers(-1, 2, (4000, CELLS**2))).astype(np.int8)
    places, found = Index(rows).near(rows)

    assert np.bincount(places).max() <= 8 * 32
    assert len(found) > 4000


def _candidates(data: list[bytes], *, index: bool = False) -> list[Candidate]:
    table = np.stack([vectors(each) for each in data])
    inside = {n: area for n, each in enumerate(data) if (area := inside_of(each)) != ALL}
    ends = np.ascontiguousarray(table[:, [0, INSIDE]])

    def read(places: range) -> np.ndarray:
        return table[places.start : places.stop]

    return list(candidates(ends, inside, read, index=index))
