"""What a person may choose of the noise that is mixed into latents."""

from collections.abc import Iterator
from dataclasses import dataclass

from train.option_fields import flag, option

# Option -> the one that it shapes, without which it decides nothing; in kohya's scripts, too.
SHAPES = {
    "noise_offset_random_strength": "noise_offset",
    "adaptive_noise_scale": "noise_offset",
    "multires_noise_discount": "multires_noise_iterations",
    "ip_noise_gamma_random_strength": "ip_noise_gamma",
}


@dataclass(frozen=True, kw_only=True)
class NoiseOptions:
    """The words are those of kohya's scripts."""

    noise_offset: float = option(
        0.0, "Shift the noise of each channel by a normal number times this (0.05 is usual)",
        later=True, least=0, most=10,
    )  # fmt: skip
    noise_offset_random_strength: bool = option(
        False, "Draw the offset's strength at each showing, from 0 up to it", later=True
    )
    adaptive_noise_scale: float = option(
        0.0, "Add this times the mean of a channel's latents to the offset", later=True,
        least=-100, most=100,
    )  # fmt: skip
    multires_noise_iterations: int = option(
        0, "Sizes of noise, each coarser, that are added to it (pyramid noise; 6 to 10 are usual)",
        later=True, least=0, most=64,
    )  # fmt: skip
    multires_noise_discount: float = option(
        0.3, "Strength of each of them over the one before", later=True, least=0, most=1
    )
    ip_noise_gamma: float = option(
        0.0, "Perturb what the network is shown by so much more noise (0.1 is usual)", later=True,
        least=0, most=10,
    )  # fmt: skip
    ip_noise_gamma_random_strength: bool = option(
        False, "Draw that strength at each showing, from 0 up to it", later=True
    )


def faults(options: NoiseOptions) -> Iterator[tuple[str, str]]:
    """Yield what does not go together, as message and hint."""
    for name, shaped in SHAPES.items():
        given = getattr(options, name) != getattr(NoiseOptions, name)
        if given and not getattr(options, shaped):
            told = f"`{flag(name)}` is given without `{flag(shaped)}`, which it shapes"
            yield told, "give that too, or leave it out"
