"""Small models in the real formats: graphs that echo their pixels, a BLIP of one layer."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from PIL import Image

HEADER = "tag_id,name,category,count\n"
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = [*SPECIAL, "a", "picture", "of", "the", "cat", "dog", "red", "blue", "##s", "on", "in"]
MakeTagger = Callable[..., Path]


def label_file(count: int) -> str:
    """Return a label file: one rating, then general labels."""
    rows = [f"{n},label_{n},{9 if n == 0 else 0},{100 - n}\n" for n in range(count)]
    return HEADER + "".join(rows)


def save_graph(
    path: Path,
    nodes: Sequence[onnx.NodeProto],
    shape: Sequence[int | str],
    answers: int | str,
    initializers: Sequence[onnx.TensorProto] = (),
) -> None:
    """Write a graph from `input` to `output`."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, list(shape))],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [shape[0], answers])],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("my.ops", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(model.SerializeToString())


@pytest.fixture
def echo(tmp_path: Path) -> MakeTagger:
    """Return a maker of taggers whose scores are their input's numbers / 255, in memory order.

    A wrong layout, colour order, range, padding or filter is a wrong score.
    """

    def make(
        size: int = 4,
        batch: int | str = "batch",
        shape: Sequence[int | str] | None = None,
        labels: int | None = None,
        divisor: float = 255.0,
        name: str = "echo",
    ) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        answers = size * size * 3
        scale = helper.make_tensor("scale", TensorProto.FLOAT, [], [divisor])
        nodes = [
            helper.make_node("Flatten", ["input"], ["flat"], axis=1),
            helper.make_node("Div", ["flat", "scale"], ["output"]),
        ]
        wanted = shape or (batch, size, size, 3)
        save_graph(folder / "model.onnx", nodes, wanted, answers, [scale])
        (folder / "selected_tags.csv").write_text(label_file(labels or answers), encoding="utf-8")
        return folder

    return make


@pytest.fixture
def pictures() -> list[Image.Image]:
    """Return noise in five shapes: wide, tall, square, tiny, already of the right size."""
    random = np.random.default_rng(7)
    sizes = [(13, 6), (5, 17), (9, 9), (1, 2), (4, 4)]
    return [
        Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))
        for width, height in sizes
    ]


@pytest.fixture(scope="session")
def saved_blip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a BLIP folder as transformers' `save_pretrained` writes it; random, seeded weights."""
    import torch
    from transformers import (
        BertTokenizer,
        BlipConfig,
        BlipForConditionalGeneration,
        BlipImageProcessor,
        BlipProcessor,
    )

    folder = tmp_path_factory.mktemp("blip") / "saved"
    tokenizer = BertTokenizer(vocab={word: n for n, word in enumerate(WORDS)})
    tokenizer.add_tokens(["[DEC]", "[ENC]"])
    small = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": 16,
    }
    text = {
        **small,
        "vocab_size": len(tokenizer),
        "encoder_hidden_size": 16,
        "max_position_embeddings": 96,
        "bos_token_id": len(tokenizer) - 2,
        "eos_token_id": 3,
        "sep_token_id": 3,
        "pad_token_id": 0,
    }
    config = BlipConfig(
        text_config=text,
        vision_config={**small, "image_size": 32, "patch_size": 8},
        projection_dim=16,
        image_text_hidden_size=16,
    )
    torch.manual_seed(0)
    model = BlipForConditionalGeneration(config)
    with torch.no_grad():  # wide apart, so that two pictures get two captions
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.3)
        model.text_decoder.cls.predictions.bias[3] -= 4  # [SEP]: long captions, too
    model.save_pretrained(folder)
    images = BlipImageProcessor(size={"height": 32, "width": 32})
    BlipProcessor(image_processor=images, tokenizer=tokenizer).save_pretrained(folder)
    return folder


@pytest.fixture
def hub_blip(saved_blip: Path, tmp_path: Path) -> Path:
    """Return the same model as the hub publishes BLIP: `preprocessor_config.json`, `vocab.txt`."""
    folder = tmp_path / "hub"
    folder.mkdir()
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((saved_blip / name).read_bytes())
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n", encoding="utf-8")
    special = {
        f"{name}_token": f"[{name.upper()}]" for name in ("cls", "mask", "pad", "sep", "unk")
    }
    tokenizer = {
        "do_lower_case": True,
        "model_max_length": 512,
        "processor_class": "BlipProcessor",
        "tokenizer_class": "BertTokenizer",
        **special,
    }
    images = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": [0.48145466, 0.4578275, 0.40821073],
        "image_processor_type": "BlipImageProcessor",
        "image_std": [0.26862954, 0.26130258, 0.27577711],
        "processor_class": "BlipProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": 32, "width": 32},
    }
    for name, content in (
        ("special_tokens_map.json", special),
        ("tokenizer_config.json", tokenizer),
        ("preprocessor_config.json", images),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return folder
