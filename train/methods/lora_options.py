"""What a person may choose of a LoRA: its size block by block, dropout, bounds, first numbers."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from train.adapters.adapter_kinds import Shape
from train.adapters.lora_dropout import MOST_DROPOUT, Shares
from train.block_rates import rate_of, rates_of, whole_rates_of
from train.config import Config
from train.methods.adapter_options import (
    MOST_ALPHA,
    MOST_RANK,
    AdapterOptions,
    AdapterSize,
    kernel_faults,
)
from train.option_fields import as_float32, option


@dataclass(frozen=True)
class _OnlyLora:
    """What a person may choose of a LoRA, and of no other adapter."""

    lora_plus: float = option(
        1.0, "Learning rate of the up weights over that of the down weights (LoRA+)", later=True,
        least=1, most=1000,
    )  # fmt: skip
    block_ranks: str = option(
        "", "Ranks of blocks in place of --rank, as `IN=8,MID=32,OUT03=0`; 0: a block gets none",
        later=True,
    )  # fmt: skip
    block_alphas: str = option(
        "", "Alphas of blocks in the same words; default: as their rank has it of --alpha",
        later=True,
    )  # fmt: skip
    network_dropout: float = option(
        0.0, "Share of a LoRA's inner numbers that a showing leaves out", later=True, least=0,
        most=MOST_DROPOUT,
    )  # fmt: skip
    rank_dropout: float = option(
        0.0, "Share of its ranks that a showing leaves out", later=True, least=0, most=MOST_DROPOUT
    )
    module_dropout: float = option(
        0.0, "Share of the modules whose LoRA a showing leaves out", later=True, least=0,
        most=MOST_DROPOUT,
    )  # fmt: skip
    max_norm: float = option(
        0.0, "Longest change of a module's weight: longer ones are shortened to it (1 is usual); "
        "0: never", later=True, least=0, most=1_000_000,
    )  # fmt: skip
    start_from: Path | None = option(  # noqa: RUF009  (a Path cannot change)
        None, "LoRA to go on from: its targets and ranks are those of this one", decides=False
    )

    def dropout(self) -> Shares:
        """Return how much of it a showing leaves out."""
        return Shares(self.network_dropout, self.rank_dropout, self.module_dropout)


@dataclass(frozen=True)
class LoraOptions(_OnlyLora, AdapterOptions):
    """What a person may choose of a LoRA."""

    def _ranks(self) -> dict[str, int]:
        return whole_rates_of(self.block_ranks, MOST_RANK)

    def rank_of(self, block: str) -> int:
        """Return the rank in a block; 0 where it gets no adapter."""
        return int(rate_of(block, self._ranks(), self.rank))

    def size_for(self, shape: Shape, block: str = "") -> AdapterSize:
        """Return rank and alpha of a module, by the shape of its weight and its block.

        What is said of its block goes before what is said of convolutions.
        """
        usual = super().size_for(shape)
        rank = int(rate_of(block, self._ranks(), usual.rank))
        # A scale stays what it is where a rank alone is another.
        alpha = usual.alpha * (rank / usual.rank)
        alpha = rate_of(block, rates_of(self.block_alphas, MOST_ALPHA), alpha)
        return AdapterSize(rank, as_float32(alpha))

    def said(self) -> dict[str, str]:
        """Return what kohya's scripts are told of it in `network_args`, where it is not usual."""
        words = {
            "loraplus_lr_ratio": self.lora_plus if self.lora_plus != 1 else 0,
            "block_ranks": self.block_ranks,
            "block_alphas": self.block_alphas,
            "rank_dropout": self.rank_dropout,
            "module_dropout": self.module_dropout,
        }
        return {word: str(value) for word, value in words.items() if value}


def faults(config: Config) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with settings that are good alone."""
    yield from kernel_faults(config)
    own = config.own_as(LoraOptions)
    if piece := _wrong(lambda: whole_rates_of(own.block_ranks, MOST_RANK)):
        hint = f"give each block once, with a whole number from 0 to {MOST_RANK}: `IN04=8,OUT=4`"
        yield f"`--block-ranks` has `{piece}`", hint
    if piece := _wrong(lambda: _above_0(rates_of(own.block_alphas, MOST_ALPHA))):
        hint = f"give each block once, with a number above 0, up to {MOST_ALPHA}: `IN04=8,OUT=4`"
        yield f"`--block-alphas` has `{piece}`", hint
    if config.compile and any(own.dropout()):
        told = "`--compile` is given with dropout, whose masks a compiled network would not change"
        yield told, "leave one of them out"


def _above_0(numbers: Mapping[str, float]) -> None:
    """Raise ValueError where a number is 0; its message names the piece."""
    for word, number in numbers.items():
        if not number:
            raise ValueError(f"{word}=0")


def _wrong(read: Callable[[], object]) -> str:
    """Return the piece of a text that cannot be read; empty where all can."""
    try:
        read()
    except ValueError as piece:
        return str(piece)
    return ""
