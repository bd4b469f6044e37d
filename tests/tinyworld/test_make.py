"""Tests of the stand-in models: real formats, loaded by the real libraries, the same each time."""

import csv
import hashlib
import json
import struct
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from safetensors.torch import load_file

import tinyworld
from tinyworld.draw import draw
from tinyworld.make import make_models
from tinyworld.pictures import PICTURES
from tinyworld.tensors import write_tensors
from tinyworld.vocabulary import clip_vocabulary, merges_for
from tinyworld.world import MASCOT, Scene, words

MODELS = Path(tinyworld.__file__).parent / "models"


def digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.fixture(scope="module")
def remade(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("models")
    make_models(folder)
    return folder


def test_making_is_repeatable(remade: Path, tmp_path: Path) -> None:
    """The same seed gives the same bytes of every file, whatever torch drew before."""
    torch.rand(3)
    make_models(tmp_path)

    assert digests(tmp_path) == digests(remade)


def test_the_committed_models_are_the_made_ones(remade: Path) -> None:
    """The package holds exactly the files that `make` writes; text to the byte."""
    committed, made = digests(MODELS), digests(remade)

    assert sorted(committed) == sorted(made)
    for name in committed:
        if not name.endswith((".safetensors", ".onnx", "config.json")):  # weights, versions
            assert committed[name] == made[name], name
        if name.endswith(".safetensors"):
            ours, theirs = load_file(MODELS / name), load_file(remade / name)
            assert list(ours) == list(theirs)
            # Another CPU may round a random number to the next bfloat16.
            assert all(torch.allclose(ours[key], theirs[key], 0.01, 1e-6) for key in ours), name


def test_the_models_are_small() -> None:
    """All of them together take less than 8 MB, and less than 4 MB compressed."""
    import zlib

    data = [path.read_bytes() for path in MODELS.rglob("*") if path.is_file()]

    assert sum(map(len, data)) < 8_000_000
    assert sum(len(zlib.compress(each)) for each in data) < 4_000_000


def test_tensor_files_are_sorted_and_whole(tmp_path: Path) -> None:
    """A tensor file has its header sorted by width and name, and safetensors reads it back."""
    arrays = {
        "b": np.arange(6, dtype=np.float32).reshape(2, 3),
        "a": np.ones((2,), np.float32),
        "n": np.array([7], np.int64),
    }
    write_tensors(tmp_path / "x.safetensors", arrays)

    data = (tmp_path / "x.safetensors").read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8 : 8 + length])
    assert list(header) == ["__metadata__", "n", "a", "b"]
    assert header["__metadata__"] == {"format": "pt"}
    assert header["b"] == {"dtype": "F32", "shape": [2, 3], "data_offsets": [16, 40]}
    read = load_file(tmp_path / "x.safetensors")
    assert {name: value.tolist() for name, value in read.items()} == {
        name: value.tolist() for name, value in arrays.items()
    }


def test_the_label_table_is_a_wd_table() -> None:
    """Header, ids and categories are those of the WD taggers: ratings, general, characters."""
    with (MODELS / "tagger" / "selected_tags.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))

    assert list(rows[0]) == ["tag_id", "name", "category", "count"]
    assert [row["name"] for row in rows[:4]] == ["general", "sensitive", "questionable", "explicit"]
    kinds = [row["category"] for row in rows]
    assert kinds == ["9"] * 4 + ["0"] * 42 + ["4"] * 6
    assert len({row["name"] for row in rows}) == len(rows)


def scores(batch: int = 1) -> np.ndarray[Any, Any]:
    """Return the tagger's answer for the plain drawings, (17, 52), in batches of one size."""
    session = onnxruntime.InferenceSession(MODELS / "tagger" / "model.onnx")
    pictures = [
        np.asarray(
            draw(Scene(MASCOT, p.scene.background, p.scene.pose, p.scene.framing, (64, 64)), n)
        )
        for n, p in enumerate(PICTURES)
    ]
    ready = np.stack(pictures)[..., ::-1].astype(np.float32)
    parts = [session.run(None, {"input": ready[n : n + batch]})[0] for n in range(0, 18, batch)]
    return np.concatenate(parts)


def test_the_tagger_answers_by_the_pixels() -> None:
    """Any batch size, probabilities, a handful of general tags, and no two answers alike."""
    session = onnxruntime.InferenceSession(MODELS / "tagger" / "model.onnx")
    assert [(put.name, put.shape, put.type) for put in session.get_inputs()] == [
        ("input", ["batch", 64, 64, 3], "tensor(float)")
    ]
    assert [(put.name, put.shape) for put in session.get_outputs()] == [("output", ["batch", 52])]
    one, three = scores(1), scores(3)

    assert np.abs(one - three).max() < 1e-5
    assert one.min() >= 0
    assert one.max() <= 1
    assert (one[:, :4].argmax(axis=1) == 0).all()
    general = (one[:, 4:46] > 0.35).sum(axis=1)
    assert general.min() >= 2
    assert 5 <= general.mean() <= 14
    assert len({row.tobytes() for row in one.round(3)}) == 18


def test_merges_make_every_word_one_token() -> None:
    """Byte-pair encoding by the merges ends in one token for each word of the world."""
    merges = merges_for(words())
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    vocabulary = clip_vocabulary(merges)

    for word in words():
        parts = [*word[:-1], word[-1] + "</w>"]
        while pairs := [pair for pair in pairwise(parts) if pair in ranks]:
            first = min(pairs, key=ranks.__getitem__)
            place = next(n for n in range(len(parts)) if tuple(parts[n : n + 2]) == first)
            parts[place : place + 2] = ["".join(first)]
        assert parts == [word + "</w>"]
        assert parts[0] in vocabulary
    assert next(iter(vocabulary)) == "!"
    assert list(vocabulary)[-2:] == ["<|startoftext|>", "<|endoftext|>"]
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))


