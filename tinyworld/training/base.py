"""Train the base model: a U-Net, on the latents of drawings and the states of what they show.

Letters: B batch, C channels, H and W height and width of latents, L tokens, D features.
"""

import hashlib
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.training.base_files import SCHEDULER, write_base
from tinyworld.training.drawn_pictures import Shape, pictures, scene_at, share
from tinyworld.training.slices import Plan, learn
from tinyworld.training.tiny_text import TOKENS, WIDTH, opened_tokenizer, train_text
from tinyworld.training.tiny_vae import pixels, train_vae
from tinyworld.words import prompt
from tinyworld.world import SHAPES

if TYPE_CHECKING:
    from torch import Tensor

_LEVELS = (64, 96, 96, 64)
_COUNT, _BATCH = 24_000, 32
PLAN = Plan(steps=3_500, rate=1e-3)
_GAMMA = 5.0


def new_unet() -> Any:
    """Return the untrained U-Net: SD 1.x's four levels at a fifth of their width."""
    import diffusers

    build: Any = diffusers.UNet2DConditionModel  # its constructor is untyped
    return build(
        sample_size=16,
        block_out_channels=_LEVELS,
        layers_per_block=1,
        cross_attention_dim=WIDTH,
        attention_head_dim=4,  # that many heads, as SD 1.x's 8: the name is diffusers' mistake
    )


def train_base(work: Path, folder: Path, device: str = "cpu") -> None:
    """Train VAE, text encoder and U-Net where they are not trained yet; write the folder."""
    import torch

    vae = train_vae(work, device)
    latents = {shape: _latents(work, vae, shape, device) for shape in SHAPES}
    text: Any = train_text(work, device)
    text.to(device).requires_grad_(False)
    tokenizer = opened_tokenizer(work)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(PLAN.seed)
        unet = new_unet().to(device)
    signal_T = signal_rates().to(device)

    def loss_of(step: int) -> "Tensor":
        latents_BCHW, texts = _batch(latents, step)
        tokens_BL = tokenizer(
            texts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
        ).input_ids
        text_BLD = text(tokens_BL.to(device)).last_hidden_state
        return _loss(unet, latents_BCHW.to(device), text_BLD, signal_T, step)

    learn(unet, loss_of, PLAN, work / "base.pt")
    write_base(folder, unet.cpu(), text.cpu(), vae)


def signal_rates() -> "Tensor":
    """Return alpha_bar of each timestep, shape (T,), float32: SD 1.x's noise schedule.

    Source:
        `scaled_linear` of diffusers' schedulers, after Stable Diffusion 1.x's config.
    """
    import torch

    first, last = SCHEDULER["beta_start"] ** 0.5, SCHEDULER["beta_end"] ** 0.5
    count = SCHEDULER["num_train_timesteps"]
    beta_T = torch.linspace(first, last, count, dtype=torch.float64) ** 2
    alpha_bar_T: Tensor = (1 - beta_T).cumprod(0).float()
    return alpha_bar_T


def _loss(
    unet: Any, latents_BCHW: "Tensor", text_BLD: "Tensor", signal_T: "Tensor", step: int
) -> "Tensor":
    """Return the error of the predicted noise, weighted by min-SNR (Hang et al. 2023, eq. 5)."""
    import torch

    dice = torch.Generator().manual_seed(PLAN.seed * 1_000_003 + step)
    noise_BCHW = torch.randn(latents_BCHW.shape, generator=dice).to(latents_BCHW.device)
    timestep_B = torch.randint(len(signal_T), (len(latents_BCHW),), generator=dice)
    timestep_B = timestep_B.to(latents_BCHW.device)
    signal_B111 = signal_T[timestep_B, None, None, None]
    noisy_BCHW = signal_B111.sqrt() * latents_BCHW + (1 - signal_B111).sqrt() * noise_BCHW
    answer_BCHW = unet(noisy_BCHW, timestep_B, text_BLD).sample
    ratio_B = (signal_B111 / (1 - signal_B111)).flatten()
    weight_B = ratio_B.clamp(max=_GAMMA) / ratio_B
    each_B: Tensor = (answer_BCHW - noise_BCHW).square().mean((1, 2, 3))
    return (each_B * weight_B).mean()


def _batch(latents: "dict[Shape, Tensor]", step: int) -> "tuple[Tensor, list[str]]":
    dice = random.Random(f"base:{PLAN.seed}:{step}")
    shape = dice.choices(tuple(SHAPES), tuple(SHAPES.values()))[0]
    numbers = dice.sample(range(len(latents[shape])), _BATCH)
    texts = [prompt(scene_at(shape, number), dice) for number in numbers]
    return latents[shape][numbers], texts


def _latents(work: Path, vae: Any, shape: Shape, device: str) -> "Tensor":
    """Return the scaled latents of a shape's pictures, (N, 4, H, W), float32."""
    import torch

    # Named by the VAE's weights: latents of another VAE are never taken for these.
    digest = hashlib.sha256((work / "vae.pt").read_bytes()).hexdigest()[:8]
    path = work / f"latents-{digest}-{shape[0]}x{shape[1]}.pt"
    if not path.exists():
        images = pictures(work / "pictures", shape, share(shape, _COUNT))
        vae.to(device)
        with torch.no_grad(), torch.autocast(device, torch.bfloat16):
            parts = [
                vae.encode(pixels(images[first : first + 32]).to(device)).latent_dist.mean.float()
                for first in range(0, len(images), 32)
            ]
        beside = path.with_suffix(".new")
        torch.save(torch.cat(parts).cpu() * 0.18215, beside)
        beside.replace(path)
    found: Tensor = torch.load(path, weights_only=True)
    return found
