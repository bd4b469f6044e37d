"""The noise of a showing: drawn from (seed, purpose, step, place), whatever stands beside it.

kohya's scripts draw the strengths and sizes below once a batch, and scale pyramid noise by the
deviation of the whole batch; here each sample has its own, so that its noise does not depend on
its neighbours.

Source: kohya-ss/sd-scripts (commit 48d368fa), custom_train_functions.py `apply_noise_offset`,
`pyramid_noise_like`; train_util.py `get_noise_noisy_latents_and_timesteps`.

Letters: C channels, H and W height and width of latents.
"""

from typing import TYPE_CHECKING, NamedTuple

from train.data.order import normal, uniform
from train.noise_options import NoiseOptions

if TYPE_CHECKING:
    from torch import Tensor


class Noise(NamedTuple):
    """The noise of a showing, float32, on the CPU.

    Attributes:
        asked_CHW: What the network is to find.
        shown_CHW: What is mixed into the latents: the same, or with the input's perturbation.
    """

    asked_CHW: "Tensor"
    shown_CHW: "Tensor"


class Draw(NamedTuple):
    """What the random numbers of a showing are drawn from.

    Attributes:
        step: From 0.
        place: Index of the sample among all samples of the step.
    """

    seed: int
    step: int
    place: int

    def normal(self, purpose: str, shape: tuple[int, ...]) -> "Tensor":
        """Return standard normal numbers."""
        return normal(self.seed, purpose, self.step, self.place, shape)

    def uniform(self, purpose: str) -> float:
        """Return a number in [0, 1)."""
        return uniform(self.seed, purpose, self.step, self.place)


def noise_of(x0_CHW: "Tensor", draw: Draw, options: NoiseOptions) -> Noise:
    """Return the noise of a showing.

    Args:
        x0_CHW: The clean latents as they train: scaled and shifted.
    """
    found_CHW = draw.normal("noise", tuple(x0_CHW.shape))
    if options.noise_offset:
        found_CHW = found_CHW + _offset(x0_CHW, draw, options)
    if options.multires_noise_iterations:
        found_CHW = _with_pyramid(found_CHW, draw, options)
    if not options.ip_noise_gamma:
        return Noise(found_CHW, found_CHW)
    strength = options.ip_noise_gamma
    if options.ip_noise_gamma_random_strength:
        strength *= draw.uniform("perturbation's strength")
    more_CHW = draw.normal("perturbation", tuple(x0_CHW.shape))
    return Noise(found_CHW, found_CHW + strength * more_CHW)


def _offset(x0_CHW: "Tensor", draw: Draw, options: NoiseOptions) -> "Tensor":
    """Return what the noise of each channel is shifted by, shape (C, 1, 1).

    Source: Guttenberg 2023, "Diffusion with offset noise".
    """
    strength = options.noise_offset
    if options.noise_offset_random_strength:
        strength *= draw.uniform("offset's strength")
    mean_C11 = x0_CHW.mean(dim=(1, 2), keepdim=True).abs()
    strength_C11 = (strength + options.adaptive_noise_scale * mean_C11).clamp(min=0)
    return strength_C11 * draw.normal("offset", (len(x0_CHW), 1, 1))


def _with_pyramid(noise_CHW: "Tensor", draw: Draw, options: NoiseOptions) -> "Tensor":
    """Return noise with coarser and coarser noise on it, of deviation 1.

    Source: Whitaker 2023, "Multi-resolution noise".
    """
    from torch.nn.functional import interpolate

    channels, height, width = noise_CHW.shape
    for level in range(options.multires_noise_iterations):
        ratio = (2 + 2 * draw.uniform(f"pyramid's ratio {level}")) ** level
        sides = max(1, int(height / ratio)), max(1, int(width / ratio))
        coarse = draw.normal(f"pyramid {level}", (1, channels, *sides))
        smooth = interpolate(coarse, size=(height, width), mode="bilinear")[0]
        noise_CHW = noise_CHW + smooth * options.multires_noise_discount**level
        if 1 in sides:
            break
    return noise_CHW / noise_CHW.std()
