"""What a step is shown. Knows no family and no network.

Letters: B batch, C channels, H and W height and width of latents.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from prep.models import vae
from prep.runtime import files
from train.config import Config
from train.data.captions import text_of
from train.data.dataset import Data, TrainingSample
from train.data.drawn_noise import Draw, Noise, noise_of
from train.data.mask_files import mask_of
from train.data.order import normal, nth_of
from train.data.preserved_texts import PreservedTexts, preserved_texts
from train.families.family import PictureSizes
from train.families.noise_process import Process

if TYPE_CHECKING:
    from torch import Tensor

_CACHE_BYTES = 1 << 30


class Batch(NamedTuple):
    """The input of some samples of a step, on the CPU.

    Attributes:
        x0_BCHW: Clean latents, scaled and shifted, float32.
        noise_BCHW: What the network is to find, float32.
        shown_BCHW: The noise that it is shown: the same, or perturbed; see `Noise`.
        texts: One a sample.
        weight_B: Of each sample's loss.
        sizes: What the network is told of the pictures' sizes, by names, shape (B, N) each.
        digests: SHA-256 over key, text, timestep, latents and noise of each sample, over the
            noise that is shown where it is another, and over its mask.
        mask_BHW: How much each place of the latents counts, 0 to 1; None where no sample of the
            whole data has a mask that is asked for, so that none depends on its neighbours.
        preserved: What else each sample is shown with, to keep the base model's own answers.
    """

    x0_BCHW: "Tensor"
    noise_BCHW: "Tensor"
    shown_BCHW: "Tensor"
    time_B: "Tensor"
    texts: tuple[str, ...]
    weight_B: "Tensor"
    digests: tuple[bytes, ...]
    sizes: "Mapping[str, Tensor]"
    preserved: tuple[PreservedTexts, ...] = ()
    mask_BHW: "Tensor | None" = None


class Batches:
    """Makes batches; keeps latents that fit into memory."""

    def __init__(
        self,
        data: Data,
        config: Config,
        scale: float,
        shift: float,
        told: "Callable[[Sequence[PictureSizes]], dict[str, Tensor]]" = lambda pictures: {},
    ) -> None:
        """Take latents of `data` less `shift`, times `scale`.

        Args:
            told: See `Family.told`.
        """
        self.data, self.config, self.told = data, config, told
        self._scale, self._shift = scale, shift
        self._kept: OrderedDict[Path, vae.Latents] = OrderedDict()
        self._bytes = 0
        self._masked = config.masked_loss and bool(data.masks())

    def batch(
        self, keys: Sequence[str], step: int, epoch: int, places: range, process: Process
    ) -> Batch:
        """Return the input of some places of one step: the same whatever came before it.

        Args:
            keys: Of the whole step; showings, where a sample is shown several times an epoch.
            places: Indices in `keys`: those of this pass and process.
            process: Of the base model.
        """
        import torch

        seed = self.config.seed
        samples = [self.data.samples[keys[place]] for place in places]
        texts = tuple(
            text_of(
                self.data.samples[keys[n]],
                str(keys[n]),
                epoch,
                self.config,
                nth_of(keys[n]),
                step=step,
            )
            for n in places
        )
        clean = [self._drawn(one, step, n) for n, one in zip(places, samples, strict=True)]
        noise = [
            noise_of(x0, Draw(seed, step, n), self.config)
            for n, x0 in zip(places, clean, strict=True)
        ]
        times = [
            process.time(seed, step, n, self.config.density(one.concept, x0.shape[-2:]))
            for n, one, x0 in zip(places, samples, clean, strict=True)
        ]
        masks = [
            [mask_of(one.mask, one.mask_digest, x0)] if self._masked else []
            for one, x0 in zip(samples, clean, strict=True)
        ]
        digests = tuple(
            _digest([keys[n], *said], x0, eps, mask)
            for n, *said, x0, eps, mask in zip(
                places, texts, times, clean, noise, masks, strict=True
            )
        )
        prior = self.config.prior_loss_weight
        weights = torch.tensor(
            [one.weight * (prior if one.regularisation else 1.0) for one in samples]
        )
        return Batch(
            torch.stack(clean),
            torch.stack([one.asked_CHW for one in noise]),
            torch.stack([one.shown_CHW for one in noise]),
            process.times(times),
            texts,
            weights,
            digests,
            self.told([one.sizes for one in samples]),
            preserved_texts(samples, texts, self.config),
            torch.stack([*chain(*masks)]) if self._masked else None,
        )

    def _drawn(self, one: TrainingSample, step: int, place: int) -> "Tensor":
        mean, logvar = self._latents(one)
        noise = normal(self.config.seed, "posterior", step, place, tuple(mean.shape))
        return (mean + (0.5 * logvar).exp() * noise - self._shift) * self._scale

    def mean(self, one: TrainingSample) -> "Tensor":
        """Return the clean latents of a sample without the VAE's own noise, shape CHW."""
        return (self._latents(one).mean - self._shift) * self._scale

    def _latents(self, one: TrainingSample) -> vae.Latents:
        path = one.latents
        if path in self._kept:
            self._kept.move_to_end(path)
            return self._kept[path]
        found = self._kept[path] = vae.load(path, one.latents_digest)
        self._bytes += 2 * found.mean.nbytes
        while self._bytes > _CACHE_BYTES and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._bytes -= 2 * old.mean.nbytes
        return found


def inputs_digest(digests: Sequence[bytes]) -> str:
    """Return what stands in the log for the input of a step: 16 hexadecimal digits."""
    return files.digest_bytes(b"".join(digests))[:16]


def _digest(
    said: Sequence[object], x0_CHW: "Tensor", noise: Noise, mask: "Sequence[Tensor]"
) -> bytes:
    state = hashlib.sha256(files.canonical(list(said)).encode())
    each = (noise.asked_CHW,) if noise.shown_CHW is noise.asked_CHW else noise
    for tensor in (x0_CHW, *each, *mask):
        state.update(tensor.contiguous().numpy().data)
    return state.digest()
