"""How torch computes a training: kernels, layout, memory. It decides last bits alone."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from types import MappingProxyType
from typing import Any

from prep.runtime.errors import MachineError
from train.config import Config
from train.families.family import Base, Family
from train.step.compiled import compile_network

# Ways to compute attention that are torch's own -> its name of the only kernel that may be taken.
_ONLY: Mapping[str, str] = MappingProxyType(
    {"memory-efficient": "EFFICIENT_ATTENTION", "math": "MATH"}
)
_NO_KERNEL = ("No available kernel", "No viable backend")  # what torch says, on a card and a CPU


@contextmanager
def kernels(device: str, attention: str) -> Iterator[None]:
    """Return a block in which attention is computed as asked, and float32 products fast on a card.

    There they are made of TensorFloat-32: 10 bits of each factor behind the point. What torch was
    set to is set back at the end.

    Args:
        attention: See `Config`.

    Raises:
        MachineError: There is no such kernel for what the block computes.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    before = torch.get_float32_matmul_precision()
    with ExitStack() as stack:
        if attention in _ONLY:
            stack.enter_context(sdpa_kernel(getattr(SDPBackend, _ONLY[attention])))
        if device != "cpu":
            torch.set_float32_matmul_precision("high")
            stack.callback(torch.set_float32_matmul_precision, before)
        try:
            yield
        except RuntimeError as error:
            if not any(told in str(error) for told in _NO_KERNEL):
                raise
            raise MachineError(
                f"`--attention {attention}` cannot compute this model here", "use `sdpa`"
            ) from error


def make_ready(base: Base, family: Family, config: Config) -> None:
    """Change in place how a base model computes; what learns in it is attached already."""
    network: Any = base.network
    if family.convolved and base.device != "cpu":
        lay_channels_last(network)
    if config.gradient_checkpointing:
        checkpoint_activations(base)
    if config.attention == "xformers":
        network.enable_xformers_memory_efficient_attention()
    if config.compile:
        compile_network(network)


def lay_channels_last(network: Any) -> None:
    """Let the channels of a pixel lie together, in what a network computes and in its weights."""
    import torch

    network.to(memory_format=torch.channels_last)


def checkpoint_activations(base: Base, wish: bool = True) -> None:
    """Let the network, and text encoders that learn, compute activations twice, or once."""
    network: Any = base.network
    if wish:
        network.enable_gradient_checkpointing()
    else:
        network.disable_gradient_checkpointing()
    for encoder in base.encoders.values() if base.text_learns() else ():
        checkpoint_encoder(encoder, wish)


def checkpoint_encoder(encoder: Any, wish: bool = True) -> None:
    """Let a text encoder compute its activations twice, to save memory, or once: the same bits."""
    from transformers.modeling_layers import GradientCheckpointingLayer

    # transformers 5.23 has the second name alone, 5.24 warns of it.
    newer = getattr(encoder, "activation_checkpointing_enable", None)
    (newer or encoder.gradient_checkpointing_enable)({"use_reentrant": False})
    for layer in encoder.modules():
        if isinstance(layer, GradientCheckpointingLayer):
            layer.training = wish  # it asks for that; what is within it has its dropout off
