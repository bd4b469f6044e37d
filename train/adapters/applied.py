"""A LoRA file on a base model: where its pairs go, and how strongly they act."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.runtime.counts import counted
from prep.runtime.errors import ModelFileError
from train.adapters import adapter_file, lora_layers
from train.families.family import Base, Family

if TYPE_CHECKING:
    from torch import Tensor

    Fitted = tuple[Tensor, Tensor]


def add(path: Path, base: Base, family: Family) -> Mapping[str, float]:
    """Put the LoRA of a file on a base model, with its own ranks; see `set_strength`.

    Returns:
        The scale, alpha / rank, of each adapted module, by the names of `lora.layers`.

    Raises:
        ModelFileError: The file is no LoRA, or some of its modules are not in this base model, or
            have another shape there.
    """
    file = adapter_file.check(path)
    saved = adapter_file.pairs(path, file.modules)
    parts = [("", base.network), *((f"{part}.", one) for part, one in base.encoders.items())]
    fitting: dict[str, Fitted] = {}
    scales: dict[str, float] = {}
    found: set[str] = set()
    ranks: list[tuple[Any, dict[str, int]]] = []
    for before, module in parts:
        own: dict[str, int] = {}
        for name, layer in _layers(module):
            word = family.export_name(before + name)
            found.add(word)
            if word in saved:
                down, up, scale = saved[word]
                if pair := adapter_file.fitted(down, up, tuple(layer.weight.shape)):
                    fitting[before + name], scales[before + name] = pair, scale
                    own[name] = down.shape[0]
        ranks.append((module, own))
    _check_all(path, file, found, len(fitting))
    for module, own in ranks:
        if own:
            lora_layers.add_ranks(module, own)
    for name, placed in lora_layers.of_base(base).items():
        down, up = fitting[name]
        placed.down.data = down.float().to(base.device, copy=True)
        placed.up.data = up.float().to(base.device, copy=True)
    return scales


def set_strength(base: Base, scales: Mapping[str, float], strength: float) -> None:
    """Let the LoRA act with its scales times `strength`; with 0 the base model is itself.

    Args:
        scales: As `add` returned them.
    """
    for name, layer in lora_layers.layers(base):
        layer.scaling[lora_layers.ADAPTER] = strength * scales[name]


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
