"""Stable Diffusion 1.x: a U-Net, one CLIP text encoder, a 4-channel VAE, epsilon prediction.

Letters: B batch, C channels, H and W height and width of latents, L tokens, D features.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import single_file
from train.families import ldm_file
from train.families.clip_text import TextReading
from train.families.clip_unet import ClipUnet
from train.families.noise_process import Diffusion, Prediction
from train.families.tiny import BETAS, CLIP, TinyModel

if TYPE_CHECKING:
    from torch import Tensor, nn

    from train.families.family import Conditioning


class LdmFile:
    """One file in the LDM layout; what it leaves out ships with the package."""

    def fits(self, place: Path) -> bool:
        """Return whether a file is Stable Diffusion 1.x."""
        return single_file.what(single_file.names(place)) == "a Stable Diffusion 1.x model"

    def part(self, place: Path, part: str, dtype: str | None) -> Any:
        """Return the U-Net or the text encoder."""
        one = ldm_file.network if part == "unet" else ldm_file.text_encoder
        return one(place, dtype)

    def tokenizer(self, folder: str) -> Any:
        """Return CLIP's tokenizer."""
        from prep.models.tokenizer import shipped_tokenizer

        return shipped_tokenizer()

    def process(self, place: Path) -> Diffusion:
        """Return the process of Stable Diffusion 1.x."""
        return ldm_file.noise_process()

    def unread(self, place: Path) -> list[str]:
        """Return the tensors that are of no part and no leftover of a training."""
        if place.suffix.lower() != ".safetensors":
            return []
        parts = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.")
        left = ("model_ema.", "alphas_cumprod", "betas", "sqrt_", "log_one_minus", "posterior_")
        others = (*left, "logvar", "lvlb_weights")
        return [name for name in single_file.names(place) if not name.startswith((*parts, *others))]

    def layers(self, place: Path) -> int:
        """Return how many layers the text encoder has, by the names in a file."""
        before = "cond_stage_model.transformer."
        names = [name.removeprefix(before) for name in single_file.names(place) if before in name]
        found = [name.removeprefix("text_model.").split(".") for name in names]
        return len({words[2] for words in found if words[:2] == ["encoder", "layers"]})


KIND = ClipUnet(
    pipeline="StableDiffusionPipeline",
    marks=lambda unet: not unet.get("use_linear_projection"),  # 2.x projects by matrices
    readings=(TextReading(),),
    encoders={"text_encoder": "transformers.CLIPTextModel"},
    prediction=Prediction.EPSILON,
    file=LdmFile(),
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
    single_file=True,
    denoise=denoise,
    export_name=export_name,
    tiny=_TINY,
)
