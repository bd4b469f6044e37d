"""Small random captioners in the formats of their families, saved as transformers saves them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

_LIST = (
    "a red blue cat dog sits on the mat with hat of in and picture this is what describe sentence "
    "one image user assistant . : ?"
)
WORDS = _LIST.split(" ")
VISION = {
    "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
    "image_size": 32, "patch_size": 8,
}  # fmt: skip
TEXT = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
CHAT = (
    "{{ bos_token }}{% for message in messages %}user : {% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% else %} {{ part['text'] }}{% endif %}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %} assistant :{% endif %}"
)
# As JoyCaption's: the question is text, and the picture comes before it by itself.
PLAIN_CHAT = (
    "{{ bos_token }}{% for message in messages %}user : <image> {{ message['content'] | trim }}"
    "{% endfor %}{% if add_generation_prompt %} assistant :{% endif %}"
)


def tokenizer(first: str = "", **more: Any) -> Any:
    """Return a tokenizer of whole words; `first` is what it puts before every text."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<pad>", "<s>", "</s>", "<unk>", "<image>"]
    vocab = {word: number for number, word in enumerate([*special, *WORDS])}
    unknown = {"unk_token": "<unk>"}
    inner = Tokenizer(models.WordLevel(vocab, **unknown))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    if first:
        pair = [(first, vocab[first])]
        inner.post_processor = processors.TemplateProcessing(
            single=f"{first} $A", pair=f"{first} $A $B", special_tokens=pair
        )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        **dict(zip(("pad_token", "bos_token", "eos_token", "unk_token"), special, strict=False)),
        additional_special_tokens=["<image>"],
        **more,
    )


def _saved(folder: Path, make: Callable[[], Any], processor: Any) -> Path:
    import torch

    torch.manual_seed(2)  # one with which every kind tells four pictures of noise apart
    model = make()
    with torch.no_grad():  # wide apart, so that two pictures get two answers
        for weight in model.parameters():
            if weight.dim() > 1:
                weight.normal_(0, 0.3)
    model.generation_config.min_new_tokens = 4  # chance alone would end most of them at once
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def _clip(side: int = 32, **more: Any) -> Any:
    from transformers import CLIPImageProcessor

    square = {"height": side, "width": side}
    return CLIPImageProcessor(size=square, crop_size=square, do_center_crop=False, **more)


def save_git(folder: Path) -> Path:
    """Save a GIT: a CLIP encoder and BERT's words."""
    from transformers import BertTokenizer, GitConfig, GitForCausalLM, GitProcessor

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    bert = BertTokenizer(vocab={word: number for number, word in enumerate(words)})
    config = GitConfig(
        vision_config=VISION, vocab_size=len(bert), intermediate_size=32, bos_token_id=2,
        eos_token_id=3, pad_token_id=0, max_position_embeddings=64, **TEXT,
    )  # fmt: skip
    return _saved(folder, lambda: GitForCausalLM(config), GitProcessor(_clip(), bert))


def save_blip2(folder: Path) -> Path:
    """Save a BLIP-2 with OPT, whose tokenizer begins each text with `</s>`."""
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        BlipImageProcessor,
    )

    words = tokenizer("</s>")
    config = Blip2Config(
        vision_config=VISION,
        qformer_config={**VISION, "encoder_hidden_size": 16, "vocab_size": len(words)},
        text_config={
            "model_type": "opt", "vocab_size": len(words), "ffn_dim": 32, "bos_token_id": 2,
            "eos_token_id": 2, "pad_token_id": 0, "word_embed_proj_dim": 16,
            "max_position_embeddings": 64, **TEXT,
        },
        num_query_tokens=4,
        image_token_index=4,
    )  # fmt: skip
    images = BlipImageProcessor(size={"height": 32, "width": 32})
    processor = Blip2Processor(images, words, num_query_tokens=4)
    return _saved(folder, lambda: Blip2ForConditionalGeneration(config), processor)


def save_florence2(folder: Path) -> Path:
    """Save a Florence-2: DaViT and BART."""
    from transformers import (
        Florence2Config,
        Florence2ForConditionalGeneration,
        Florence2Processor,
    )

    words = tokenizer(extra_special_tokens={"image_token": "<image>"})
    config = Florence2Config(
        vision_config={
            "embed_dim": [8] * 4, "num_heads": [2] * 4, "num_groups": [2] * 4, "depths": [1] * 4,
            "window_size": 4, "projection_dim": 16,
        },
        text_config={
            "model_type": "bart", "vocab_size": len(words), "d_model": 16, "encoder_layers": 1,
            "decoder_layers": 1, "encoder_attention_heads": 2, "decoder_attention_heads": 2,
            "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "max_position_embeddings": 64,
            "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0, "decoder_start_token_id": 2,
            "forced_eos_token_id": 2,
        },
        image_token_id=4,
    )  # fmt: skip
    images = _clip(64)
    images.image_seq_length = 5
    return _saved(
        folder,
        lambda: Florence2ForConditionalGeneration(config),
        Florence2Processor(images, words),
    )


def save_llava(folder: Path, chat: str | None = CHAT, first: str = "<s>") -> Path:
    """Save a LLaVA: CLIP, Llama and a chat template."""
    from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor

    words = tokenizer(first)
    config = LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **VISION, "projection_dim": 16},
        text_config={
            "model_type": "llama", "vocab_size": len(words), "intermediate_size": 32,
            "num_key_value_heads": 2, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
            "max_position_embeddings": 128, **TEXT,
        },
        image_token_index=4,
        image_token_id=4,
    )  # fmt: skip
    processor = LlavaProcessor(
        _clip(),
        words,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat,
    )
    return _saved(folder, lambda: LlavaForConditionalGeneration(config), processor)


def save_qwen(folder: Path) -> Path:
    """Save the settings of a Qwen2.5-VL, whose processor reads videos too; without weights."""
    import json

    import numpy as np
    from safetensors.numpy import save_file

    words = tokenizer()
    words.save_pretrained(folder)
    for name, content in (
        ("config.json", {"model_type": "qwen2_5_vl"}),
        ("preprocessor_config.json", {"image_processor_type": "Qwen2VLImageProcessor"}),
        ("processor_config.json", {"processor_class": "Qwen2_5_VLProcessor"}),
    ):
        (folder / name).write_text(json.dumps(content), encoding="utf-8")
    save_file({"weight": np.zeros(1)}, folder / "model.safetensors")
    return folder
