"""Which pictures are held out: whole sources, by the seed, never on both sides."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from prep.dataset import dataset_file
from prep.runtime import files
from prep.runtime.errors import ConfigError
from train.data.dataset import Data, load
from train.data.held_out import both_sides, without_held_out
from train.methods import config_of
from train.run.notes import held_out_notes


@pytest.fixture
def family(built_dataset: Callable[..., Path], base: Path, tmp_path: Path) -> Path:
    """A dataset of 12 samples: 4 sources, each cropped and the crop mirrored, and 4 plain."""
    meta = built_dataset(tmp_path / "data", base, 12)
    found = dataset_file.load(meta)
    samples = dict(found.samples)
    for number in range(8):
        root = {"root": "../raw", "key": f"{number // 2}.jpg{'@face.png' * (number % 2)}"}
        samples[f"{number}.png"] = replace(samples[f"{number}.png"], source=root)
    files.write(meta, dataset_file.dump(replace(found, samples=samples)))
    return meta


def _out(data: Data, **given: object) -> set[str]:
    found = without_held_out(data, config_of(**given))
    assert found.samples.keys() | found.validation.keys() == data.samples.keys()
    assert found.samples.keys().isdisjoint(found.validation)
    assert found.held_out == len(found.validation)
    return set(found.validation)


def test_a_source_picture_is_held_out_whole(family: Path) -> None:
    """Of 8 sources as many as were asked for, each with all its variants, whatever the seed."""
    data = load([family])
    pairs = [{f"{n}.png", f"{n + 1}.png"} for n in range(0, 8, 2)]
    seen = set[frozenset[str]]()
    for seed in range(20):
        for wish, count in ((3, 3), (0.25, 2), (0.01, 1)):
            out = _out(data, held_out=wish, held_out_seed=seed)
            whole = [pair for pair in pairs if pair & out]
            assert all(pair <= out for pair in whole)
            assert len(whole) + len(out - set().union(*pairs)) == count
            seen.add(frozenset(out))

    assert len(seen) > 20
    assert _out(data, held_out=3, held_out_seed=7) == _out(data, held_out=3, seed=7)


def test_a_new_name_or_picture_moves_none(family: Path) -> None:
    """The draw is by the pictures' content: renamed ones stay where they were."""
    data = load([family])
    renamed = {f"x{key}": one for key, one in data.samples.items()}

    assert _out(replace(data, samples=renamed), held_out=3) == {
        f"x{key}" for key in _out(data, held_out=3)
    }


def test_copies_and_the_class_stay_together(family: Path) -> None:
    """Two files of the same content are one source; pictures of the class always train."""
    data = load([family])
    copies = {key: replace(one, digest="00") for key, one in data.samples.items() if key > "2"}
    of_class = {"0.png": replace(data.samples["0.png"], regularisation=True)}
    found = replace(data, samples={**data.samples, **copies, **of_class})

    assert _out(found, held_out=1) in ({"1.png"}, {*copies}, {"10.png", "11.png"})
    with pytest.raises(ConfigError) as caught:
        without_held_out(found, config_of(held_out=9))
    assert (str(caught.value), caught.value.hint) == (
        "`--held-out` is 9, and there are 4 source pictures", "hold fewer of them out",
    )  # fmt: skip


def test_a_dataset_file_of_its_own(family: Path, changed: Callable[..., Path]) -> None:
    """All its pictures are held out and the training has its own; one on both sides is refused."""
    other = family.with_name("other.json")
    found = dataset_file.load(family)
    halves = [
        {key: one for key, one in found.samples.items() if (int(key[:-4]) < 4) == first}
        for first in (True, False)
    ]
    files.write(other, dataset_file.dump(replace(found, samples=halves[0])))
    mine = changed(family, samples=halves[1])
    data = load([mine])
    divided = without_held_out(data, config_of(held_out_data=other))

    assert sorted(divided.validation) == [f"other.json/{n}.png" for n in range(4)]
    assert (divided.samples, divided.held_out) == (data.samples, 0)
    files.write(other, dataset_file.dump(replace(found, samples={"a.png": found.samples["5.png"]})))
    with pytest.raises(ConfigError) as caught:
        without_held_out(data, config_of(held_out_data=other))
    assert (str(caught.value), caught.value.hint) == (
        (
            "in `--held-out-data`, and trained on as well or in a variant: 1 picture, the first is "
            "`a.png`"
        ),
        "take it out of one of the two dataset files",
    )


def test_what_was_kept_by_hand_is_looked_at(family: Path, changed: Callable[..., Path]) -> None:
    """A picture kept for validation in the dataset file whose variant trains is named."""
    changed(family, "2.png", split="validation")
    data = load([changed(family, "9.png", split="validation")])

    assert sorted(data.validation) == ["2.png", "9.png"]
    assert both_sides(data) == ["2.png"]
    assert list(held_out_notes(replace(data, held_out=5))) == [
        (
            "kept for validation, and trained on as well or in a variant: 1 picture, whose loss "
            "says little; the first is `2.png`"
        ),
        "kept for validation, and without latents: 3 pictures, whose loss is not measured",
    ]


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"held_out": 2.5}, "`--held-out` is 2.5", "give a share below 1, or a whole number"),
        (
            {"held_out_seed": 1},
            "`--held-out-seed` is given without `--held-out`, which it decides",
            "give that too, or leave it out",
        ),
    ],
)
def test_what_says_nothing_is_refused(given: dict[str, float], message: str, hint: str) -> None:
    """Half a picture, and a seed that decides nothing, are mistakes."""
    with pytest.raises(ConfigError) as caught:
        config_of(**given)

    assert (str(caught.value), caught.value.hint) == (message, hint)
