"""Make the tiny base model: a Stable Diffusion 1.x folder as the hub lays it out. Random weights.

It has the real one's layers in the real one's places (4 levels, 12 text layers), so that names,
LoRA targets and single-file conversion are the real ones; only the widths are small: 32, the
least that a group norm of 32 groups takes.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.tensors import write_module
from tinyworld.vocabulary import END, START, write_clip_tokenizer, write_json
from tinyworld.world import words

if TYPE_CHECKING:
    from collections.abc import Callable

    from transformers import CLIPTextModel

_WIDTH = 32
_LEVELS = 4

# Side of a picture the U-Net is made for, in latent pixels of 8 px.
_SIDE = 16

_INDEX = {
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
_SCHEDULER = {
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


def make_base(folder: Path, seed: int) -> None:
    """Write the whole diffusers folder into `folder`."""
    vocabulary = write_clip_tokenizer(folder / "tokenizer", words())
    write_json(folder / "model_index.json", _INDEX)
    (folder / "scheduler").mkdir(exist_ok=True)
    write_json(folder / "scheduler" / "scheduler_config.json", _SCHEDULER)
    for part, make in (("unet", _unet), ("vae", _vae)):
        model = _seeded(make, seed)
        model.save_config(folder / part)
        write_module(folder / part / "diffusion_pytorch_model.safetensors", model)
    encoder = _seeded(lambda: _text_encoder(vocabulary), seed)
    encoder.config.save_pretrained(folder / "text_encoder")
    # transformers >= 5.6 dropped the prefix that every published file has.
    write_module(folder / "text_encoder" / "model.safetensors", encoder, prefix="text_model.")


def _seeded(make: "Callable[[], Any]", seed: int) -> Any:
    """Return a model whose random weights depend on `seed` alone."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _unet() -> Any:
    import diffusers

    build: Any = diffusers.UNet2DConditionModel  # its constructor is untyped
    return build(
        sample_size=_SIDE,
        block_out_channels=(_WIDTH,) * _LEVELS,
        cross_attention_dim=_WIDTH,
        attention_head_dim=2,  # two heads; SD 1.x has 8, which are slow when this narrow
        layers_per_block=2,
    )


def _vae() -> Any:
    import diffusers

    build: Any = diffusers.AutoencoderKL
    return build(
        sample_size=_SIDE * 8,
        block_out_channels=(_WIDTH,) * _LEVELS,
        down_block_types=("DownEncoderBlock2D",) * _LEVELS,
        up_block_types=("UpDecoderBlock2D",) * _LEVELS,
        layers_per_block=2,
        latent_channels=4,
        scaling_factor=0.18215,
    )


def _text_encoder(vocabulary: dict[str, int]) -> "CLIPTextModel":
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        vocab_size=len(vocabulary),
        hidden_size=_WIDTH,
        intermediate_size=2 * _WIDTH,
        projection_dim=_WIDTH,
        num_hidden_layers=12,
        num_attention_heads=4,
        max_position_embeddings=77,
        bos_token_id=vocabulary[START],
        eos_token_id=vocabulary[END],
        pad_token_id=vocabulary[END],
        architectures=["CLIPTextModel"],
    )
    return CLIPTextModel(config)