def test_the_captioner_loads_and_depends_on_the_picture() -> None:
    """The folder loads without the hub, and captions differ between pictures."""
    from transformers import BlipForConditionalGeneration, BlipProcessor

    folder = MODELS / "captioner"
    processor: Any = BlipProcessor.from_pretrained(folder, local_files_only=True)
    model: Any = BlipForConditionalGeneration.from_pretrained(folder, local_files_only=True)
    pictures = [draw(picture.scene, 0) for picture in PICTURES[:8]]
    inputs = processor(images=pictures, return_tensors="pt")
    tokens = model.generate(**inputs, max_new_tokens=12, do_sample=False)
    captions = processor.batch_decode(tokens, skip_special_tokens=True)

    assert inputs["pixel_values"].shape == (8, 3, 32, 32)
    assert len(set(captions)) >= 5
    assert {word for caption in captions for word in caption.split()} <= set(words())
    assert processor.tokenizer("a coral mascot")["input_ids"][1:-1] == [
        (folder / "vocab.txt").read_text().split().index(word) for word in ("a", "coral", "mascot")
    ]


def test_the_base_model_loads_and_draws() -> None:
    """The folder loads without the hub, and its picture depends on the prompt."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(MODELS / "base", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)

    def drawn(prompt: str) -> np.ndarray[Any, Any]:
        dice = torch.Generator().manual_seed(1)
        size = {"height": 128, "width": 96}
        answer = pipeline(prompt, num_inference_steps=2, generator=dice, output_type="np", **size)
        return np.asarray(answer.images[0])

    one, same, other = drawn("a coral mascot"), drawn("a coral mascot"), drawn("snow at night")
    assert one.shape == (128, 96, 3)
    assert np.array_equal(one, same)
    assert np.abs(one - other).max() > 1e-3
    assert pipeline.vae_scale_factor == 8
    assert pipeline.safety_checker is None
    assert pipeline.tokenizer.model_max_length == 77
    assert pipeline.tokenizer.tokenize("a Coral mascot") == ["a</w>", "coral</w>", "mascot</w>"]


def test_the_text_encoder_is_named_as_on_the_hub() -> None:
    """Its tensors carry the `text_model.` prefix, and transformers misses none of them."""
    from transformers import CLIPTextModel

    names = set(load_file(MODELS / "base" / "text_encoder" / "model.safetensors"))
    loaded: Any = CLIPTextModel.from_pretrained(
        MODELS / "base" / "text_encoder", output_loading_info=True, local_files_only=True
    )

    assert {name.split(".")[0] for name in names} == {"text_model"}
    assert loaded[1]["missing_keys"] == loaded[1]["unexpected_keys"] == set()
    assert len({name.split(".")[3] for name in names if ".layers." in name}) == 12


def test_the_unet_has_the_real_ones_places() -> None:
    """Its linear and 1x1 layers under attention blocks are the 192 of SD 1.x, by name."""
    from diffusers import UNet2DConditionModel

    unet: Any = UNet2DConditionModel.from_pretrained(
        MODELS / "base" / "unet", local_files_only=True
    )
    blocks = [
        name for name, part in unet.named_modules() if type(part).__name__ == "Transformer2DModel"
    ]
    layers = [
        name
        for name, part in unet.named_modules()
        if isinstance(part, torch.nn.Linear | torch.nn.Conv2d) and ".attentions." in name
    ]

    assert len(blocks) == 16
    assert len(layers) == 192
    assert unet.dtype == torch.float32
