"""`train merge`: LoRAs into one, LoRAs into a base model, base models into one."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError, UsageError
from train.block_rates import BlockWeights
from train.convert import (
    base_model,
    into_model,
    lora_forms,
    lora_modules,
    made_from,
    merge_loras,
    merge_models,
)  # fmt: skip
from train.convert.base_model import BaseModel
from train.convert.conversions import check_place, of_lora
from train.convert.lora_modules import ALPHA, DOWN, Lora, Module
from train.convert.low_rank import Cut
from train.convert.merge_loras import Share
from train.convert.write_model import write_folder, write_single
from train.convert.write_weights import spilling, write_lora
from train.families.family_blocks import check_block_weights

_WEIGHED = re.compile(r"(.+):([+-]?(?:\d+\.?\d*|\.\d+))")
_ENDING = re.compile(r"(.+):([^:/\\]*)")
_MOST = 100.0
_EXACT = 1e-6


@dataclass(frozen=True)
class MergeWish:
    """What a person asks of a merge.

    Attributes:
        out: What is written: a file where it ends in `.safetensors`, else a folder.
        into: Base model that LoRAs are added to, as it was named; None for none.
        cut: Of the rank of merged LoRAs; None to let ranks add up.
        blocks: How strongly all but the first act in blocks.
        precision: fp32, fp16 or bf16; None for that of the first.
        like: A folder with the settings of a base model in one file.
        family: Of LoRAs that do not say it.
    """

    out: Path
    into: str | None = None
    cut: Cut | None = None
    blocks: BlockWeights = field(default_factory=lambda: BlockWeights({}))
    precision: str | None = None
    like: str | None = None
    family: str | None = None


def merge(words: Sequence[str], wish: MergeWish, models: Models, console: Console) -> Path:
    """Write what some LoRAs or base models are together; return its place.

    Args:
        words: LoRAs or base models, each perhaps with a weight behind a colon: `a.safetensors:0.7`.

    Raises:
        UsageError: A weight is no number, or 0.
        ConfigError: LoRAs and base models are mixed, weights of base models do not sum to 1, or
            the output is there already.
        ModelFileError: One is damaged, of another family, or holds NaN.
        ProofError, MachineError: As `write_weights.write_scratch`.
    """
    given = [_weighed(word) for word in words]
    for name, weight in given:
        if weight == 0:
            raise UsageError(f"`{name}` has the weight 0", "leave it out, or give another weight")
    whole = [_is_model(name) for name, _ in given]
    if any(whole) and not all(whole):
        lora = next(name for (name, _), one in zip(given, whole, strict=True) if not one)
        model = next(name for (name, _), one in zip(given, whole, strict=True) if one)
        raise ConfigError(
            f"`{lora}` is a LoRA, and `{model}` is a base model",
            f"put LoRAs into a base model: `--into {model}`",
        )
    check_place(wish.out, is_file=not any(whole) and wish.into is None)
    if any(whole):
        return _models(given, wish, models, console)
    shares = [
        Share(lora_modules.opened(Path(name), wish.family), 1.0 if weight is None else weight,
              wish.blocks.weights) for name, weight in given
    ]  # fmt: skip
    merge_loras.check_alike(shares)
    check_block_weights(wish.blocks, shares[0].lora.family)
    if wish.into is not None:
        return _into(shares, wish, models, console)
    return _loras(shares, wish, console)


def _weighed(word: str) -> tuple[str, float | None]:
    """Return a name and its weight; None where it has none.

    Raises:
        UsageError: The weight is no number, or too large.
    """
    found = _WEIGHED.fullmatch(word)
    if found is None or Path(word).exists():
        end = _ENDING.fullmatch(word)
        if end and not Path(word).exists() and Path(end[1]).exists():
            raise UsageError(
                f"the weight `{end[2]}` is no number", f"write it as `{Path(end[1]).name}:0.6`"
            )
        return word, None
    weight = float(found[2])
    if abs(weight) > _MOST:
        raise UsageError(f"the weight of `{word}` is too large", f"give -{_MOST:g} to {_MOST:g}")
    return found[1], weight


def _is_model(name: str) -> bool:
    path = Path(name).expanduser()
    if not path.exists():
        return path.suffix.lower() not in (".safetensors", ".ckpt") and (
            name.count("/") == 1 or name == "tiny"
        )
    return base_model.is_whole_model(path)


def _loras(shares: Sequence[Share], wish: MergeWish, console: Console) -> Path:
    """Write LoRAs as one."""
    merge_loras.check_pairs(shares)
    modules, first = merge_loras.side_by_side(shares), shares[0].lora
    rows = [made_from.source(s.lora.path, s.lora.metadata, s.weight) for s in shares]
    precision = wish.precision or precision_of(first)
    if wish.cut is None:
        _write(modules, shares, rows, replace(wish, precision=precision))
        console.say(f"merged: {wish.out}", _told(modules), out=str(wish.out), sources=rows)
        return wish.out
    with spilling(wish.out) as spill:
        kept = merge_loras.cut(modules, wish.cut, spill)
        modules = merge_loras.spilled(spill)
        _write(modules, shares, rows, replace(wish, precision=precision))
    console.say(
        f"merged: {wish.out}", _told(modules), energy_line(kept), out=str(wish.out), sources=rows,
        energy=kept,
    )  # fmt: skip
    return wish.out


def precision_of(lora: Lora) -> str:
    """Return the precision of most weights of a LoRA: fp32, fp16 or bf16."""
    words = {"F16": "fp16", "BF16": "bf16"}
    kinds = [one.dtype for module in lora.modules.values() for one in module.values() if one.shape]
    return words.get(max(sorted(set(kinds)), key=kinds.count), "fp32")


def _write(
    modules: Mapping[str, Module],
    shares: Sequence[Share],
    rows: Sequence[Mapping[str, object]],
    wish: MergeWish,
) -> None:
    first, sources = shares[0].lora, [one.lora.metadata for one in shares]
    ranks = {name: module[DOWN].shape[0] for name, module in modules.items()}
    alphas = {name: module[ALPHA].read().item() for name, module in modules.items()}
    cut = wish.cut
    said = {
        **made_from.of_new_lora(wish.out, first.family, sources, ranks, alphas),
        **made_from.certificates(sources),
        **made_from.made(
            "merge", rows, rank=cut and cut.rank, energy=cut and cut.energy,
            block_weights=dict(wish.blocks.weights) or None,
        ),
    }  # fmt: skip
    lora = Lora(first.path, first.family, modules, said)
    tensors, said = lora_forms.named(lora, lora_forms.form_in(first.path))
    write_lora(wish.out, of_lora(tensors, first.path, wish.precision), said)


def _told(modules: Mapping[str, Module]) -> str:
    ranks = [module[DOWN].shape[0] for module in modules.values()]
    rank = f"{min(ranks)}" if len(set(ranks)) == 1 else f"{min(ranks)} to {max(ranks)}"
    return f"  {counted(len(modules), 'module')} of rank {rank}"


def energy_line(kept: Mapping[str, float]) -> str:
    """Return how much of what modules add is kept, as a sentence."""
    worst = min(kept, key=lambda name: kept[name])
    mean = sum(kept.values()) / len(kept)
    return f"  energy kept: {mean:.2%} on average, least {kept[worst]:.2%} in `{worst}`"


def _into(shares: Sequence[Share], wish: MergeWish, models: Models, console: Console) -> Path:
    """Write a base model with LoRAs added to its weights."""
    base = base_model.opened(str(wish.into), models)
    found = into_model.added(base, shares)
    rows = [made_from.source(s.lora.path, s.lora.metadata, s.weight) for s in shares]
    said = made_from.certificates([base.metadata, *(one.lora.metadata for one in shares)])
    said |= made_from.made("merge", [made_from.source(base.path, base.metadata), *rows],
                           block_weights=dict(wish.blocks.weights) or None)  # fmt: skip
    _write_model(found, said, wish, models)
    changed = len({name for share in shares for name in share.lora.modules})
    console.say(
        f"merged: {wish.out}",
        f"  {counted(len(shares), 'LoRA')} in `{base.name}`: {changed} weights changed",
        out=str(wish.out),
        sources=rows,
    )
    return wish.out


def _models(
    given: Sequence[tuple[str, float | None]], wish: MergeWish, models: Models, console: Console
) -> Path:
    """Write the weighted sum of base models."""
    if wish.into is not None or wish.cut is not None:
        raise ConfigError(
            "base models are merged, and `--into` or a rank is given", "leave them out: for LoRAs"
        )
    weights = _weights([weight for _, weight in given])
    each = [base_model.opened(name, models) for name, _ in given]
    found = merge_models.merged(each, weights, wish.blocks.weights)
    check_block_weights(wish.blocks, found.family)
    rows = [made_from.source(m.path, m.metadata, w) for m, w in zip(each, weights, strict=True)]
    said = made_from.made("merge", rows, block_weights=dict(wish.blocks.weights) or None)
    _write_model(found, said | made_from.certificates([one.metadata for one in each]), wish, models)
    told = ", ".join(f"{m.name} x {w:g}" for m, w in zip(each, weights, strict=True))
    console.say(f"merged: {wish.out}", f"  {told}", out=str(wish.out), sources=rows)
    return wish.out


def _weights(given: Sequence[float | None]) -> list[float]:
    """Return the weight of each model; equal ones where none is given.

    Raises:
        ConfigError: There are too few models, or weights that do not sum to 1.
    """
    if len(given) < 2:
        raise ConfigError("there is one base model", "name two or more, or LoRAs with `--into`")
    if given.count(None) == len(given):
        return [1 / len(given)] * len(given)
    weights = [one for one in given if one is not None]
    if len(weights) < len(given) or abs(sum(weights) - 1) > _EXACT:
        raise ConfigError(
            "the weights of base models do not sum to 1",
            "give each one, as `a:0.7 b:0.3`, or `a:1 b:1 c:-1` for a + (b - c)",
        )
    return weights


def _write_model(
    model: BaseModel, said: Mapping[str, str], wish: MergeWish, models: Models
) -> None:
    """Write a changed model as file or folder; an average that it had is of another model now."""
    left = {name: one for name, one in model.left.items() if not name.startswith("model_ema.")}
    kept = {word: one for word, one in model.metadata.items() if word not in made_from.OF_A_RUN}
    model = replace(model, left=left, metadata={**kept, **said})
    if wish.out.suffix == ".safetensors":
        write_single(wish.out, model, wish.precision)
        return
    like = base_model.opened(wish.like, models) if wish.like else None
    settings = like or (model if model.path.is_dir() else None)
    write_folder(wish.out, model, settings, wish.precision)
