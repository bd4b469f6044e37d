"""Small base models of a family's exact structure, with random weights: to test contracts on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.models.clip_tokens import vocabulary
from train.families.folder_weights import tokenizer_of
from train.families.loading import class_of


@dataclass(frozen=True)
class TinyModel:
    """What is small of a family.

    Attributes:
        pipeline: Its class in diffusers.
        network: Arguments of the network's class.
        encoders: Folder of a text encoder -> its class in transformers, and facts of its config.
        padding: Folder of a tokenizer -> its token of padding, where it is not the end's.
        vae: Further arguments of the VAE's class.
        scheduler: Class of the scheduler in diffusers, and facts of its config.
        absent: What stands in `model_index.json` of what the pipeline can have and these models
            have not.
        part: Folder of the network.
        kind: Class of the network in diffusers.
    """

    pipeline: str
    network: Mapping[str, Any]
    encoders: Mapping[str, tuple[str, Mapping[str, Any]]]
    padding: Mapping[str, str]
    vae: Mapping[str, Any]
    scheduler: tuple[str, Mapping[str, Any]]
    absent: Mapping[str, Any]
    part: str = "unet"
    kind: str = "UNet2DConditionModel"

    def write(self, folder: Path, prediction: str = "epsilon", seed: int = 0) -> Path:
        """Write a diffusers folder; return it.

        Args:
            seed: Of its weights.
        """
        import diffusers
        import torch
        import transformers

        torch.manual_seed(seed)
        coder: Any = diffusers.AutoencoderKL  # its class is typed only in part
        parts: dict[str, Any] = {self.part: getattr(diffusers, self.kind)(**self.network)}
        parts["vae"] = coder(
            block_out_channels=(32, 32, 32, 32),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            **self.vae,
        )
        kind, facts = self.scheduler
        told = {"prediction_type": prediction} if "beta_schedule" in facts else {}
        parts["scheduler"] = getattr(diffusers, kind)(**facts, **told)
        index: dict[str, Any] = {
            "_class_name": self.pipeline,
            "_diffusers_version": "0.42.1",
            self.part: ["diffusers", self.kind],
            "vae": ["diffusers", "AutoencoderKL"],
            "scheduler": ["diffusers", kind],
        }
        for name, (encoder, more) in self.encoders.items():
            kind_of = getattr(transformers, encoder)
            parts[name] = kind_of(kind_of.config_class(**more))
            reader = tokenizer_of(name)
            words, parts[reader] = _tokenizer(encoder, self.padding.get(reader))
            index |= {name: ["transformers", encoder], reader: ["transformers", words]}
        for name, part in parts.items():
            part.save_pretrained(str(folder / name))
        index |= self.absent
        (folder / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True))
        return folder


# What the parts of every small model have in common.
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
CLIP = {
    "vocab_size": 514,
    "hidden_size": 32,
    "intermediate_size": 37,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "bos_token_id": 512,
    "eos_token_id": 513,
    "pad_token_id": 513,
}
_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789,.-'\u2581"  # the last: a word's beginning
T5 = {
    "vocab_size": 3 + len(_LETTERS),
    "d_model": 96,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 4,
    "feed_forward_proj": "gated-gelu",
}


def _tokenizer(encoder: str, padding: str | None) -> tuple[str, Any]:
    """Return class and tokenizer for a text encoder: of single letters."""
    from transformers import CLIPTokenizer

    if encoder.startswith("T5"):
        marks = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
        kind = class_of("transformers.T5TokenizerFast")
        letters = [(letter, -2.0) for letter in _LETTERS]
        return "T5TokenizerFast", kind(vocab=marks + letters, extra_ids=0, model_max_length=512)
    more = {} if padding is None else {"pad_token": padding}
    found = CLIPTokenizer(vocab=vocabulary([]), merges=[], model_max_length=77, **more)
    return "CLIPTokenizer", found
