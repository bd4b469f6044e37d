"""A file of adapters as modules with their tensors, whatever names it was written with.

Tensors are not read yet. Those of a module go by the endings of kohya's and LyCORIS' names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from prep.models import file_layouts, safetensors_file, stored_tensors
from prep.models.stored_tensors import StoredTensor
from prep.runtime.counts import counted, first_few
from prep.runtime.errors import ModelFileError
from train.adapters import adapter_file
from train.adapters.adapter_kinds import ENDINGS, whole_kind
from train.adapters.run_exports import export_of
from train.convert import stacked_pairs
from train.convert.lora_family import family_of
from train.convert.lora_names import modules_of
from train.families.family import Family
from train.families.peft_metadata import ADAPTER, alpha_of, config_in
from train.weights import tensor_names
from train.weights.tensor_names import KOHYA

if TYPE_CHECKING:
    from torch import Tensor

DOWN, UP, MID = (KOHYA[role] for role in (tensor_names.DOWN, tensor_names.UP, tensor_names.MID))
ALPHA = tensor_names.ALPHA
ALPHA_DTYPE = "prep_alpha_dtype"  # of the numbers that became metadata, where it is not F32
_READ = {*ENDINGS, MID, ALPHA}
# Endings behind names of diffusers' attention processors, and of peft's magnitudes of one axis.
_UNREAD = re.compile(r"(_lora\.(down|up)\.weight|\.lora_magnitude_vector[a-z.]*)$")
_PAIR = ({DOWN, UP}, {DOWN, UP, ALPHA})
Module = Mapping[str, StoredTensor]


@dataclass(frozen=True)
class Lora:
    """A file of adapters.

    Attributes:
        modules: Name of each module, see `lora_names` -> its tensors by their endings.
        metadata: What it says of itself.
    """

    path: Path
    family: Family
    modules: Mapping[str, Module]
    metadata: Mapping[str, str]

    def others(self) -> dict[str, str]:
        """Return the modules that have no plain pair of a LoRA, and what they have."""
        return {name: _kind(module) for name, module in self.modules.items() if not is_pair(module)}


def is_pair(module: Module) -> bool:
    """Return whether a module has a plain pair of a LoRA: down and up, perhaps alpha."""
    return set(module) in _PAIR


def pair_of(module: Module) -> "tuple[Tensor, Tensor, float]":
    """Return a module's down and up weight and the scale of their product."""
    down = module[DOWN].read()
    return down, module[UP].read(), scale_of(module)


def scale_of(module: Module) -> float:
    """Return alpha over rank of a module with a pair; 1 where there is no alpha."""
    alpha = module.get(ALPHA)
    return 1.0 if alpha is None else alpha.read().item() / module[DOWN].shape[0]


def opened(place: Path, wish: str | None = None) -> Lora:
    """Return a LoRA: its file, or the folder of the run that made it; only headers are read.

    Args:
        wish: The family, where a person names it.

    Raises:
        ModelFileError: It is missing, damaged, no LoRA, holds what is of no LoRA, or does not say
            of which family it is.
    """
    path = export_of(place)
    if not path.is_file():
        raise adapter_file.absent(path)
    head, tensors = safetensors_file.header(path), stored_tensors.stored_in(path)
    what = file_layouts.what(head.tensors.keys())
    split = {name: _split(name) for name in tensors}
    if not any(ending in _SIGNS for _, ending in split.values()):
        raise ModelFileError(f"`{path}` is {what}, not a LoRA", "name a LoRA")
    shapes = {name: one.shape for name, one in tensors.items()}
    family = family_of(path, shapes, head.metadata, wish)
    each: dict[tuple[str, ...], dict[str, StoredTensor]] = {}
    strange = []
    for name, (word, ending) in split.items():
        if names := modules_of(word, family) if ending else ():
            each.setdefault(names, {})[ending] = tensors[name]
        else:
            strange.append(name)
    if strange:
        raise ModelFileError(
            f"`{path}` holds {counted(len(strange), 'tensor')} of no LoRA that is known: "
            f"{first_few([f'`{name}`' for name in strange])}",
            "name a file without: `train clean` writes one",
        )
    _check_numbers(path, each)
    said = dict(head.metadata)
    return Lora(path, family, _with_alphas(_unstacked(path, each), said), said)


