"""Stable Diffusion 2.x: a wider text encoder than 1.x, whose last layer was never trained.

A diffusers folder has that layer left out of the encoder. The base models of 512 px predict noise,
those of 768 px v: their scheduler's config says so, and of a single file a mark or a weight.
"""

from dataclasses import replace

from prep.models.file_layouts import SD2
from train.families import sd15, unet_parts
from train.families.clip_family import ClipFamily
from train.families.clip_text import TextReading
from train.families.ldm_file import LdmFile
from train.families.noise_process import Prediction
from train.families.tiny import CLIP

KIND = ClipFamily(
    pipeline="StableDiffusionPipeline",
    marks=lambda unet: bool(unet.get("use_linear_projection")),
    readings=(TextReading(),),
    encoders={"text_encoder": "transformers.CLIPTextModel"},
    prediction=Prediction.EPSILON,
    network=unet_parts.NETWORK,
    file=LdmFile(SD2),
)


_TINY = replace(
    sd15.FAMILY.tiny,
    network={**sd15.FAMILY.tiny.network, "use_linear_projection": True},
    encoders={"text_encoder": ("CLIPTextModel", {**CLIP, "hidden_act": "gelu", "pad_token_id": 0})},
    padding={"tokenizer": "!"},
)

FAMILY = KIND.family(
    name="sd2",
    base_version="sd_v2",
    architecture="stable-diffusion-v2-512",
    of_velocity=("sd_v2_v", "stable-diffusion-v2-768-v"),
    denoise=sd15.denoise,
    export_name=sd15.export_name,
    tiny=_TINY,
    embeddings={"text_encoder": "emb_params"},
    hypernetworks=True,
    **unet_parts.alike(SD2.ups),
)
