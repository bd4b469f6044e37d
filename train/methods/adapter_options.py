"""What methods that put an adapter beside a base model let a person choose alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from train.config import Config
from train.families.family import Family
from train.option_fields import as_float32, deciding, option

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


@dataclass(frozen=True)
class RankOptions(TargetOptions):
    """How wide an adapter is within, and how strongly it acts.

    Attributes:
        alpha: Scale of the adapter times rank; None means rank, a scale of one.
    """

    rank: int = option(16, "Inner width of the adapter", least=1, most=1024)
    alpha: float | None = option(
        None, "Scale of the adapter times rank; default: the rank", least=1e-6, most=100_000
    )

    def scale(self) -> float:
        """Return alpha after its default.

        It is the float32 number nearest to what was given, which is what a LoRA file holds:
        training, export and certificate have one and the same scale.
        """
        return float(self.rank) if self.alpha is None else as_float32(self.alpha)

    def deciding(self) -> Mapping[str, Any]:
        """Return all of them, with alpha after its default."""
        return deciding(self) | {"alpha": self.scale()}


def endings_of(part: str, family: Family, config: Config) -> tuple[str, ...]:
    """Return the endings of the names of what gets an adapter in a text encoder, or the network.

    Args:
        part: Folder of the text encoder; empty for the network.
    """
    return family.text_targets if part else family.targets(config.own_as(TargetOptions).targets)
