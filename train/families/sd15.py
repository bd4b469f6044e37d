"""Stable Diffusion 1.x: a U-Net, one CLIP text encoder, a 4-channel VAE, epsilon prediction.

Letters: B batch, C channels, H and W height and width of latents, L tokens, D features.
"""

from typing import TYPE_CHECKING

from prep.models.file_layouts import SD15
from train.families import unet_parts
from train.families.clip_family import ClipFamily
from train.families.clip_text import TextReading
from train.families.ldm_file import LdmFile
from train.families.noise_process import Prediction
from train.families.tiny import BETAS, CLIP, TinyModel

if TYPE_CHECKING:
    from torch import Tensor, nn

    from train.families.family import Conditioning


KIND = ClipFamily(
    pipeline="StableDiffusionPipeline",
    marks=lambda unet: not unet.get("use_linear_projection"),  # 2.x projects by matrices
    readings=(TextReading(),),
    encoders={"text_encoder": "transformers.CLIPTextModel"},
    prediction=Prediction.EPSILON,
    network=unet_parts.NETWORK,
    file=LdmFile(SD15),
)


def denoise(
    network: "nn.Module",
    noisy_BCHW: "Tensor",
    timestep_B: "Tensor",
    conditioning: "Conditioning",
) -> "Tensor":
    """Return the network's prediction, shape BCHW; `conditioning["text"]` has shape (B, L, D)."""
    predicted: Tensor = network(noisy_BCHW, timestep_B, conditioning["text"]).sample
    return predicted


def export_name(module: str) -> str:
    """Return kohya's name of a module: diffusers' name with underscores.

    transformers has dropped the `text_model` that every reader of these files expects.
    """
    inner = module.removeprefix("text_encoder.")
    before = "lora_unet_" if inner == module else "lora_te_text_model_"
    return before + inner.removeprefix("text_model.").replace(".", "_")


_TINY = TinyModel(
    pipeline="StableDiffusionPipeline",
    network={
        "sample_size": 8,
        "layers_per_block": 1,
        "block_out_channels": (32, 64),
        "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
        "cross_attention_dim": 32,
        "attention_head_dim": 8,
    },
    encoders={"text_encoder": ("CLIPTextModel", CLIP)},
    padding={},
    vae={},
    scheduler=("PNDMScheduler", {**BETAS, "skip_prk_steps": True, "steps_offset": 1}),
    absent={
        "feature_extractor": [None, None],
        "image_encoder": [None, None],
        "requires_safety_checker": False,
        "safety_checker": [None, None],
    },
)

FAMILY = KIND.family(
    name="sd15",
    base_version="sd_v1",
    architecture="stable-diffusion-v1",
    of_velocity=("sd_v1_v", "stable-diffusion-v1"),
    denoise=denoise,
    export_name=export_name,
    tiny=_TINY,
    embeddings={"text_encoder": "emb_params"},
    hypernetworks=True,
    **unet_parts.alike(SD15.ups),
)