_SIGNS = (DOWN, UP, "hada_w1_a", "oft_blocks", "lokr_w1", "lokr_w1_a")


def _split(name: str) -> tuple[str, str]:
    """Return a tensor's module and kohya's ending of it; an empty ending where it is not read."""
    word, role = tensor_names.split(name) or (name, "")
    ending = KOHYA.get(role, role)
    return (name, "") if ending not in _READ or _UNREAD.search(name) else (word, ending)


def _unstacked(
    path: Path, each: Mapping[tuple[str, ...], dict[str, StoredTensor]]
) -> dict[str, Module]:
    """Return whole modules by their names, each stack as the modules that it is.

    Raises:
        ModelFileError: One is torn, or a stack of another kind than a LoRA's pair.
    """
    found: dict[str, Module] = {}
    for names, module in sorted(each.items()):
        _check_whole(path, names[0], module)
        if len(names) == 1:
            found[names[0]] = module
        elif is_pair(module):
            found |= stacked_pairs.parted(names, module)
        else:
            raise ModelFileError(
                f"`{path}` has a {_kind(module)} for query, key and value together, which is not "
                "read",
                "name a plain LoRA",
            )
    return found


def _check_numbers(path: Path, each: Mapping[tuple[str, ...], Module]) -> None:
    """Raise ModelFileError where weights are whole numbers: packed in a way that is not known."""
    for names, module in each.items():
        for ending, one in module.items():
            if ending != ALPHA and not one.dtype.startswith(("F", "BF")):
                raise ModelFileError(
                    f"`{path}` is a LoRA of numbers that are not supported, `{one.dtype}`: the "
                    f"first module is `{names[0]}`",
                    "get the version with 16 or 32 bits a number",
                )


def _check_whole(path: Path, name: str, module: Module) -> None:
    shapes = {ending: one.shape for ending, one in module.items() if ending != ALPHA}
    alpha = module.get(ALPHA)
    down, up = shapes.get(DOWN, ()), shapes.get(UP, ())
    pair = len(down) in (2, 4) and len(up) in (2, 4) and down[0] == up[1] and prod(up[2:]) == 1
    core = shapes.get(MID)
    if core is not None:
        pair = len(core) == 4 and len(down) > 1 and core[:2] == (up[1], down[0])
    whole = pair if set(shapes) <= {DOWN, UP, MID} else whole_kind(shapes) is not None
    empty = any(0 in shape for shape in shapes.values())
    if not whole or empty or (alpha is not None and prod(alpha.shape) != 1):
        raise ModelFileError(
            f"`{path}` is not whole: the tensors of `{name}` do not fit each other",
            "fetch it again, or take another export",
        )


def _kind(module: Module) -> str:
    if MID in module:
        return "LoCon with a core (Tucker)"
    kind = whole_kind({word: one.shape for word, one in module.items() if word != ALPHA})
    return kind.name if kind else "LoRA"


def _with_alphas(modules: dict[str, Module], said: dict[str, str]) -> dict[str, Module]:
    """Return modules with the alphas that diffusers' metadata give them, which are taken out."""
    config, kind = config_in(said), said.pop(ALPHA_DTYPE, "F32")
    said.pop(ADAPTER, None)
    found = {}
    for name, module in modules.items():
        alpha = alpha_of(config, name) if is_pair(module) and ALPHA not in module else None
        found[name] = module if alpha is None else {**module, ALPHA: _number(alpha, kind)}
    return found


def _number(value: float, dtype: str) -> StoredTensor:
    import torch

    kind = getattr(torch, safetensors_file.TYPES.get(dtype, "float32"))
    return StoredTensor(dtype, (), lambda: torch.tensor(value, dtype=kind))
