"""Noise -> picture, for every family, with the noise fixed by the seed: DDIM, or as asked.

Letters: B batch, C channels, H and W height and width of latents, T timesteps.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from prep.models import vae as coder
from prep.runtime.errors import MachineError
from train.families.family import Base, Family
from train.sampler_rows import DDIM
from train.samples import schedulers
from train.samples.prompts import Prompt

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    Answer = Callable[[Tensor, Any], Tensor]


class NotFiniteError(MachineError):
    """A picture came out as numbers that are no colours."""


def draw(base: Base, family: Family, vae: Any, prompt: Prompt, clip_skip: int = 1) -> "Image.Image":
    """Return the picture of a prompt; the same for the same model, prompt and seed.

    Brackets weigh words, as in every WebUI and in the samples of kohya's scripts, whatever was
    asked of the texts that trained; as there, only so many chunks are read as the texts need. The
    model is left as it was; no random number of torch's own is drawn.

    Args:
        vae: As `prep.models.vae.open_vae` returns it.

    Raises:
        NotFiniteError: The model answered with numbers that are not finite.
    """
    import torch

    factor = family.space.factor
    shape = (1, family.space.channels, prompt.height // factor, prompt.width // factor)
    generator = torch.Generator("cpu").manual_seed(prompt.seed)
    noise_BCHW = torch.randn(shape, generator=generator).to(base.device)
    with torch.no_grad():
        chunks = family.chunks(base, prompt.plain_texts())
        texts = [prompt.text, prompt.negative]
        asked, other = family.encode(base, texts, clip_skip, chunks, weighted=True)
        states = {k: torch.stack([other[k], asked[k]]).to(base.device) for k in asked}
        states |= family.told([prompt.sizes()] * 2, base.device)

        def answer(latents_BCHW: "Tensor", now: Any) -> "Tensor":
            return _guided(base, family, latents_BCHW, now, (states, prompt.guidance))

        if prompt.sampler == DDIM:
            latents_BCHW = _by_process(base, noise_BCHW, prompt.steps, answer)
        else:
            scheduler = schedulers.opened(
                prompt.sampler, family, base.process, base.device, prompt.steps
            )
            latents_BCHW = _by_scheduler(scheduler, noise_BCHW, answer, generator)
        return decoded(vae, latents_BCHW)


def _guided(
    base: Base, family: Family, latents_BCHW: "Tensor", now: Any, wish: tuple[Any, float]
) -> "Tensor":
    """Return the network's answer, away from the negative prompt's and towards the prompt's."""
    import torch

    states, guidance = wish
    when_B = torch.tensor([now, now], device=base.device)
    weight = next(base.network.parameters())
    with torch.autocast(
        base.device.split(":")[0], _half(weight), enabled=weight.dtype != torch.float32
    ):
        both = family.denoise(
            base.network, torch.cat([latents_BCHW, latents_BCHW]), when_B, states
        ).float()
    answer_BCHW: Tensor = both[:1] + guidance * (both[1:] - both[:1])
    return answer_BCHW


def _by_process(base: Base, noise_BCHW: "Tensor", steps: int, answer: "Answer") -> "Tensor":
    """Return latents as the process itself goes back, without randomness."""
    latents_BCHW, process = noise_BCHW, base.process
    times = process.falling(steps)
    for now, then in zip(times, [*times[1:], None], strict=True):
        latents_BCHW = process.earlier(latents_BCHW, answer(latents_BCHW, now), now, then)
    return latents_BCHW


def _by_scheduler(
    scheduler: Any, noise_BCHW: "Tensor", answer: "Answer", generator: Any
) -> "Tensor":
    """Return latents as a scheduler of diffusers makes them, in its own pipeline's order."""
    import inspect

    drawn = "generator" in inspect.signature(scheduler.step).parameters
    more = {"generator": generator} if drawn else {}
    # Those of flows scale neither: their noise is all there is in the beginning.
    scaled = getattr(scheduler, "scale_model_input", lambda latents_BCHW, now: latents_BCHW)
    latents_BCHW: Tensor = noise_BCHW * getattr(scheduler, "init_noise_sigma", 1.0)
    for now in scheduler.timesteps:
        said_BCHW = answer(scaled(latents_BCHW, now), now)
        latents_BCHW = scheduler.step(said_BCHW, now, latents_BCHW, **more).prev_sample
    return latents_BCHW


def decoded(vae: Any, latents_BCHW: "Tensor") -> "Image.Image":
    """Return scaled latents as an RGB picture.

    Raises:
        NotFiniteError: They, or the picture, are not finite numbers.
    """
    from PIL import Image

    facts = vae.config
    plain_BCHW = latents_BCHW / facts.scaling_factor + (facts.shift_factor or 0.0)
    pixels_BCHW = vae.decode(plain_BCHW.to(vae.device)).sample
    if not bool(pixels_BCHW.isfinite().all()):
        raise NotFiniteError(
            "the picture came out as numbers that are not finite (NaN or infinite)",
            "draw with a lower `--strength` or `--guidance`; if it stays, the model is damaged",
        )
    bytes_HWC = ((pixels_BCHW[0] / 2 + 0.5).clamp(0, 1) * 255).round().byte().permute(1, 2, 0)
    return Image.fromarray(bytes_HWC.cpu().numpy(), "RGB")


def opened_vae(place: Any, device: str) -> Any:
    """Return the VAE of a base model, for `draw`."""
    return coder.open_vae(place, device)


def _half(weight: "Tensor") -> Any:
    """Return what autocast computes in where the weights are halved; a name for float32 too."""
    import torch

    return weight.dtype if weight.dtype != torch.float32 else torch.bfloat16
