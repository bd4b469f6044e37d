"""The contract of a model family: numbers and functions. The loop knows nothing else of it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from prep.models.file_layouts import Layout
from train.families.noise_process import Prediction, Process
from train.families.tiny import TinyModel

if TYPE_CHECKING:
    from torch import Tensor, nn

    Conditioning = Mapping[str, Tensor]


class PictureSizes(NamedTuple):
    """The sizes of a picture as it trains, (width, height) px each.

    Attributes:
        original: Before it was resized.
        cut: What was cut off at the left and at the top of the resized picture.
        target: What the latents depict.
    """

    original: tuple[int, int]
    cut: tuple[int, int]
    target: tuple[int, int]


@dataclass(frozen=True)
class Base:
    """A base model, opened.

    Attributes:
        network: What is trained on: frozen, float32, in training mode without dropout.
        tokenizers: By the names of their folders.
        encoders: The text encoders, by the names of their folders.
        process: How latents become noise for this very model.
        device: Where network and text encoders are.
    """

    network: "nn.Module"
    tokenizers: Mapping[str, Any]
    process: Process
    device: str
    encoders: "Mapping[str, nn.Module]" = field(default_factory=dict)

    def learning(self) -> "dict[str, nn.Parameter]":
        """Return everything that is trained, by name, sorted: what a checkpoint has to hold.

        Weights of a text encoder begin with its folder's name and a dot.
        """
        each = [("", self.network), *((f"{part}.", one) for part, one in self.encoders.items())]
        found = {
            before + name: weight
            for before, module in each
            for name, weight in module.named_parameters()
            if weight.requires_grad
        }
        return dict(sorted(found.items()))

    def text_learns(self) -> bool:
        """Return whether a text encoder is trained: then no state of a text may be kept."""
        return any(w.requires_grad for one in self.encoders.values() for w in one.parameters())


@dataclass(frozen=True)
class Outline:
    """A base model looked through without reading its weights: it could be opened.

    Attributes:
        tokens: Texts -> how many tokens each is, marks at either end left out.
        most_tokens: How many of them `encode` keeps.
        unread: Tensors of its files that are no weights of it, sorted; what training code is known
            to leave behind (averages, tables of noise) is not among them.
        base: The model itself, its weights left out: on the meta device.
    """

    tokens: Callable[[list[str]], list[int]]
    most_tokens: int
    unread: tuple[str, ...] = ()
    base: Base | None = None


class Encode(Protocol):
    """(base, texts, clip_skip, chunks) -> conditioning per text."""

    def __call__(
        self, base: Base, texts: list[str], clip_skip: int = 1, chunks: int = 1
    ) -> "list[Conditioning]":
        """Return conditioning per text, without a batch axis, float32.

        A text gives the same bits whatever stands beside it. On the CPU and without gradients,
        unless a text encoder is trained: then on the device and with them.

        Args:
            clip_skip: 1 takes the family's own layer, 2 the one before it, and so on.
            chunks: Of 75 tokens each; what is longer is cut off.
        """


class Load(Protocol):
    """(place, device, dtype) -> Base."""

    def __call__(self, place: Path, device: str, dtype: str = "float32") -> Base:
        """Open a diffusers folder or a single file; everything is frozen.

        Args:
            dtype: Of the weights: float32, bfloat16 or float16.
        """


@dataclass(frozen=True)
class Family:
    """One kind of base model.

    Attributes:
        prediction: What its base models output unless their scheduler's config says otherwise.
        latent_channels: Channels of its latents.
        patterns: The files that make up a base model of it, relative to the folder.
        encoders: Folders of its text encoders in a diffusers model.
        base_version: `ss_base_model_version` of its LoRAs.
        architecture: `modelspec.architecture` of the base model.
        of_velocity: Both of a base model that predicts v, where they are others.
        tiny: A small model of its exact structure, for tests.
        layout: How a whole model of it lies in one file; None where only folders are written.
        lora_targets: Endings of the names of the network's modules that usually get an adapter.
        attention_targets: Those of them that are attention.
        convolution_targets: Endings of its other convolutions, and what belongs to them.
        text_targets: Endings of the names of a text encoder's modules.
        fits: Whether a place holds a base model of this family; reads configs and headers only.
        outline: Look one through: configs, tokenizer, names and shapes of the weights.
        layers: How many layers its text encoder has, by configs and headers only; 0: unknown.
        load: Open one.
        encode: Texts -> conditioning.
        chunks_at: (place, texts) -> the same by the files of the tokenizer alone.
        chunks: (base, texts) -> into how many chunks of 75 tokens the longest text has to be cut,
            at most 3: with so many `encode` keeps all that it can keep.
        sizes: A picture's sizes -> what the network is told of them, by names; empty for nothing.
        denoise: (network, noisy_BCHW, timestep_B, conditioning with a batch axis) -> BCHW.
        export_name: A module's name in the network -> its name in a kohya file. Modules of a text
            encoder begin with the encoder's folder and a dot.
    """

    name: str
    prediction: Prediction
    latent_channels: int
    patterns: tuple[str, ...]
    base_version: str
    architecture: str
    lora_targets: tuple[str, ...]
    attention_targets: tuple[str, ...]
    convolution_targets: tuple[str, ...]
    text_targets: tuple[str, ...]
    fits: Callable[[Path], bool]
    outline: Callable[[Path], Outline]
    layers: Callable[[Path], int]
    load: Load
    encode: Encode
    chunks_at: Callable[[Path, list[str]], int]
    chunks: Callable[[Base, list[str]], int]
    denoise: "Callable[[nn.Module, Tensor, Tensor, Conditioning], Tensor]"
    export_name: Callable[[str], str]
    tiny: TinyModel
    sizes: Callable[[PictureSizes], Mapping[str, tuple[float, ...]]] = lambda sizes: {}
    encoders: tuple[str, ...] = ("text_encoder",)
    of_velocity: tuple[str, str] | None = None
    layout: Layout | None = None

    def told(self, pictures: Sequence[PictureSizes], device: str = "cpu") -> "dict[str, Tensor]":
        """Return what the network is told of some pictures' sizes, float32, shape (B, N) each."""
        import torch

        each = [self.sizes(picture) for picture in pictures]
        kind = torch.float32
        return {
            name: torch.tensor([one[name] for one in each], dtype=kind, device=device)
            for name in each[0]
        }

    def names_of(self, prediction: Prediction) -> tuple[str, str]:
        """Return `ss_base_model_version` and `modelspec.architecture` of a base model of it."""
        usual = (self.base_version, self.architecture)
        velocity = prediction is Prediction.V_PREDICTION
        return self.of_velocity if velocity and self.of_velocity else usual

    def targets(self, wish: str) -> tuple[str, ...]:
        """Return endings for `attention`, `transformer` (the usual ones) or `convolutions`."""
        more = {
            "attention": self.attention_targets,
            "transformer": self.lora_targets,
            "convolutions": (*self.lora_targets, *self.convolution_targets),
        }
        return more[wish]
