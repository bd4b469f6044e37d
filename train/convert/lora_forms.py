"""A LoRA's tensors by the names of one way of naming, and where its alphas go."""

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prep.models import mmdit_names, safetensors_file
from prep.models.stored_tensors import StoredTensor
from prep.runtime.errors import ModelFileError
from train.convert import lora_names, stacked_pairs
from train.convert.lora_modules import (
    ALPHA,
    ALPHA_DTYPE,
    DOWN,
    UP,
    Lora,
    Module,
)  # fmt: skip
from train.families.peft_metadata import ADAPTER

_PEFT = {DOWN: "lora_A.weight", UP: "lora_B.weight"}
_NETWORK = "transformer."


def form_in(path: Path) -> str:
    """Return which way of naming most tensors of a file have: kohya, peft or comfy."""
    names = safetensors_file.header(path).tensors
    before = {"kohya": ("lora_", "lycoris_"), "comfy": ("diffusion_model.", "text_encoders.")}
    counts = {form: sum(name.startswith(words) for name in names) for form, words in before.items()}
    counts["peft"] = len(names) - sum(counts.values())
    return max(counts, key=lambda form: counts[form])


def named(lora: Lora, form: str) -> tuple[dict[str, StoredTensor], dict[str, str]]:
    """Return the tensors of a LoRA by the names of a form, and its metadata.

    Alphas are tensors of kohya's names and ComfyUI's; of peft's they are metadata, where
    diffusers reads them: `lora_adapter_metadata`.

    Args:
        form: kohya, peft or comfy.

    Raises:
        ModelFileError: That form has no names for what a module has.
    """
    others, said = lora.others(), dict(lora.metadata)
    if others and form == "peft":
        raise _no_names(lora, others, "diffusers' names")
    modules = dict(lora.modules)
    if form in lora_names.STACKED and lora.family.network == "transformer":
        modules = _stacks(lora, others)
    name_of, found = lora_names.NAMES[form], {}
    endings = _PEFT if form == "peft" else {}
    for module, tensors in sorted(modules.items()):
        word = name_of(module, lora.family)
        for ending, one in tensors.items():
            if form != "peft" or ending != ALPHA:
                found[f"{word}.{endings.get(ending, ending)}"] = one
    if form == "peft" and any(ALPHA in tensors for tensors in modules.values()):
        said |= _adapter_metadata(lora)
    return found, said


def _no_names(lora: Lora, others: Mapping[str, str], what: str) -> ModelFileError:
    kinds = " and ".join(sorted(set(others.values())))
    return ModelFileError(
        f"`{lora.path}` is a {kinds}, for which {what} have no place",
        "give `--to kohya` or `--to comfy`, or put it into a model: `train merge`",
    )


def _stacks(lora: Lora, others: Mapping[str, str]) -> dict[str, Module]:
    """Return modules by the name of the first of their stack, or by their own."""
    inner = [name.removeprefix(_NETWORK) for name in lora.modules if name.startswith(_NETWORK)]
    found = {name: one for name, one in lora.modules.items() if not name.startswith(_NETWORK)}
    for own in mmdit_names.modules_to_file(inner).values():
        names = [_NETWORK + one for one in own]
        if len(names) > 1 and others.keys() & set(names):
            raise _no_names(lora, others, "names of query, key and value together")
        first = next(name for name in names if name in lora.modules)
        found[first] = (
            stacked_pairs.stacked(names, lora.modules) if names[1:] else lora.modules[first]
        )
    return found


def _adapter_metadata(lora: Lora) -> dict[str, str]:
    """Return what diffusers reads of a LoRA's ranks and alphas, as its own files have it.

    Of text encoders names go without `text_model.`: older and newer versions find those.
    """
    parts: dict[str, dict[str, Module]] = {}
    for name, tensors in sorted(lora.modules.items()):
        part, _, inner = name.partition(".")
        parts.setdefault(part, {})[inner] = tensors
    found: dict[str, Any] = {}
    kinds = set()
    for part, modules in parts.items():
        ranks = {name: one[DOWN].shape[0] for name, one in modules.items()}
        alphas: dict[str, float] = dict(ranks)
        for name, one in modules.items():
            if ALPHA in one:
                kinds.add(one[ALPHA].dtype)
                alphas[name] = one[ALPHA].read().item()
        begin = "^" if part == lora.family.network else ""
        rank, alpha = _usual(ranks), _usual(alphas)
        found |= {
            f"{part}.r": rank,
            f"{part}.lora_alpha": alpha,
            f"{part}.rank_pattern": {begin + n: r for n, r in ranks.items() if r != rank},
            f"{part}.alpha_pattern": {begin + n: a for n, a in alphas.items() if a != alpha},
            f"{part}.target_modules": list(modules),
        }
    kind = {} if kinds == {"F32"} else {ALPHA_DTYPE: sorted(kinds)[0]}
    return {ADAPTER: json.dumps(found, sort_keys=True), **kind}


def _usual(numbers: Mapping[str, float]) -> float:
    return Counter(numbers.values()).most_common(1)[0][0]
