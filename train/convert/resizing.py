"""`train resize`: a LoRA of another rank, by the singular values of what it adds.

Source of the options: kohya-ss/sd-scripts, networks/resize_lora.py; see docs/convert.md.
"""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from prep.runtime.console import Console
from train.convert import lora_forms, lora_modules, made_from, merge_loras
from train.convert.conversions import check_place, of_lora
from train.convert.lora_modules import ALPHA, DOWN, Lora, Module
from train.convert.low_rank import Cut
from train.convert.merge_loras import Share, check_pairs
from train.convert.merging import energy_line, precision_of
from train.convert.write_weights import checked, spilling, write_lora


def resize(
    source: Path,
    out: Path,
    cut: Cut,
    console: Console,
    *,
    precision: str | None = None,
    family: str | None = None,
) -> Path:
    """Write a LoRA with less rank; return its place.

    Each module keeps its largest singular values, computed in float64 from its two factors alone.
    Alpha is the rank of each: its scale is a part of the weights.

    Args:
        source: Its file, or the folder of the run that made it.
        precision: fp32, fp16 or bf16; None for that of the source.
        family: Of a LoRA that does not say it.

    Raises:
        ConfigError: The output is there already.
        ModelFileError: The source is damaged, no plain LoRA, or holds NaN.
        ProofError, MachineError: As `write_weights.write_scratch`.
    """
    check_place(out, is_file=True)
    lora = lora_modules.opened(source, family)
    check_pairs([Share(lora, 1.0, {})])
    modules = {name: checked(one, lora.path) for name, one in lora.modules.items()}
    with spilling(out) as spill:
        kept = merge_loras.cut(modules, cut, spill)
        found = merge_loras.spilled(spill)
        made = Lora(lora.path, lora.family, found, _said(lora, found, cut, out))
        tensors, said = lora_forms.named(made, lora_forms.form_in(lora.path))
        write_lora(out, of_lora(tensors, lora.path, precision or precision_of(lora)), said)
    before, after = (_ranks(each) for each in (modules, found))
    console.say(
        f"resized: {out}",
        f"  rank {_told(before)} -> {_told(after)}",
        energy_line(kept),
        out=str(out),
        ranks=after,
        energy=kept,
    )
    for name, energy in kept.items():
        console.detail(f"{name}: rank {before[name]} -> {after[name]}, energy {energy:.2%}")
    return out


def _ranks(modules: Mapping[str, Module]) -> dict[str, int]:
    return {name: module[DOWN].shape[0] for name, module in modules.items()}


def _told(ranks: Mapping[str, int]) -> str:
    """Return ranks as a person says them: `8`, or `2 to 16, mostly 8`."""
    counts = Counter(ranks.values())
    if len(counts) == 1:
        return str(next(iter(counts)))
    most = max(sorted(counts), key=lambda rank: counts[rank])
    return f"{min(counts)} to {max(counts)}, mostly {most}"


def _said(lora: Lora, modules: Mapping[str, Module], cut: Cut, out: Path) -> dict[str, str]:
    """Return the metadata of a resized LoRA: its own, certificate and all, and how it was made."""
    ranks = _ranks(modules)
    alphas = {name: module[ALPHA].read().item() for name, module in modules.items()}
    row = made_from.source(lora.path, lora.metadata)
    numbers = {"rank": cut.rank, "conv_rank": cut.of_kernels, "energy": cut.energy}
    return {
        **lora.metadata,
        **made_from.sizes(ranks, alphas),
        **made_from.made("resize", [row], **numbers),
        "ss_output_name": out.stem,
        "modelspec.title": out.stem,
    }
