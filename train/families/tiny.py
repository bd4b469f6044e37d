"""Small base models of a family's exact structure, with random weights: to test contracts on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.models.clip_tokens import vocabulary


@dataclass(frozen=True)
class TinyModel:
    """What is small of a family.

    Attributes:
        pipeline: Its class in diffusers.
        unet: Arguments of diffusers' UNet2DConditionModel.
        encoders: Folder of a text encoder -> its class in transformers, and facts of its config.
        padding: Folder of a tokenizer -> its token of padding, where it is not the end's.
        scaling_factor: Of the VAE.
        scheduler: Class of the scheduler in diffusers, and facts of its config.
    """

    pipeline: str
    unet: Mapping[str, Any]
    encoders: Mapping[str, tuple[str, Mapping[str, Any]]]
    padding: Mapping[str, str]
    scaling_factor: float
    scheduler: tuple[str, Mapping[str, Any]]

    def write(self, folder: Path, prediction: str = "epsilon", seed: int = 0) -> Path:
        """Write a diffusers folder; return it.

        Args:
            seed: Of its weights.
        """
        import diffusers
        import torch
        import transformers

        torch.manual_seed(seed)
        unet: Any = diffusers.UNet2DConditionModel  # their classes are typed only in part
        coder: Any = diffusers.AutoencoderKL
        parts: dict[str, Any] = {"unet": unet(**self.unet)}
        parts["vae"] = coder(
            block_out_channels=(32, 32, 32, 32),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            latent_channels=4,
            scaling_factor=self.scaling_factor,
        )
        kind, facts = self.scheduler
        parts["scheduler"] = getattr(diffusers, kind)(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
            prediction_type=prediction, **facts,
        )  # fmt: skip
        index: dict[str, Any] = {
            "_class_name": self.pipeline,
            "_diffusers_version": "0.42.1",
            "unet": ["diffusers", "UNet2DConditionModel"],
            "vae": ["diffusers", "AutoencoderKL"],
            "scheduler": ["diffusers", kind],
        }
        for name, (encoder, more) in self.encoders.items():
            config = transformers.CLIPTextConfig(**_TEXT | dict(more))
            parts[name] = getattr(transformers, encoder)(config)
            tokenizer = name.replace("text_encoder", "tokenizer")
            parts[tokenizer] = _tokenizer(self.padding.get(tokenizer))
            index |= {name: ["transformers", encoder], tokenizer: ["transformers", "CLIPTokenizer"]}
        for name, part in parts.items():
            part.save_pretrained(str(folder / name))
        index |= self._absent()
        (folder / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True))
        return folder

    def _absent(self) -> dict[str, Any]:
        """Return the parts that the pipeline can have and these models have not."""
        absent = {"feature_extractor": [None, None], "image_encoder": [None, None]}
        if "XL" in self.pipeline:
            return {**absent, "force_zeros_for_empty_prompt": True}
        return {**absent, "requires_safety_checker": False, "safety_checker": [None, None]}


_TEXT = {
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


def _tokenizer(padding: str | None) -> Any:
    """Return a tokenizer of CLIP's byte alphabet, without merges."""
    from transformers import CLIPTokenizer

    more = {} if padding is None else {"pad_token": padding}
    return CLIPTokenizer(vocab=vocabulary([]), merges=[], model_max_length=77, **more)
