"""What a person asks `train sample` for: rows, columns, and whether they go together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prep.runtime.errors import ConfigError, UsageError
from train.adapters.file_kinds import called_by
from train.adapters.lora_metadata import calling_words, trained_size
from train.block_rates import BlockWeights
from train.families.family import Family
from train.families.family_blocks import check_block_weights
from train.samples.prompt_files import read
from train.samples.prompts import Prompt, check_drawable, parse
from train.samples.subject import Subject

_USUAL_SIDE = 512


@dataclass(frozen=True)
class Wish:
    """What a sheet shows.

    Attributes:
        prompts: A row for each, and for each of `seeds` where its line says none.
        strengths: A column for each, beside the base model's; of all LoRAs, times their own.
        base: The base model; None for the one in the run folder's `config.json`.
        each: Folder that gets every picture alone too, or None.
        clip_skip: The layer of the text encoder, from the end; None for the one the LoRA was
            trained with.
        grid: (rows, columns) of a plain grid of one prompt with seeds that follow each other; None
            for a labelled sheet.
        block_weights: Block or group of blocks -> how strongly LoRAs act there, times the rest.
        block_numbers: By how many numbers that was said; 0 where blocks were named.
    """

    prompts: Sequence[Prompt]
    strengths: Sequence[float]
    seeds: Sequence[int]
    base: str | None = None
    device: str = "auto"
    each: Path | None = None
    clip_skip: int | None = None
    grid: tuple[int, int] | None = None
    block_weights: Mapping[str, float] = field(default_factory=dict)
    block_numbers: int = 0


def asked(
    subject: Subject, texts: Sequence[str], file: Path | None, usual: Mapping[str, Any]
) -> list[Prompt]:
    """Return the prompts for a subject: those given, else the words that call it.

    Pictures have the size that most samples of the first LoRA had; 0 where it is not known.

    Args:
        texts: Prompts on the command line, lines as in a file.
        usual: Further fields of `Prompt`.

    Raises:
        UserError: A prompt, or the file of prompts, has mistakes, or no prompt is known.
    """
    width, height = trained_size(subject.metadata[0])
    plain = Prompt("", **{"width": width, "height": height, **usual})
    found = [parse(text, plain) for text in texts]
    if file is not None:
        found += read(file, plain)
    words = [words for told in subject.metadata if (words := calling_words(told))]
    if not found and words:
        found = [replace(plain, text=", ".join(words))]
    if not found:
        raise ConfigError(
            f"no words that call `{subject.first}` are known", "say what to draw: `--prompt`"
        )
    return found


def check_together(subject: Subject, wish: Wish) -> None:
    """Raise UsageError where a wish has no meaning for what is drawn."""
    given = {
        "--base": wish.base is not None,
        "--strength": list(wish.strengths) != [1.0],
        "--block-weights": bool(wish.block_weights),
    }
    for option, is_given in given.items():
        if subject.model and is_given:
            raise UsageError(
                f"`{option}` is for LoRAs, and `{subject.model}` is a whole model", "leave it out"
            )
    called = called_by(subject.loras)
    for option in ("--strength", "--block-weights"):
        if subject.loras and len(called) == len(subject.shown()) and given[option]:
            raise UsageError(
                f"`{option}` is given, and an embedding has no strength",
                f"weigh its word in the prompt: `({next(iter(called.values())).word}:0.8)`",
            )
    if wish.grid is None:
        return
    if len(wish.prompts) != 1 or len(wish.seeds) > 1 or len(wish.strengths) != 1:
        raise UsageError(
            "`--grid` shows one prompt, at one strength, with seeds that follow each other",
            "give one `--prompt`, at most one `--strength` and one `--seed`, the first",
        )


def rows_of(wish: Wish, side: int) -> list[Prompt]:
    """Return the prompts with their seeds and sizes.

    Args:
        side: Of the pictures that a model was made for, px; 0 where it does not say.
    """
    side = side or _USUAL_SIDE
    rows = [
        replace(one, seed=seed, width=one.width or side, height=one.height or side)
        for one in wish.prompts
        for seed in (not one.own_seed and wish.seeds) or [one.seed]
    ]
    if wish.grid is None:
        return rows
    high, wide = wish.grid
    return [replace(rows[0], seed=rows[0].seed + n) for n in range(high * wide)]


def seeds_note(wish: Wish) -> list[str]:
    """Return what a person should know where seeds are given and no prompt takes them."""
    idle = wish.seeds and all(one.own_seed for one in wish.prompts)
    return ["`--seed` changes nothing: each prompt says its own by `--d`"] if idle else []


def check_family(wish: Wish, rows: Sequence[Prompt], family: Family) -> None:
    """Raise ConfigError where a model of a family cannot draw what is wished for."""
    for row in rows:
        check_drawable(row, family)
    check_block_weights(BlockWeights(wish.block_weights, wish.block_numbers), family)
