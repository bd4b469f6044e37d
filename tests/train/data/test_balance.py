"""Regularisation pictures are repeated until they are seen as often as the others."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prep.dataset.dataset_file import Concept, dump, load
from prep.models.locate import Models
from train.data import dataset
from train.data.balance import balanced
from train.methods import config_of
from train.run.check import lines
from train.run.decide import decide


def _by_kohya(repeats: list[int], train: int) -> list[int]:
    """Return how often each picture is seen, by their loop, copied line by line."""
    found = [0] * len(repeats)
    n, first_loop = 0, True
    while n < train:
        for place, count in enumerate(repeats):
            if first_loop:
                found[place] = count
                n += count
            else:
                found[place] += 1
                n += 1
            if n >= train:
                break
        first_loop = False
    return found


@pytest.mark.parametrize(
    ("own", "repeats"), [(10, [1, 1]), (7, [2, 1]), (3, [1, 1, 1]), (3, [1, 1, 4]), (1, [1, 1, 1])]
)
def test_they_are_seen_as_kohya_s_scripts_show_them(
    meta: Path, changed: Callable[..., Path], own: int, repeats: list[int]
) -> None:
    """Each gets its repeats while there is room, then one more in turn; the rest is left out."""
    concepts = {"toy": Concept(repeats=own)}
    concepts |= {f"{n}": Concept(count, regularisation=True) for n, count in enumerate(repeats)}
    changed(meta, concepts=concepts)
    for n in range(len(repeats)):
        changed(meta, f"{n}.png", concept=f"{n}")
    for n in range(len(repeats) + 1, 6):
        changed(meta, f"{n}.png", split="validation")

    before = dataset.load([meta])
    found = balanced(before)

    wanted = _by_kohya(repeats, own)
    seen = [found.samples[f"{n}.png"].repeats for n in range(len(repeats)) if wanted[n]]
    assert seen == [count for count in wanted if count]
    assert found.samples.keys() == {f"{n}.png" for n, count in enumerate([*wanted, own]) if count}
    assert found.spare == wanted.count(0)


def test_check_tells_what_balance_there_is(
    tmp_path: Path, meta: Path, models: Models, changed: Callable[..., Path]
) -> None:
    """How often both kinds are shown and what the class weighs; the recipe is another one.

    A concept's own weight multiplies the weight of all class pictures.
    """
    found = load(meta)
    concepts = {"toy": Concept(4), "reg/toy": Concept(regularisation=True)}
    changed(meta, concepts=concepts)
    for n, weight in ((0, 0.5), (1, 1.0)):
        changed(meta, f"{n}.png", concept="reg/toy", weight=weight)

    def told(**given: object) -> str:
        config = config_of(out=tmp_path / "runs", prior_loss_weight=0.5, **given)  # type: ignore[arg-type]
        each = lines(decide([meta], config, models), {}, 0, {})
        return next(one for one in each if one.startswith("regularisation"))

    start = "regularisation pictures: 2, shown"
    assert told() == f"{start} 2 beside 16 others, weight 0.25 to 0.5"
    assert told(balance_regularisation=True) == f"{start} 16 beside 16 others, weight 0.25 to 0.5"
    runs = [
        decide([meta], config_of(balance_regularisation=on), models).recipe for on in (False, True)
    ]
    assert runs[0] != runs[1]
    meta.write_bytes(dump(found))
    none = balanced(dataset.load([meta]))
    assert none == dataset.load([meta])
