"""Train the VAE: 3 x 128 x 128 px to 4 x 16 x 16 latents and back."""

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.training.drawn_pictures import Shape, pictures, share
from tinyworld.training.slices import Plan, learn
from tinyworld.world import SHAPES

if TYPE_CHECKING:
    from torch import Tensor

_LEVELS = (16, 32, 64, 80)
_COUNT, _BATCH = 12_000, 8
PLAN = Plan(steps=4_000, rate=2e-3)

# The loss: how much edges weigh beside plain differences, and a Gaussian prior beside both.
_EDGES, _PRIOR = 1.0, 1e-4


def new_vae(seed: int) -> Any:
    """Return the untrained VAE: SD 1.x's shape at an eighth of its width."""
    import diffusers
    import torch

    build: Any = diffusers.AutoencoderKL
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return build(
            sample_size=128,
            block_out_channels=_LEVELS,
            down_block_types=("DownEncoderBlock2D",) * len(_LEVELS),
            up_block_types=("UpDecoderBlock2D",) * len(_LEVELS),
            layers_per_block=1,
            norm_num_groups=8,
            latent_channels=4,
            scaling_factor=0.18215,
        )


def train_vae(work: Path, device: str = "cpu") -> Any:
    """Return the trained VAE, its latents centred and scaled as SD 1.x's are."""
    import torch

    vae = new_vae(PLAN.seed).to(device)
    drawings = {shape: pictures(work / "pictures", shape, share(shape, _COUNT)) for shape in SHAPES}

    def loss_of(step: int) -> "Tensor":
        batch = _batch(drawings, step).to(device)
        torch.manual_seed(PLAN.seed + step)
        with torch.autocast(device, torch.bfloat16):
            seen = vae.encode(batch).latent_dist
            answer = vae.decode(seen.sample()).sample
        return _loss(answer.float(), batch) + _PRIOR * _divergence(seen)

    learn(vae, loss_of, PLAN, work / "vae.pt")
    scale_latents(vae, drawings[128, 128][:256])
    return vae.cpu().eval()


def pixels(images: Any) -> "Tensor":
    """Return uint8 pictures (N, H, W, 3) as a VAE takes them: (N, 3, H, W), -1 to 1."""
    import numpy as np
    import torch

    return torch.from_numpy(np.array(images)).permute(0, 3, 1, 2) / 127.5 - 1


def scale_latents(vae: Any, images: Any) -> None:
    """Give the latents mean 0 and deviation 1 / 0.18215 in each channel; nothing else changes.

    The last layer before the latents is multiplied and moved, the first after them undoes it.
    """
    import torch

    device = vae.device
    with torch.no_grad():
        latents = vae.encode(pixels(images).to(device)).latent_dist.mean
        mean, deviation = latents.mean((0, 2, 3)), latents.std((0, 2, 3))
        factor = 1 / (0.18215 * deviation)
        before, after = vae.quant_conv, vae.post_quant_conv
        after.bias += after.weight[:, :, 0, 0] @ mean
        after.weight /= factor[None, :, None, None]
        before.bias[:4] -= mean
        before.bias[:4] *= factor
        before.weight[:4] *= factor[:, None, None, None]
        before.bias[4:] += 2 * factor.log()


def _batch(drawings: dict[Shape, Any], step: int) -> "Tensor":
    dice = random.Random(f"vae:{PLAN.seed}:{step}")
    images = drawings[dice.choices(tuple(SHAPES), tuple(SHAPES.values()))[0]]
    batch = pixels(images[sorted(dice.sample(range(len(images)), _BATCH))])
    return batch.flip(3) if dice.random() < 0.5 else batch


def _loss(answer: "Tensor", batch: "Tensor") -> "Tensor":
    off = answer - batch
    edges = off.diff(dim=2).abs().mean() + off.diff(dim=3).abs().mean()
    return off.abs().mean() + 2 * off.square().mean() + _EDGES * edges


def _divergence(seen: Any) -> "Tensor":
    """Return the mean divergence from a unit Gaussian, in nats per latent."""
    mean, logvar = seen.mean.float(), seen.logvar.float()
    nats: Tensor = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    return nats
