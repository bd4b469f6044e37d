"""Any file of adapters: which of its tensors are a LoRA that we apply, and what the others are.

Every tensor of a file is in exactly one place: it is applied, or it is named as one that is not.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from prep.models import safetensors_file
from prep.runtime.errors import ModelFileError
from train.adapters.adapter_kinds import AdapterKind, whole_kind
from train.adapters.finite_numbers import EXPONENTS
from train.families.family import Family
from train.families.lora_layout import KOHYA, LoraLayout, layout_of
from train.families.peft_metadata import alpha_of, config_in

if TYPE_CHECKING:
    from torch import Tensor

DOWN, UP, ALPHA = KOHYA.down, KOHYA.up, KOHYA.alpha
# Part of a tensor's name -> what the tensor belongs to, in the words of those who make such files.
_KINDS: Mapping[str, str] = {
    ".dora_scale": "DoRA",
    ".hada_": "LoHa",
    ".lokr_": "LoKr",
    ".lora_mid.": "LoCon with a core (Tucker)",
    ".oft_": "OFT",
    ".on_input": "IA3",
    ".w_norm": "trained norms",
    ".b_norm": "trained norms",
    ".diff": "whole weights",
    ".lora_A": "a LoRA in another layout",
    ".lora_B": "a LoRA in another layout",
    ".lora.": "a LoRA in another layout",
    "_lora.": "a LoRA in another layout",
    "bundle_emb": "an embedding",
    "emb_params": "an embedding",
    "string_to_param": "an embedding",
    "clip_g": "an embedding",
    "clip_l": "an embedding",
}
UNKNOWN = "another kind"
_STRANGE = "a LoRA of numbers that are not supported:"
# What `ss_base_model_version` begins with, and what a person calls it.
# Source: kohya-ss/sd-scripts (commit 48d368fa): train_util.py, sdxl_model_util.py, flux_utils.py.
_VERSIONS: Mapping[str, str] = {
    "sd_v1": "Stable Diffusion 1.x",
    "sd_v2": "Stable Diffusion 2.x",
    "sdxl_": "Stable Diffusion XL",
    "sd3": "Stable Diffusion 3",
    "flux": "FLUX",
}


@dataclass(frozen=True)
class Sorted:
    """The tensors of a file by what becomes of them.

    Attributes:
        modules: Name of each module that has a whole adapter, sorted.
        torn: Those that have a part of a LoRA.
        unread: What a tensor is -> the names of those that are not applied, sorted.
        changed: Which of the modules have an adapter of another kind than LoRA -> its kind.
    """

    modules: tuple[str, ...]
    torn: tuple[str, ...]
    unread: Mapping[str, tuple[str, ...]]
    changed: Mapping[str, AdapterKind] = field(default_factory=dict)

    def kind(self) -> str:
        """Return what the adapters are: `a LoRA`, `a LoHa`, several where they are of several."""
        kinds = {one.name for one in self.changed.values()}
        kinds |= {"LoRA"} if len(self.changed) < len(self.modules) or not kinds else set()
        found = " and ".join(sorted(kinds))
        return f"{'an' if found[0] in 'AEIOU' else 'a'} {found}"

    def lines(self) -> list[str]:
        """Return a line for each kind of tensor that is not applied."""
        return [
            f"{len(names)} tensors are not applied, {kind}: the first is `{names[0]}`"
            if len(names) > 1
            else f"1 tensor is not applied, {kind}: `{names[0]}`"
            for kind, names in sorted(self.unread.items())
        ]


def sort(places: Mapping[str, safetensors_file.TensorSpan]) -> Sorted:
    """Sort the tensors of a file by their names, dtypes and shapes; nothing of torch is loaded."""
    own = layout_of(places)
    changed = _changed(places, own)
    begun = {name.removesuffix(own.down) for name in places if name.endswith(own.down)}
    whole = {word for word in begun if _is_pair(word, places, own)} | changed.keys()
    unread: dict[str, list[str]] = {}
    others = {name.partition(".")[0]: kind for name in places if (kind := _special(name, own))}
    for name, at in sorted(places.items()):
        word = name.partition(".")[0] if name.partition(".")[0] in changed else _module(name, own)
        if word in whole and (not name.endswith(own.alpha) or prod(at.shape) == 1):
            continue
        torn = _fault(word, places, own) if word is not None else UNKNOWN
        kind = _special(name, own) or others.get(word or "", torn)
        unread.setdefault(kind, []).append(name)
    return Sorted(
        tuple(sorted(whole)),
        tuple(sorted(begun - whole)),
        {kind: tuple(names) for kind, names in unread.items()},
        changed,
    )


def _changed(
    places: Mapping[str, safetensors_file.TensorSpan], own: LoraLayout
) -> dict[str, AdapterKind]:
    """Return the modules that have a whole adapter of another kind than LoRA, sorted."""
    each: dict[str, dict[str, tuple[int, ...]]] = {}
    strange: set[str] = set()
    for name, at in places.items() if own is KOHYA else ():
        word, _, ending = name.partition(".")
        if at.dtype not in EXPONENTS or 0 in at.shape:
            strange.add(word)
        if ending != "alpha":
            each.setdefault(word, {})[ending] = at.shape
    found = {
        word: whole_kind(shapes) for word, shapes in sorted(each.items()) if word not in strange
    }
    return {word: kind for word, kind in found.items() if kind is not None}


def absent(path: Path) -> ModelFileError:
    """Return what is said of a file that is not there."""
    return ModelFileError(f"there is no file `{path}`", "name a LoRA: a `.safetensors` file")


def check(path: Path) -> Sorted:
    """Return what a file of adapters holds; only its header is read.

    Raises:
        ModelFileError: It is missing, damaged, or holds no LoRA in kohya's layout.
    """
    if not path.is_file():
        raise absent(path)
    places = safetensors_file.header(path).tensors if path.suffix.lower() == ".safetensors" else {}
    found = sort(places)
    if not found.modules:
        strange = [kind for kind in found.unread if kind.startswith(_STRANGE)]
        if len(strange) == len(found.unread) == 1:
            hint = "get the version with 16 or 32 bits a number"
            raise ModelFileError(f"`{path}` is {strange[0]}", hint)
        what = ", ".join(f"{len(names)} of {kind}" for kind, names in sorted(found.unread.items()))
        inside = f": its tensors are {what}" if what else ""
        other = any("LoRA in another layout" in kind for kind in found.unread)
        convert = "write it by kohya's names: `train convert FILE --to kohya`"
        told = f"`{path}` is not a LoRA in kohya's layout{inside}"
        raise ModelFileError(told, convert if other else "name a LoRA")
    return found


def check_kind(path: Path, family: Family) -> None:
    """Raise ModelFileError where a LoRA says that it is for a known kind of model, and another one.

    Words of other programs say nothing: its modules will tell.
    """
    said = safetensors_file.header(path).metadata.get("ss_base_model_version", "")
    kind = next((word for word in _VERSIONS if said.startswith(word)), None)
    if kind and not family.base_version.startswith(kind):
        raise ModelFileError(
            f"`{path}` is a LoRA for {_VERSIONS[kind]} (`{said}`), "
            "and the base model is another kind",
            f"name a LoRA for a model of the kind `{family.name}`",
        )


def pairs(path: Path, modules: Iterable[str]) -> "dict[str, tuple[Tensor, Tensor, float]]":
    """Return the pairs of some modules: down and up as they lie in the file, and the scale."""
    from safetensors import safe_open

    found: dict[str, tuple[Tensor, Tensor, float]] = {}
    with safe_open(path, framework="pt") as file:
        names = set(file.keys())
        own, config = layout_of(names), config_in(file.metadata() or {})
        for word in modules:
            wanted = (word + ending for ending in own.endings())
            read = own.read(word, {n: file.get_tensor(n) for n in wanted if n in names})
            alpha = alpha_of(config, word) if own.scaled else None
            found[word] = read if alpha is None else (*read[:2], alpha / len(read[0]))
    return found


def changes(path: Path, read: Sorted) -> "dict[str, dict[str, Tensor]]":
    """Return the tensors of each module that has another kind of adapter, by their endings."""
    from safetensors import safe_open

    found: dict[str, dict[str, Tensor]] = {word: {} for word in read.changed}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118  (it is no mapping)
            word, _, ending = name.partition(".")
            if word in found:
                found[word][ending] = file.get_tensor(name)
    return found


def fitted(down: "Tensor", up: "Tensor", shape: tuple[int, ...]) -> "tuple[Tensor, Tensor] | None":
    """Return a pair in the shape that a weight of `shape` asks for; None where it does not fit.

    A matrix and a kernel of one pixel are the same numbers: files have the one or the other.
    """
    rank = down.shape[0]
    outer, *inner = shape
    wanted = (rank, *inner), (outer, rank, *(1 for _ in inner[1:]))
    for tensor, size in zip((down, up), wanted, strict=True):
        if _plain(tuple(tensor.shape)) != _plain(size):
            return None
    return down.reshape(wanted[0]), up.reshape(wanted[1])


def _plain(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape without the axes of a kernel of one pixel."""
    return shape[:2] if shape[2:] == (1, 1) else shape


