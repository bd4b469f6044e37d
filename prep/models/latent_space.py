"""Latent spaces: what must be known of one to train in it, and whose they are. Numbers only."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class LatentSpace:
    """What a VAE's latents are like.

    Attributes:
        channels: Of the latents.
        factor: How much smaller they are than the picture, in either direction.
        scale: Latents are multiplied by this before training.
        shift: Subtracted before scaling.
    """

    channels: int = 4
    factor: int = 8
    scale: float = 0.18215
    shift: float = 0.0

    def described(self) -> str:
        """Return whose it is and its numbers, for a message."""
        owner = next((name for name, one in SPACES.items() if one == self), None)
        shift = f", shift {self.shift:g}" if self.shift else ""
        numbers = f"{self.channels} channels, 1/{self.factor}, scale {self.scale:g}{shift}"
        return f"{f'that of {owner}' if owner else 'one of no known model'} ({numbers})"


SD1 = LatentSpace()
SDXL = LatentSpace(scale=0.13025)
SD3 = LatentSpace(channels=16, scale=1.5305, shift=0.0609)
# Source: `vae/config.json` of the models that brought them.
SPACES: Mapping[str, LatentSpace] = MappingProxyType(
    {
        "Stable Diffusion 1.x and 2.x": SD1,
        "Stable Diffusion XL": SDXL,
        "Stable Diffusion 3": SD3,
        "FLUX.1": LatentSpace(channels=16, scale=0.3611, shift=0.1159),
    }
)
