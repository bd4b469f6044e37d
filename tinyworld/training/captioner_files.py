"""The captioner's network and its files: a BLIP folder as the hub lays it out."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.labels import bert_vocabulary, write_json
from tinyworld.tensors import write_module
from tinyworld.words import words

if TYPE_CHECKING:
    from transformers import BlipConfig

SIDE = 64
WIDTH = 64
_PATCH, _EYE_LAYERS, _MOUTH_LAYERS, _HEADS = 8, 4, 2, 4

# Ids that a caption may have, with its [DEC] and [SEP].
MOST_IDS = 64

# OpenAI CLIP's pixel statistics, as in every BLIP folder of the hub; RGB, of values 0 to 1.
MEAN = (0.48145466, 0.4578275, 0.40821073)
DEVIATION = (0.26862954, 0.26130258, 0.27577711)


def vocabulary() -> list[str]:
    """Return the lines of `vocab.txt`.

    As in the released models, two ids lie beyond them: [DEC], which begins a caption, and [ENC].
    """
    return bert_vocabulary(words())


def new_captioner(seed: int) -> Any:
    """Return the untrained `BlipForConditionalGeneration`."""
    import torch
    from transformers import BlipForConditionalGeneration

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: Any = BlipForConditionalGeneration(_config())
        # BLIP leaves these at 1e-10: its released weights were not trained from nothing.
        for name in ("class_embedding", "position_embedding"):
            torch.nn.init.normal_(getattr(model.vision_model.embeddings, name), std=0.1)
    return model


def write_captioner(model: Any, folder: Path) -> None:
    """Write config, generation config, preprocessor, tokenizer and float16 weights."""
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    write_module(folder / "model.safetensors", model, half=True)
    write_json(folder / "preprocessor_config.json", _preprocessor())
    _write_tokenizer(folder)


def _config() -> "BlipConfig":
    """Return BLIP's config at 1/600 of its size."""
    from transformers import BlipConfig

    pieces = vocabulary()
    shape = {
        "hidden_size": WIDTH,
        "intermediate_size": 4 * WIDTH,
        "projection_dim": WIDTH,
        "num_attention_heads": _HEADS,
        "initializer_range": 0.08,
    }
    text = {
        **shape,
        "vocab_size": len(pieces) + 2,
        "bos_token_id": len(pieces),
        "pad_token_id": pieces.index("[PAD]"),
        "sep_token_id": pieces.index("[SEP]"),
        "eos_token_id": pieces.index("[SEP]"),
        "encoder_hidden_size": WIDTH,
        "num_hidden_layers": _MOUTH_LAYERS,
        "max_position_embeddings": MOST_IDS,
    }
    vision = {
        **shape,
        "num_hidden_layers": _EYE_LAYERS,
        "image_size": SIDE,
        "patch_size": _PATCH,
    }
    return BlipConfig(
        text_config=text,
        vision_config=vision,
        projection_dim=WIDTH,
        image_text_hidden_size=WIDTH,
        initializer_range=0.08,
        architectures=["BlipForConditionalGeneration"],
    )


def _preprocessor() -> dict[str, Any]:
    return {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": list(MEAN),
        "image_processor_type": "BlipImageProcessor",
        "image_std": list(DEVIATION),
        "processor_class": "BlipProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": SIDE, "width": SIDE},
    }


def _write_tokenizer(folder: Path) -> None:
    """Write `tokenizer.json` and the three older files that say the same."""
    from transformers import BertTokenizer

    pieces = vocabulary()
    numbers = {piece: number for number, piece in enumerate(pieces)}
    BertTokenizer(vocab=numbers, model_max_length=MOST_IDS).save_pretrained(folder)
    names = ("pad", "unk", "cls", "sep", "mask")
    specials = {f"{name}_token": f"[{name.upper()}]" for name in names}
    settings = {
        **specials,
        "do_lower_case": True,
        "model_max_length": MOST_IDS,
        "processor_class": "BlipProcessor",
        "tokenizer_class": "BertTokenizer",
    }
    (folder / "vocab.txt").write_bytes(("\n".join(pieces) + "\n").encode())
    write_json(folder / "special_tokens_map.json", specials)
    write_json(folder / "tokenizer_config.json", settings)
