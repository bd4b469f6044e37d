"""`train extract`: the LoRA that is nearest to what a tuned model has otherwise than its base.

Deterministic: nothing is drawn by chance, see `low_rank.of_matrix`. Source of the options:
kohya-ss/sd-scripts, networks/extract_lora_from_models.py; see docs/convert.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from prep.models.locate import Models
from prep.models.safetensors_file import TYPES
from prep.models.stored_tensors import StoredTensor
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError
from train.convert import base_model, low_rank, made_from, merge_loras, merge_models
from train.convert.base_model import BaseModel
from train.convert.conversions import check_place, of_lora
from train.convert.lora_forms import named
from train.convert.lora_modules import ALPHA, DOWN, UP, Lora
from train.convert.low_rank import Cut, LessRank
from train.convert.merging import energy_line
from train.convert.write_weights import Spill, checked, spilling, write_lora
from train.families.lora_layout import KOHYA


@dataclass(frozen=True)
class ExtractWish:
    """What a person asks of an extraction.

    Attributes:
        out: The LoRA to write.
        kernels: Whether kernels of more than one pixel get a pair, too.
        clamp: Quantile of a pair's numbers beyond which they are cut off; 1 for none.
        precision: fp32, fp16 or bf16.
    """

    out: Path
    cut: Cut
    kernels: bool = False
    clamp: float = 1.0
    precision: str = "fp32"


def extract(tuned: str, base: str, wish: ExtractWish, models: Models, console: Console) -> Path:
    """Write the LoRA between two models of one family, in whatever layouts; return its place.

    Modules are those that LoRAs usually have; a text encoder has some where it differs.

    Raises:
        ConfigError: The output is there already, or the models do not differ there.
        ModelFileError: A model is damaged, of another family than the other, or holds NaN.
        ProofError, MachineError: As `write_weights.write_scratch`.
    """
    out = wish.out
    check_place(out, is_file=True)
    two, one = base_model.opened(tuned, models), base_model.opened(base, models)
    merge_models.check_alike([one, two])
    with spilling(out) as spill:
        kept = _pairs(one, two, wish, spill, console)
        if not kept:
            raise ConfigError(
                f"`{tuned}` and `{base}` do not differ where LoRAs act", "name two other models"
            )
        modules = merge_loras.spilled(spill)
        lora = Lora(one.path, one.family, modules, _said(one, two, modules, wish))
        tensors, said = named(lora, "kohya" if one.family.lora_layout is KOHYA else "peft")
        write_lora(out, of_lora(tensors, two.path, wish.precision), said)
    console.say(
        f"extracted: {out}",
        f"  {counted(len(kept), 'module')} that differ",
        energy_line(kept),
        *_left(one, two, kept),
        out=str(out),
        energy=kept,
    )
    return out


def targets(model: BaseModel, kernels: bool) -> dict[str, StoredTensor]:
    """Return the weights of the modules that LoRAs of a family usually change, by module."""
    family, found = model.family, {}
    usual = (*family.lora_targets, *(family.convolution_targets if kernels else ()))
    texts = dict.fromkeys(family.encoders, family.text_targets)
    for part, endings in {family.network: usual, **texts}.items():
        for name, one in model.parts.get(part, {}).items():
            module = name.removesuffix(".weight")
            if module != name and module.endswith(endings) and len(one.shape) in (2, 4):
                found[f"{part}.{module}"] = one
    return found


def _pairs(
    one: BaseModel, two: BaseModel, wish: ExtractWish, spill: Spill, console: Console
) -> dict[str, float]:
    """Write a pair for each module that differs; return the energy that each keeps."""
    before = checked(targets(one, wish.kernels), one.path)
    after = checked(targets(two, wish.kernels), two.path)
    kept = {}
    with console.progress("extracting", len(before)) as progress:
        for name in sorted(before):
            progress.advance()
            if _same(before[name], after[name]):
                continue
            change = after[name].read().float() - before[name].read().float()
            less = _clamped(low_rank.of_matrix(change, wish.cut), wish.clamp)
            spill.add(f"{name}/{DOWN}", less.down)
            spill.add(f"{name}/{UP}", less.up)
            spill.add(f"{name}/{ALPHA}", merge_loras.number(len(less.down)))
            kept[name] = less.energy
    return kept


def _clamped(pair: LessRank, quantile: float) -> LessRank:
    """Return a pair whose largest numbers are cut off, as kohya's script does."""
    import torch

    if quantile >= 1:
        return pair
    each = torch.cat([pair.down.flatten(), pair.up.flatten()]).abs()
    place = max(1, round(quantile * len(each)))  # torch.quantile takes no more than 16 million
    most = each.kthvalue(place).values.item()
    return pair._replace(down=pair.down.clamp(-most, most), up=pair.up.clamp(-most, most))


def _left(one: BaseModel, two: BaseModel, kept: Mapping[str, float]) -> list[str]:
    """Return a line on what differs and is in no LoRA, where there is such."""
    mine = {f"{name.replace('.', '/', 1)}.weight" for name in kept}
    now = two.all()
    other = [
        name for name, was in one.all().items() if name not in mine and not _same(was, now[name])
    ]
    if not other:
        return []
    return [f"  {counted(len(other), 'tensor')} that differ, too, are in no module of the LoRA"]


def _same(one: StoredTensor, two: StoredTensor) -> bool:
    """Return whether two tensors are equal in the less exact of their dtypes."""
    import torch

    kinds = [getattr(torch, TYPES[each.dtype]) for each in (one, two)]
    coarse = max(kinds, key=lambda kind: torch.finfo(kind).eps if kind.is_floating_point else 0)
    return torch.equal(one.read().to(coarse), two.read().to(coarse))


def _said(
    one: BaseModel,
    two: BaseModel,
    modules: Mapping[str, Mapping[str, StoredTensor]],
    wish: ExtractWish,
) -> dict[str, str]:
    ranks = {name: module[DOWN].shape[0] for name, module in modules.items()}
    alphas = {name: float(rank) for name, rank in ranks.items()}
    rows = [made_from.source(each.path, each.metadata) for each in (two, one)]
    numbers = {
        "rank": wish.cut.rank, "conv_rank": wish.cut.of_kernels, "energy": wish.cut.energy,
        "clamp": wish.clamp if wish.clamp < 1 else None,
    }  # fmt: skip
    return {
        **made_from.of_new_lora(wish.out, one.family, [], ranks, alphas),
        **made_from.certificates([two.metadata]),
        **made_from.made("extract", rows, **numbers),
        "ss_sd_model_name": one.path.name,
    }
