"""Stable Diffusion XL: a U-Net, two CLIP text encoders, sizes beside the text, a 4-channel VAE.

Models with v-prediction and zero terminal SNR (NoobAI's and their like) say so in the scheduler's
config, or by marks in a single file. Letters: B batch, C channels, H and W height and width of
latents, L tokens, D features.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from prep.models import file_layouts, latent_space, ldm_names
from train.families import unet_parts
from train.families.clip_family import ClipFamily
from train.families.clip_text import TextReading
from train.families.family import PictureSizes
from train.families.ldm_file import LdmFile
from train.families.noise_process import Prediction
from train.families.tiny import BETAS, CLIP, TinyModel

if TYPE_CHECKING:
    from torch import Tensor, nn

    from train.families.family import Conditioning

KIND = ClipFamily(
    pipeline="StableDiffusionXLPipeline",
    marks=lambda unet: unet.get("addition_embed_type") == "text_time",
    # Podell et al. 2023: the layer before the last of both, without a final normalisation, and the
    # pooled state of the second one.
    readings=(
        TextReading(layer=2, normed=False),
        TextReading("text_encoder_2", "tokenizer_2", layer=2, normed=False, pooled=True),
    ),
    encoders={
        "text_encoder": "transformers.CLIPTextModel",
        "text_encoder_2": "transformers.CLIPTextModelWithProjection",
    },
    prediction=Prediction.EPSILON,
    network=unet_parts.NETWORK,
    file=LdmFile(file_layouts.SDXL),
    space=latent_space.SDXL,
)


def sizes(picture: PictureSizes) -> Mapping[str, tuple[float, ...]]:
    """Return the six numbers beside the text: original, cut off, target, height or top first.

    Source: Podell et al. 2023, section 2.2; diffusers' pipeline, `_get_add_time_ids`.
    """
    (width, height), (left, top), (wide, high) = picture
    return {"sizes": (height, width, top, left, high, wide)}


def denoise(
    network: "nn.Module",
    noisy_BCHW: "Tensor",
    time_B: "Tensor",
    conditioning: "Conditioning",
) -> "Tensor":
    """Return the network's prediction, shape BCHW.

    Args:
        conditioning: `text` of shape (B, L, D), `pooled` of shape (B, D) and `sizes` of shape
            (B, 6).
    """
    beside = {"text_embeds": conditioning["pooled"], "time_ids": conditioning["sizes"]}
    predicted: Tensor = network(
        noisy_BCHW, time_B, conditioning["text"], added_cond_kwargs=beside
    ).sample
    return predicted


def export_name(module: str) -> str:
    """Return kohya's name of a module: of the U-Net as single files call it, with underscores."""
    for number, folder in enumerate(KIND.encoders, 1):
        inner = module.removeprefix(f"{folder}.")
        if inner != module:
            plain = inner.removeprefix("text_model.").replace(".", "_")
            return f"lora_te{number}_text_model_{plain}"
    named = ldm_names.to_ldm("unet", f"{module}.weight", file_layouts.SDXL.ups)
    plain = named.removeprefix(ldm_names.PARTS["unet"]).removesuffix(".weight")
    return "lora_unet_" + plain.replace(".", "_")


_SECOND = {
    **CLIP,
    "hidden_size": 48,
    "projection_dim": 48,
    "hidden_act": "gelu",
    "pad_token_id": 0,
}
_TINY = TinyModel(
    pipeline="StableDiffusionXLPipeline",
    network={
        "sample_size": 8,
        "layers_per_block": 2,
        "block_out_channels": (32, 32, 64),
        "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
        "transformer_layers_per_block": (1, 1, 2),
        "attention_head_dim": (2, 4, 8),
        "cross_attention_dim": 80,
        "use_linear_projection": True,
        "addition_embed_type": "text_time",
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 48 + 6 * 8,
    },
    encoders={
        "text_encoder": ("CLIPTextModel", CLIP),
        "text_encoder_2": ("CLIPTextModelWithProjection", _SECOND),
    },
    padding={"tokenizer_2": "!"},
    vae={"scaling_factor": latent_space.SDXL.scale},
    scheduler=("EulerDiscreteScheduler", {**BETAS, "steps_offset": 1}),
    absent={
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "force_zeros_for_empty_prompt": True,
    },
)

FAMILY = KIND.family(
    name="sdxl",
    base_version="sdxl_base_v1-0",
    architecture="stable-diffusion-xl-v1-base",
    denoise=denoise,
    export_name=export_name,
    tiny=_TINY,
    embeddings={"text_encoder": "clip_l", "text_encoder_2": "clip_g"},
    **unet_parts.alike(file_layouts.SDXL.ups),
    sizes=sizes,
)
