"""The contract of a model family: numbers and five functions. The loop knows nothing else of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    Conditioning = Mapping[str, Tensor]


class Prediction(StrEnum):
    """What a network says of a mixture of latents and noise."""

    EPSILON = "epsilon"
    V_PREDICTION = "v_prediction"


@dataclass(frozen=True)
class Base:
    """A base model, opened.

    Attributes:
        network: What is trained on: frozen, float32, in training mode without dropout.
        text: Tokenizers and text encoders, as the family's `encode` wants them.
        alpha_bar_T: Cumulative product of 1 - beta per timestep, float32, on the CPU.
        prediction: What this very model was trained to output.
        device: Where network and text encoders are.
    """

    network: "nn.Module"
    text: Mapping[str, Any]
    alpha_bar_T: "Tensor"
    prediction: Prediction
    device: str


@dataclass(frozen=True)
class Family:
    """One kind of base model.

    Attributes:
        prediction: What its base models output unless their scheduler's config says otherwise.
        latent_channels: Channels of its latents.
        patterns: The files that make up a base model of it, relative to the folder.
        base_version: `ss_base_model_version` of its LoRAs.
        architecture: `modelspec.architecture` of the base model.
        lora_targets: Endings of the names of the modules that get an adapter.
        fits: Whether a folder holds a base model of this family; reads configs only.
        load: (folder, device) -> Base.
        encode: (base, texts) -> conditioning per text, without a batch axis, float32, on the CPU;
            a text gives the same bits whatever stands beside it.
        overlong: (base, texts) -> those with more tokens than `encode` keeps.
        denoise: (network, noisy_BCHW, timestep_B, conditioning with a batch axis) -> BCHW.
        export_name: A module's name in the network -> its name in a kohya file.
    """

    name: str
    prediction: Prediction
    latent_channels: int
    patterns: tuple[str, ...]
    base_version: str
    architecture: str
    lora_targets: tuple[str, ...]
    fits: Callable[[Path], bool]
    load: Callable[[Path, str], Base]
    encode: "Callable[[Base, list[str]], list[Conditioning]]"
    overlong: Callable[[Base, list[str]], list[str]]
    denoise: "Callable[[nn.Module, Tensor, Tensor, Conditioning], Tensor]"
    export_name: Callable[[str], str]
