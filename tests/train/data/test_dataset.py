import os
from collections.abc import Callable
from pathlib import Path

import pytest

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Concept
from prep.models import vae
from prep.runtime import files
from prep.runtime.errors import ConfigError, DatasetError, UserError
from train.data import dataset

Change = Callable[..., Path]


def _told(path: Path, kind: type[UserError] = DatasetError) -> tuple[str, str | None]:
    with pytest.raises(kind) as caught:
        dataset.load([path])
    return str(caught.value), caught.value.hint


def test_a_dataset_is_read_whole(meta: Path, changed: Change) -> None:
    """Texts, buckets, repeats and weights arrive as written; validation samples stay out."""
    changed(meta, "0.png", weight=0.5, caption="a toy", text="both")
    changed(meta, "1.png", split="validation")
    changed(meta, concepts={"toy": Concept(repeats=3)})

    found = dataset.load([meta])

    assert sorted(found.samples) == ["0.png", "2.png", "3.png", "4.png", "5.png"]
    assert found.held_out == 1
    assert found.name == "images"
    first = found.samples["0.png"]
    assert (first.text, first.weight, first.repeats, first.bucket) == (
        "mascot, pose 0, a toy", 0.5, 3, (64, 64),
    )  # fmt: skip
    assert first.words == ("mascot", "pose 0", "a toy")
    assert found.repeats() == {
        (32, 64): {"4.png": 3},
        (64, 32): {"2.png": 3, "5.png": 3},
        (64, 64): {"0.png": 3, "3.png": 3},
    }


def test_several_files_train_together(
    tmp_path: Path, base: Path, meta: Path, built_dataset: Callable[..., Path]
) -> None:
    """Samples of a second file keep apart from those of the first, even under the same keys."""
    other = built_dataset(tmp_path / "other", base, 2)

    found = dataset.load([meta, other])

    assert len(found.samples) == 8
    assert found.samples["2/0.png"].latents.is_relative_to(tmp_path / "other")


def test_one_file_named_twice_is_a_mistake(meta: Path) -> None:
    """The same dataset twice is said, not trained on doubly."""
    with pytest.raises(ConfigError, match=r"^one dataset file is named twice$"):
        dataset.load([meta, meta.parent / "images" / ".." / meta.name])


def test_no_samples(meta: Path, changed: Change) -> None:
    """A dataset without samples, or with all of them held out, is two lines."""
    changed(meta, concepts={"toy": Concept(repeats=0)})
    assert _told(meta) == (
        "`meta_lat.json` has no samples to train on",
        "every sample is kept for validation, or its concept has no repeats",
    )
    changed(meta, samples={})
    assert _told(meta) == (
        "`meta_lat.json` has no samples to train on",
        "run the stages before it: `prep run`",
    )


def test_samples_without_latents(meta: Path, changed: Change) -> None:
    """Samples that have no latents are counted, and the command that makes them is named."""
    changed(meta, "1.png", latents=None)

    assert _told(meta) == (
        "there are no latents of 1 of 6 samples of `meta_lat.json`, the first is `1.png`",
        "make them with `prep latents meta_bucket.json`",
    )


def test_a_bucket_file_in_place_of_a_latents_file(meta: Path, changed: Change) -> None:
    """Given the file of the stage before, the stage that is missing is named."""
    other = meta.rename(meta.with_name("meta_bucket.json"))
    changed(other, vae=None)

    assert _told(other) == (
        "there are no latents of 6 of 6 samples of `meta_bucket.json`",
        "make them with `prep latents meta_bucket.json`",
    )


def test_latents_that_are_gone(meta: Path) -> None:
    """Missing latents are counted; nothing is trained on the rest."""
    for number in (2, 4):
        (meta.parent / f"images/.prep/latents/{number}.safetensors").unlink()

    assert _told(meta) == (
        "the latents of 2 of 6 samples of `meta_lat.json` are missing, the first is `2.png`",
        "make them again with `prep latents meta_bucket.json`",
    )


def test_latents_that_are_torn(meta: Path) -> None:
    """Row 51: a latents file cut short is named before training begins."""
    path = meta.parent / "images/.prep/latents/2.safetensors"
    path.write_bytes(path.read_bytes()[:-1])

    assert _told(meta) == (
        "the latents of `2.png` are damaged",
        "make them again with `prep latents meta_bucket.json`",
    )


def _as_prep_names_it(meta: Path, changed: Change, data_of: bytes) -> Path:
    """Give the latents of 2.png the bytes, under the name that prep gives those."""
    name = f"latents/{files.digest_bytes(data_of)[:32]}.safetensors"
    path = meta.parent / "images/.prep" / name
    path.write_bytes(data_of)
    changed(meta, "2.png", latents=name)
    return path


