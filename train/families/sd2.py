"""Stable Diffusion 2.x: a wider text encoder than 1.x, whose last layer was never trained.

A diffusers folder has that layer left out of the encoder. The base models of 512 px predict noise,
those of 768 px v: their scheduler's config says so.
"""

import json
from dataclasses import replace
from pathlib import Path

from prep.runtime.files import content
from train.families import sd15
from train.families.clip_text import TextReading
from train.families.clip_unet import ClipUnet
from train.families.family import Family
from train.families.noise_process import Prediction

KIND = ClipUnet(
    readings=(TextReading(),),
    encoders={"text_encoder": "transformers.CLIPTextModel"},
    prediction=Prediction.EPSILON,
)


def fits(place: Path) -> bool:
    """Return whether a diffusers folder is Stable Diffusion 2.x."""
    try:
        index = json.loads(content(place / "model_index.json"))
        unet = json.loads(content(place / "unet" / "config.json"))
        return bool(
            index.get("_class_name") == "StableDiffusionPipeline"
            and unet.get("use_linear_projection")
            and unet.get("in_channels", 4) == 4
        )
    except (OSError, ValueError, AttributeError):
        return False


_TINY = replace(
    sd15.FAMILY.tiny,
    unet={**sd15.FAMILY.tiny.unet, "use_linear_projection": True},
    encoders={"text_encoder": ("CLIPTextModel", {"hidden_act": "gelu", "pad_token_id": 0})},
    padding={"tokenizer": "!"},
)

FAMILY = Family(
    name="sd2",
    prediction=KIND.prediction,
    latent_channels=4,
    patterns=KIND.patterns(),
    base_version="sd_v2",
    architecture="stable-diffusion-v2-512",
    of_velocity=("sd_v2_v", "stable-diffusion-v2-768-v"),
    lora_targets=sd15.FAMILY.lora_targets,
    attention_targets=sd15.FAMILY.attention_targets,
    convolution_targets=sd15.FAMILY.convolution_targets,
    text_targets=sd15.FAMILY.text_targets,
    fits=fits,
    outline=KIND.outline,
    layers=KIND.layers,
    load=KIND.load,
    chunks_at=KIND.chunks_at,
    chunks=KIND.chunks,
    encode=KIND.encode,
    denoise=sd15.denoise,
    export_name=sd15.export_name,
    tiny=_TINY,
)
