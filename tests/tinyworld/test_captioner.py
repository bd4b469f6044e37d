"""Tests of the tiny captioner: a BLIP folder that says what it was never shown."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import tinyworld
from benchmarks.tiny_reading import captioner_figures
from tinyworld.draw import draw
from tinyworld.pictures import PICTURES
from tinyworld.training.captioner_files import vocabulary
from tinyworld.training.slices import Plan
from tinyworld.training.tiny_captioner import caption_ids, misled, train_captioner
from tinyworld.words import ATTRIBUTES, caption, words
from tinyworld.world import random_scene

FOLDER = Path(tinyworld.__file__).parent / "models" / "captioner"


def test_a_caption_names_all_that_was_never_seen() -> None:
    """All five attributes are named, and rightly, in 90 % of 48 pictures of 96 to 640 px."""
    found = {figure.name: figure for figure in captioner_figures("tiny", 48, "fresh")}

    assert [name.removeprefix("captioner, fresh, ") for name in found] == [
        *ATTRIBUTES, "all five", "every word",
    ]  # fmt: skip
    assert found["captioner, fresh, all five"].value >= 0.9


def test_what_was_seen_apart_is_named_together() -> None:
    """Of held-out combinations, the mascot's among them, each attribute is right in 85 %."""
    found = captioner_figures("tiny", 48, "held-out")

    assert min(figure.value for figure in found[: len(ATTRIBUTES)]) >= 0.85


def test_transformers_opens_the_folder() -> None:
    """No weight is missing or unknown, and the processor gives squares of 64 px."""
    from transformers import BlipForConditionalGeneration, BlipProcessor

    processor: Any = BlipProcessor.from_pretrained(FOLDER, local_files_only=True)
    loaded: Any = BlipForConditionalGeneration.from_pretrained(
        FOLDER, output_loading_info=True, local_files_only=True, dtype=torch.float32
    )
    model, told = loaded
    inputs = processor(images=[draw(one.scene, 0) for one in PICTURES[:3]], return_tensors="pt")
    tokens = model.generate(**inputs, max_new_tokens=30, do_sample=False)

    assert told["missing_keys"] == told["unexpected_keys"] == set()
    assert inputs["pixel_values"].shape == (3, 3, 64, 64)
    said = processor.batch_decode(tokens, skip_special_tokens=True)
    assert all(text.startswith("a ") and " mascot with " in text for text in said)


def test_the_folder_is_small_and_whole() -> None:
    """It has a hub folder's files; the weights are float16 and take 1.5 MB at most."""
    assert sorted(path.name for path in FOLDER.iterdir()) == [
        "config.json", "generation_config.json", "model.safetensors", "preprocessor_config.json",
        "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt",
    ]  # fmt: skip
    weights = load_file(FOLDER / "model.safetensors").values()
    assert {value.dtype for value in weights if value.is_floating_point()} == {torch.float16}
    assert (FOLDER / "model.safetensors").stat().st_size <= 1_500_000
    assert (FOLDER / "vocab.txt").read_text(encoding="utf-8").splitlines() == vocabulary()


def test_what_is_learnt_is_the_caption() -> None:
    """The ids of a caption, read by the captioner's own tokenizer, are `words.caption` again."""
    from transformers import BlipProcessor

    processor: Any = BlipProcessor.from_pretrained(FOLDER, local_files_only=True)
    scenes = [random_scene(number) for number in range(40)]
    ids = caption_ids(scenes)
    dec, sep = len(vocabulary()), vocabulary().index("[SEP]")

    tokenizer = processor.tokenizer
    assert set(ids[:, 0].tolist()) == {dec}
    for row, scene in zip(ids.tolist(), scenes, strict=True):
        inner = row[1 : row.index(sep)]
        assert tokenizer.decode(inner) == caption(scene)
        assert tokenizer(caption(scene))["input_ids"][1:-1] == inner
        assert set(row[row.index(sep) + 1 :]) <= {0}


def test_only_names_are_misled() -> None:
    """About three in ten words that name something name something else; no other word changes."""
    said = caption_ids([random_scene(number) for number in range(300)])
    given = misled(said, torch.Generator().manual_seed(1))
    pieces = [*vocabulary(), "[DEC]"]
    changed = said != given
    before = {pieces[number] for number in said[changed].tolist()}
    after = {pieces[number] for number in given[changed].tolist()}

    assert before == after
    assert before.isdisjoint({"a", "mascot", "with", "fur", "and", "hat", "in", "at", "[SEP]"})
    assert {"round", "coral", "sprout", "scarf", "snow", "waving"} <= before
    assert before <= set(words())
    naming = torch.isin(said, torch.tensor([pieces.index(word) for word in sorted(before)]))
    assert changed.sum() / naming.sum() == pytest.approx(0.3 * (1 - 1 / len(before)), abs=0.03)


def test_training_again_gives_the_same_file(tmp_path: Path) -> None:
    """The same seed gives the same bytes, whatever torch drew before."""
    plan = Plan(steps=2, rate=1e-3, warmup=2, save_every=2, seed=5)
    train_captioner(tmp_path / "one", tmp_path / "a", plan=plan, count=20)
    torch.rand(3)
    train_captioner(tmp_path / "two", tmp_path / "b", plan=plan, count=20)

    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()
