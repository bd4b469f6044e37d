"""Make the tiny captioner: a BLIP folder as the hub lays it out. Weights are random.

Its captions are the world's words in no order that means anything; they depend on the pixels.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.tensors import write_module
from tinyworld.vocabulary import BERT_SPECIALS, bert_vocabulary, write_json
from tinyworld.world import words

if TYPE_CHECKING:
    from transformers import BlipConfig

SIDE = 32

# Random weights would repeat one word for ever. How much likelier an end is than any one word
# (a logit), how much a word's place outweighs the word before it, and how loud the picture is.
_END_BIAS, _PLACE_WEIGHT, _PICTURE_WEIGHT = 4.0, 4.0, 0.2

# OpenAI CLIP's pixel statistics, as in every BLIP folder of the hub; RGB, of values 0 to 1.
_MEAN = [0.48145466, 0.4578275, 0.40821073]
_DEVIATION = [0.26862954, 0.26130258, 0.27577711]


def make_captioner(folder: Path, seed: int) -> None:
    """Write config, generation config, preprocessor, tokenizer and weights into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = bert_vocabulary(words())
    model = _model(_config(vocabulary), seed)
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    write_module(folder / "model.safetensors", model)
    write_json(folder / "preprocessor_config.json", _preprocessor())
    _write_tokenizer(folder, vocabulary)


def _config(vocabulary: list[str]) -> "BlipConfig":
    """Return BLIP's config at 1/400 of its size.

    As in the released models, two ids lie beyond `vocab.txt`: [DEC], which begins a caption, and
    [ENC].
    """
    from transformers import BlipConfig

    count = len(vocabulary)
    text = {
        "vocab_size": count + 2,
        "bos_token_id": count,
        "pad_token_id": vocabulary.index("[PAD]"),
        "sep_token_id": vocabulary.index("[SEP]"),
        "eos_token_id": vocabulary.index("[SEP]"),
        "hidden_size": 32,
        "encoder_hidden_size": 32,
        "intermediate_size": 64,
        "projection_dim": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 64,
        "initializer_range": 0.3,
    }
    vision = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "projection_dim": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "image_size": SIDE,
        "patch_size": 8,
        "initializer_range": 0.3,
    }
    return BlipConfig(
        text_config=text,
        vision_config=vision,
        projection_dim=32,
        image_text_hidden_size=32,
        architectures=["BlipForConditionalGeneration"],
    )


def _model(config: "BlipConfig", seed: int) -> Any:
    import torch
    from transformers import BlipForConditionalGeneration

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = BlipForConditionalGeneration(config)
    text: Any = config.text_config
    decoder: Any = model.text_decoder
    bias = decoder.cls.predictions.bias
    first_word = len(BERT_SPECIALS)
    with torch.no_grad():
        # Only words of the world, and an end after a few of them: no specials, no spelling.
        bias.fill_(-30.0)
        bias[first_word : first_word + len(words())] = 0.0
        bias[text.sep_token_id] = _END_BIAS
        decoder.bert.embeddings.position_embeddings.weight.mul_(_PLACE_WEIGHT)
        for layer in decoder.bert.encoder.layer:
            layer.crossattention.output.dense.weight.mul_(_PICTURE_WEIGHT)
    return model


def _preprocessor() -> dict[str, Any]:
    return {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "image_mean": _MEAN,
        "image_processor_type": "BlipImageProcessor",
        "image_std": _DEVIATION,
        "processor_class": "BlipProcessor",
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": SIDE, "width": SIDE},
    }


def _write_tokenizer(folder: Path, vocabulary: list[str]) -> None:
    """Write `tokenizer.json` and the three older files that say the same."""
    from transformers import BertTokenizer

    numbers = {piece: number for number, piece in enumerate(vocabulary)}
    BertTokenizer(vocab=numbers, model_max_length=64).save_pretrained(folder)
    names = ("pad", "unk", "cls", "sep", "mask")
    specials = {f"{name}_token": f"[{name.upper()}]" for name in names}
    settings = {
        **specials,
        "do_lower_case": True,
        "model_max_length": 64,
        "processor_class": "BlipProcessor",
        "tokenizer_class": "BertTokenizer",
    }
    (folder / "vocab.txt").write_bytes(("\n".join(vocabulary) + "\n").encode())
    write_json(folder / "special_tokens_map.json", specials)
    write_json(folder / "tokenizer_config.json", settings)