def _is_pair(word: str, places: Mapping[str, safetensors_file.TensorSpan], own: LoraLayout) -> bool:
    """Return whether a module has a down and an up of one rank, and nothing that changes them."""
    down, up = places.get(word + own.down), places.get(word + own.up)
    if down is None or up is None or not (_good(down) and _good(up)):
        return False
    return f"{word}.lora_mid.weight" not in places and down.shape[0] == up.shape[1]


def _fault(word: str, places: Mapping[str, safetensors_file.TensorSpan], own: LoraLayout) -> str:
    """Return why a module's pair of a LoRA is not applied."""
    down, up = places.get(word + own.down), places.get(word + own.up)
    strange = {at.dtype for at in (down, up) if at is not None} - EXPONENTS.keys()
    if down is None or up is None or not strange:
        return "a pair of a LoRA that is not whole"
    shown = " and ".join(f"`{dtype}`" for dtype in sorted(strange))
    return f"{_STRANGE} {shown}"


def _good(at: safetensors_file.TensorSpan) -> bool:
    return at.dtype in EXPONENTS and len(at.shape) in (2, 4) and 0 not in at.shape


def _module(name: str, own: LoraLayout) -> str | None:
    """Return the module that a tensor of a LoRA in a layout belongs to."""
    for ending in own.endings():
        if name.endswith(ending):
            return name.removesuffix(ending)
    return None


def _special(name: str, own: LoraLayout) -> str | None:
    """Return the kind of adapter that a tensor belongs to; None for a LoRA we know and unknown."""
    if name.endswith(own.endings()):
        return None
    return next((kind for mark, kind in _KINDS.items() if mark in name), None)
