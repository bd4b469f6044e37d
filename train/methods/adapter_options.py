"""What methods that put an adapter beside a base model let a person choose alike."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from train.adapters.adapter_kinds import Shape
from train.adapters.lora_layers import is_kernel
from train.config import Config
from train.families.family import Family
from train.option_fields import as_float32, deciding, flag, option

MOST_RANK, MOST_ALPHA = 1024, 100_000
# Each holds the modules of the one before it: kohya's names for SD 1.x count 128, 192 and 278.
TARGETS = ("attention", "transformer", "convolutions")


@dataclass(frozen=True)
class TargetOptions:
    """Where an adapter goes."""

    targets: str = option(
        "transformer", "Where the adapter goes: attention, transformer or convolutions",
        words=TARGETS,
    )  # fmt: skip

    def deciding(self) -> Mapping[str, Any]:
        """Return all of them."""
        return deciding(self)


class AdapterSize(NamedTuple):
    """How wide the adapter of a module is within, and its scale times that."""

    rank: int
    alpha: float


@dataclass(frozen=True)
class RankOptions:
    """How wide an adapter is within, and how strongly it acts.

    Attributes:
        alpha: Scale of the adapter times rank; None means rank, a scale of one.
        conv_rank: Of kernels of more than one pixel; None means rank.
        conv_alpha: Of these; None means that of all, or `conv_rank` where this is given.
    """

    rank: int = option(16, "Inner width of the adapter", least=1, most=MOST_RANK)
    alpha: float | None = option(
        None, "Scale of the adapter times rank; default: the rank", least=1e-6, most=MOST_ALPHA
    )
    conv_rank: int | None = option(
        None, "Rank of convolutions of more than one pixel; default: --rank", later=True, least=1,
        most=MOST_RANK,
    )  # fmt: skip
    conv_alpha: float | None = option(
        None, "Alpha of these; default: --conv-rank, or else --alpha", later=True, least=1e-6,
        most=MOST_ALPHA,
    )  # fmt: skip

    def scale(self) -> float:
        """Return alpha after its default.

        It is the float32 number nearest to what was given, which is what a LoRA file holds:
        training, export and certificate have one and the same scale.
        """
        return float(self.rank) if self.alpha is None else as_float32(self.alpha)

    def of_kernels(self) -> AdapterSize:
        """Return rank and alpha of kernels of more than one pixel.

        Source:
            kohya-ss/sd-scripts (commit 48d368fa), networks/lora.py, `conv_dim`: a kernel of one
            pixel counts as a matrix.
        """
        usual = self.scale() if self.conv_rank is None else float(self.conv_rank)
        alpha = usual if self.conv_alpha is None else as_float32(self.conv_alpha)
        return AdapterSize(self.conv_rank or self.rank, alpha)

    def size_for(self, shape: Shape, _block: str = "") -> AdapterSize:
        """Return rank and alpha of the adapter of a module, by the shape of its weight."""
        return self.of_kernels() if is_kernel(shape) else AdapterSize(self.rank, self.scale())


@dataclass(frozen=True)
class AdapterOptions(TargetOptions, RankOptions):
    """Both: rank and alpha come first."""

    def deciding(self) -> Mapping[str, Any]:
        """Return all of them, with alphas as float32 has them, and alpha after its default."""
        found = deciding(self) | {"alpha": self.scale()}
        if self.conv_alpha is not None:
            found["conv_alpha"] = as_float32(self.conv_alpha)
        return found

    def said_of_kernels(self) -> dict[str, str]:
        """Return what kohya's scripts and LyCORIS are told of convolutions, where they train."""
        if self.targets != TARGETS[-1]:
            return {}
        rank, alpha = self.of_kernels()
        return {"conv_dim": str(rank), "conv_alpha": str(alpha)}


def kernel_faults(config: Config) -> Iterator[tuple[str, str]]:
    """Yield that something is said of convolutions, where none has an adapter."""
    if not isinstance(config.own, AdapterOptions) or config.own.targets == TARGETS[-1]:
        return
    for name in ("conv_rank", "conv_alpha"):
        if getattr(config.own, name) is not None:
            yield (
                f"`{flag(name)}` is given, and convolutions get no adapter",
                f"let them have one: `--targets {TARGETS[-1]}`, or leave it out",
            )


def endings_of(part: str, family: Family, config: Config) -> tuple[str, ...]:
    """Return the endings of the names of what gets an adapter in a text encoder, or the network.

    Args:
        part: Folder of the text encoder; empty for the network.
    """
    return family.text_targets if part else family.targets(config.own_as(TargetOptions).targets)
