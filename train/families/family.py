"""The contract of a model family: numbers and functions. The loop knows nothing else of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from prep.models.file_layouts import Layout
from prep.models.latent_space import LatentSpace
from train.families.diffusion_process import DIFFUSION
from train.families.lora_layout import KOHYA, LoraLayout
from train.families.noise_process import Prediction, Process, ProcessKind
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
        process: How latents become noise for this very model.
        device: Where the network is; the text encoders, too, unless they were put away.
        encoders: The text encoders that can learn, by the names of their folders.
        part: Folder of the network in a diffusers model.
        frozen: The text encoders that never learn, by the names of their folders.
    """

    network: "nn.Module"
    tokenizers: dict[str, Any]
    process: Process
    device: str
    encoders: "Mapping[str, nn.Module]" = field(default_factory=dict)
    part: str = "unet"
    frozen: "Mapping[str, nn.Module]" = field(default_factory=dict)

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

    def put_away(self) -> None:
        """Move the text encoders to the CPU: the states of the texts to come are kept."""
        import torch

        for encoder in self._readers():
            encoder.to("cpu")
        if self.device != "cpu":
            torch.cuda.empty_cache()

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Return a block in which the text encoders are on the device, put away or not."""
        kind = self.device.split(":")[0]
        away = [
            encoder for encoder in self._readers() if next(encoder.parameters()).device.type != kind
        ]
        for encoder in away:
            encoder.to(self.device)
        try:
            yield
        finally:
            for encoder in away:
                encoder.to("cpu")

    def _readers(self) -> "list[nn.Module]":
        return [*self.encoders.values(), *self.frozen.values()]

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
    """(base, texts, clip_skip, chunks, weighted) -> conditioning per text."""

    def __call__(
        self,
        base: Base,
        texts: list[str],
        clip_skip: int = 1,
        chunks: int = 1,
        *,
        weighted: bool = False,
    ) -> "list[Conditioning]":
        """Return conditioning per text, without a batch axis, float32.

        On the device. A text gives the same bits whatever stands beside it, without gradients,
        unless a text encoder is trained: then with them, and each encoder reads all texts at once,
        whose number decides the last bits. Encoders that were put away are used within
        `base.reading()`.

        Args:
            clip_skip: 1 takes the family's own layer, 2 the one before it, and so on.
            chunks: Of 75 tokens each; what is longer is cut off.
            weighted: Whether brackets give words weights, as `weighted_words` reads them: the state
                of each of a word's tokens is multiplied by its weight, pooled states are not. Else
                brackets are letters. A text without brackets and backslashes gives the same bits
                either way.
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
        space: What its latents are like.
        process: The kind of its process.
        convolved: Whether its network is one of convolutions: those are faster on a card where the
            channels of a pixel lie together.
        side_step: Both sides of its pictures are multiples of it, px.
        patterns: The files that make up a base model of it, relative to the folder.
        network: Folder of what is trained in a diffusers model.
        encoders: Folders of its text encoders that can learn.
        frozen: Those of its text encoders that never learn, which a base model may lack.
        optional: The files that make up those, relative to the folder.
        chunked: Whether long texts are read in chunks of 75 tokens.
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
        export_name: A module's name in the network -> its name in a LoRA file. Modules of a text
            encoder begin with the encoder's folder and a dot.
        lora_layout: How its LoRA files name the weights of a module.
        blocks: Names of the network's blocks, in the order in which it goes through them.
        block_of: Name of a module or weight of the network -> that of its block.
        embeddings: Folder of a text encoder -> what files of embeddings call its vectors.
        hypernetworks: Whether WebUIs read hypernetworks for it.
    """

    name: str
    prediction: Prediction
    space: LatentSpace
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
    blocks: tuple[str, ...]
    block_of: Callable[[str], str]
    tiny: TinyModel
    sizes: Callable[[PictureSizes], Mapping[str, tuple[float, ...]]] = lambda sizes: {}
    network: str = "unet"
    encoders: tuple[str, ...] = ("text_encoder",)
    frozen: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    chunked: bool = True
    lora_layout: LoraLayout = KOHYA
    of_velocity: tuple[str, str] | None = None
    layout: Layout | None = None
    process: ProcessKind = DIFFUSION
    convolved: bool = False
    side_step: int = 8
    embeddings: Mapping[str, str] = field(default_factory=dict)
    hypernetworks: bool = False

    def told(self, pictures: Sequence[PictureSizes], device: str = "cpu") -> "dict[str, Tensor]":
        """Return what the network is told of some pictures' sizes, float32, shape (B, N) each."""
        import torch

        each = [self.sizes(picture) for picture in pictures]
        kind = torch.float32
        return {
            name: torch.tensor([one[name] for one in each], dtype=kind, device=device)
            for name in each[0]
        }

    def all_blocks(self) -> tuple[str, ...]:
        """Return the names of the network's blocks, and of the text encoders: `TE1`, `TE2`."""
        return (*self.blocks, *(f"TE{number}" for number, _ in enumerate(self.encoders, 1)))

    def block(self, name: str) -> str:
        """Return the block of a module or weight; those of an encoder begin with its folder."""
        part = name.partition(".")[0]
        if part in self.encoders:
            return f"TE{self.encoders.index(part) + 1}"
        return self.block_of(name)

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