def test_one_flipped_bit_in_latents(meta: Path, changed: Change) -> None:
    """Case E4: whichever bit differs, the picture, the file and the command are named."""
    whole = (meta.parent / "images/.prep/latents/2.safetensors").read_bytes()
    path = _as_prep_names_it(meta, changed, whole)
    dataset.load([meta])
    for bit in range(0, 8 * len(whole), 1201):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert _told(meta) == (
            f"the latents of `2.png` in `meta_lat.json` are damaged: `{os.path.relpath(path)}`",
            "make them again with `prep latents meta_bucket.json`",
        )


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_latents_without_numbers(meta: Path, changed: Change, dtype: str, number: float) -> None:
    """Case E4: NaN and infinite numbers are found before training, and what to do is said."""
    found = vae.load(meta.parent / "images/.prep/latents/2.safetensors")
    found.logvar[0, 1, 1] = number
    path = _as_prep_names_it(meta, changed, vae.dump(found, dtype))

    what = "the latents of `2.png` in `meta_lat.json` hold numbers that are not finite"
    assert _told(meta) == (
        f"{what}: `{os.path.relpath(path)}`",
        "delete that file, then make them again with `prep latents meta_bucket.json`",
    )


def test_latents_that_change_during_the_training(meta: Path) -> None:
    """Case E4: bytes that are not those that were looked at are never trained on."""
    sample = dataset.load([meta]).samples["2.png"]
    vae.load(sample.latents, sample.latents_digest)
    sample.latents.write_bytes(sample.latents.read_bytes()[:-1] + b"\x01")

    with pytest.raises(DatasetError, match="it changed during the training"):
        vae.load(sample.latents, sample.latents_digest)


def test_latents_of_another_size(meta: Path) -> None:
    """Latents that are not those of the sample's bucket are refused."""
    folder = meta.parent / "images/.prep/latents"
    (folder / "0.safetensors").write_bytes((folder / "1.safetensors").read_bytes())

    assert _told(meta) == (
        "the latents of `0.png` have the shape (4, 8, 4), its bucket asks for (4, 8, 8)",
        "make them again with `prep latents meta_bucket.json`",
    )


def test_all_texts_empty(meta: Path, changed: Change) -> None:
    """A dataset in which nothing says what a picture shows is refused."""
    changed(meta, concepts={"toy": Concept()})
    for number in range(6):
        changed(meta, f"{number}.png", text="caption")

    assert _told(meta) == (
        "none of the 6 samples of `meta_lat.json` has a text",
        "run `prep tag` or `prep caption`, or set `text` to the one that is there",
    )


def test_a_concept_that_is_not_described(meta: Path, changed: Change) -> None:
    """A misspelt concept is met with the nearest one."""
    changed(meta, "3.png", concept="toi")

    assert _told(meta) == (
        "`meta_lat.json`: the concept `toi` of `3.png` is not described",
        "did you mean `toy`?",
    )


def test_a_path_out_of_the_folder(meta: Path) -> None:
    """Row 92: latents with `..` in their path are refused, wherever they lead."""
    text = meta.read_text().replace("latents/3.safetensors", "../../meta_lat.json")
    files.write(meta, text.encode())

    assert _told(meta)[0] == (
        "`meta_lat.json`: the path `../../meta_lat.json` leads out of the dataset"
    )


def test_a_link_out_of_the_folder(meta: Path, tmp_path: Path) -> None:
    """Row 93: latents that are a link out of the state folder are refused."""
    path = meta.parent / "images/.prep/latents/3.safetensors"
    outside = path.rename(tmp_path / "outside.safetensors")
    path.symlink_to(outside)

    assert _told(meta)[0].startswith("`latents/3.safetensors` leads out of")


def test_content_says_all_that_decides(meta: Path, changed: Change) -> None:
    """Tags, weight and the bytes of latents are in the content; the root's place is not."""
    before = dataset.load([meta]).content()
    moved = meta.parent.rename(meta.parent.with_name("elsewhere")) / meta.name

    assert dataset.load([moved]).content() == before
    changed(moved, "0.png", tags=("other",))
    assert dataset.load([moved]).content()["0.png"] != before["0.png"]
    assert dataset_file.load(moved).samples["0.png"].tags == ("other",)
    changed(moved, concepts={"toy": Concept(trigger="mascot", regularisation=True)})
    assert dataset.load([moved]).content()["1.png"] != before["1.png"]


def test_a_lora_given_as_a_dataset(tmp_path: Path) -> None:
    """A file of weights in the dataset's place is told as one, with what belongs there."""
    with pytest.raises(DatasetError) as caught:
        dataset.load([tmp_path / "toy.safetensors"])

    assert (str(caught.value), caught.value.hint) == (
        f"`{tmp_path / 'toy.safetensors'}` is a file of weights, not a dataset",
        (
            "name the file that `prep latents` wrote, `meta_lat.json`; "
            "a base model goes after `--base`"
        ),
    )
