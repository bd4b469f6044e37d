"""Write a base model as the hub lays out Stable Diffusion 1.x: one folder, its parts below."""

from pathlib import Path
from typing import Any

from tinyworld.labels import write_clip_tokenizer, write_json
from tinyworld.tensors import write_module
from tinyworld.words import words

INDEX = {
    "_class_name": "StableDiffusionPipeline",
    "feature_extractor": [None, None],
    "image_encoder": [None, None],
    "requires_safety_checker": False,
    "safety_checker": [None, None],
    "scheduler": ["diffusers", "PNDMScheduler"],
    "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"],
    "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"],
}

# As in runwayml's SD 1.5.
SCHEDULER: dict[str, Any] = {
    "_class_name": "PNDMScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
}


def write_base(folder: Path, unet: Any, text_encoder: Any, vae: Any) -> None:
    """Write the whole diffusers folder, weights as float16."""
    write_tokenizer(folder)
    (folder / "scheduler").mkdir(exist_ok=True)
    write_json(folder / "model_index.json", INDEX)
    write_json(folder / "scheduler" / "scheduler_config.json", SCHEDULER)
    for part, model in (("unet", unet), ("vae", vae)):
        model.save_config(folder / part)
        write_module(folder / part / "diffusion_pytorch_model.safetensors", model, half=True)
    # Without it transformers would compute in float16, beside a U-Net in float32.
    text_encoder.config.dtype = "float32"
    text_encoder.config.save_pretrained(folder / "text_encoder")
    # transformers >= 5.6 dropped the prefix that every published file has.
    weights = folder / "text_encoder" / "model.safetensors"
    write_module(weights, text_encoder, prefix="text_model.", half=True)


def write_tokenizer(folder: Path) -> dict[str, int]:
    """Write the tokenizer of a base model's folder; return token -> id."""
    return write_clip_tokenizer(folder / "tokenizer", words())
