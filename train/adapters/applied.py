"""LoRA files on a base model: where their pairs go, and how strongly they act."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from train.adapters import adapter_file, lora_layers
from train.adapters.weight_rules import change
from train.families.family import Base, Family
from train.families.lora_layout import KOHYA

if TYPE_CHECKING:
    from torch import Tensor


class _Placed(NamedTuple):
    """A pair in the shape that its module asks for; scale * up @ down is added to the weight.

    What another kind of adapter changes is a pair of the weight's own rank.
    """

    down: "Tensor"
    up: "Tensor"
    scale: float


def add(path: Path, base: Base, family: Family) -> Mapping[str, float]:
    """Put the LoRA of a file on a base model; see `add_all`."""
    return add_all([(path, 1.0)], base, family)


def add_all(loras: Sequence[tuple[Path, float]], base: Base, family: Family) -> Mapping[str, float]:
    """Put the LoRAs of files on a base model, with their own ranks; see `set_strength`.

    Where several have a pair for a module, they are one of all their ranks there.

    Args:
        loras: File, and how strongly it acts beside the others.

    Returns:
        The scale of each adapted module, by the names of `lora_layers.layers`: alpha / rank of a
        LoRA alone.

    Raises:
        ModelFileError: A file is no LoRA, or some of its modules are not in this base model, or
            have another shape there.
    """
    each: dict[str, list[_Placed]] = {}
    for path, strength in loras:
        for name, one in _placed(path, base, family).items():
            each.setdefault(name, []).append(one._replace(scale=one.scale * strength))
    found = {name: _joined(several) for name, several in each.items()}
    for before, module in _parts(base):
        ranks = {
            name.removeprefix(before): one.down.shape[0]
            for name, one in found.items()
            if name.startswith(before) and (before or name.partition(".")[0] not in base.encoders)
        }
        if ranks:
            lora_layers.add_ranks(module, ranks)
    for name, pair in lora_layers.of_base(base).items():
        pair.down.data = found[name].down.float().to(base.device, copy=True)
        pair.up.data = found[name].up.float().to(base.device, copy=True)
    return {name: one.scale for name, one in found.items()}


def set_strength(base: Base, scales: Mapping[str, float], strength: float) -> None:
    """Let the LoRAs act with their scales times `strength`; with 0 the base model is itself.

    Args:
        scales: As `add` returned them.
    """
    for name, layer in lora_layers.layers(base):
        layer.scaling[lora_layers.ADAPTER] = strength * scales[name]


def _placed(path: Path, base: Base, family: Family) -> dict[str, _Placed]:
    """Return the pairs of a file by the names of their modules."""
    file = adapter_file.check(path)
    saved = adapter_file.pairs(path, [one for one in file.modules if one not in file.changed])
    others = adapter_file.changes(path, file)
    found: dict[str, _Placed] = {}
    known: set[str] = set()
    for before, module in _parts(base):
        for name, layer in _layers(module):
            words = _words(before, name, family)
            known.update(words)
            for word in words:
                pair: _Placed | None = None
                if word in saved:
                    pair = _of_pair(saved[word], layer)
                elif word in others and file.changed[word].fits(tuple(layer.weight.shape)):
                    pair = _of_change(others[word], layer)
                if pair is not None:
                    found[before + name] = pair
    _check_all(path, file, known, len(found))
    return found


def _of_pair(saved: "tuple[Tensor, Tensor, float]", layer: Any) -> _Placed | None:
    """Return a pair of a file in the shape of a module; None where it does not fit."""
    down, up, scale = saved
    pair = adapter_file.fitted(down, up, tuple(layer.weight.shape))
    return None if pair is None else _Placed(*pair, scale)


def _of_change(tensors: "Mapping[str, Tensor]", layer: Any) -> _Placed:
    """Return what another kind of adapter adds to a module's weight, with a matrix of ones."""
    import torch

    with torch.no_grad():
        weight = layer.weight.float().cpu()
        whole = change({name: one.float() for name, one in tensors.items()}, weight)
    out, in_ = whole.shape[:2]
    if whole.ndim == 2 and in_ < out:
        return _Placed(torch.eye(in_), whole, 1.0)
    return _Placed(whole, torch.eye(out).reshape(out, out, *[1] * (whole.ndim - 2)), 1.0)


def _words(before: str, name: str, family: Family) -> list[str]:
    """Return what files call a module: as the family writes it, and as other trainers do.

    Source: kohya-ss/sd-scripts (commit 48d368fa), networks/lora.py, reads both of XL's U-Net.
    """
    own = family.export_name(before + name)
    if before or family.lora_layout is not KOHYA:
        return [own]
    return list(dict.fromkeys([own, f"lora_unet_{name.replace('.', '_')}"]))


def _joined(each: Sequence[_Placed]) -> _Placed:
    """Return several pairs of a module as one of all their ranks, of scale 1; one as it is."""
    import torch

    if len(each) == 1:
        return each[0]
    downs = [one.down.float() for one in each]
    ups = [one.up.float() * one.scale for one in each]
    return _Placed(torch.cat(downs), torch.cat(ups, dim=1), 1.0)


def _parts(base: Base) -> list[tuple[str, Any]]:
    """Return the network and the text encoders, with what the names of their modules begin with."""
    return [("", base.network), *((f"{part}.", one) for part, one in base.encoders.items())]


def _layers(module: Any) -> Iterable[tuple[str, Any]]:
    """Yield the modules that can have an adapter: matrices and kernels."""
    from torch import nn

    return (
        (name, one)
        for name, one in module.named_modules()
        if isinstance(one, nn.Linear | nn.Conv2d)
    )


def _check_all(path: Path, file: adapter_file.Sorted, known: set[str], fitting: int) -> None:
    """Raise ModelFileError unless every module of a file is in the base model, and fits."""
    count = len(file.modules) + len(file.torn)
    missing = len({*file.modules, *file.torn} - known)
    others = len(file.modules) - fitting
    if not missing and not others:
        return
    told = f"{missing or others} of its {counted(count, 'module')}"
    verb = ("is not", "are not") if missing else ("has another shape", "have another shape")
    what = f"{told} {verb[(missing or others) > 1]} in this base model"
    raise ModelFileError(
        f"`{path}` is a LoRA for another kind of model: {what}",
        "name the base model that it was made for: `--base`",
    )
