"""A file of LoHa, LoKr, OFT or DoRA is read by the rules of others, and compared with the model.

One module after the other: at no time more than one of them is in memory twice.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import safetensors_file
from train.adapters import adapted_layers, adapter_file
from train.adapters.weight_rules import change
from train.export.lora_file import ProofError
from train.export.rounding import as_saved
from train.export.verify import OTHERWISE, check_numbers
from train.families.family import Base, Family
from train.generators import generator_for

if TYPE_CHECKING:
    from torch import Tensor

_TOLERANCE, _ROUNDING = 1e-3, 1e-5


def check_changes(path: Path, base: Base, family: Family, precision: str = "fp32") -> None:
    """Raise unless a file, applied by what it says alone, is the model that was trained.

    Names, tensors and alphas are compared one by one. Then each module, with the numbers that are
    written, answers as its weight does after the change that readers of the file compute.

    Args:
        precision: That the trained numbers were rounded to: fp32, fp16 or bf16.

    Raises:
        ProofError: A name, a number, an alpha or an answer differs.
    """
    from safetensors.torch import load_file

    saved = load_file(path)
    check_numbers(saved, as_saved(adapted_layers.named(base, family), precision))
    layers = {family.export_name(name): one for name, one in adapted_layers.of_base(base).items()}
    read = adapter_file.sort(safetensors_file.header(path).tensors)
    if read.unread or read.torn or set(read.modules) != set(layers):
        raise ProofError(OTHERWISE)
    for word, tensors in adapter_file.changes(path, read).items():
        if not _answers_alike(layers[word], tensors):
            raise ProofError(OTHERWISE)


def _answers_alike(layer: Any, tensors: "dict[str, Tensor]") -> bool:
    """Return whether a module answers as its weight does with the change of a file's tensors."""
    import copy

    import torch

    with torch.no_grad():
        one = copy.deepcopy(layer).float().cpu()  # a card may round the products of float32
        read = {ending: tensor.float() for ending, tensor in tensors.items()}
        for ending, tensor in adapted_layers.weights(one).items():
            tensor.copy_(read[ending])
        shape = (2, one.weight.shape[1], *[4 for _ in one.weight.shape[2:]])
        values = torch.randn(shape, generator=generator_for(0, "proof"))
        plain = adapted_layers.answer(one, values, one.weight)
        wanted = adapted_layers.answer(one, values, one.weight + change(read, one.weight))
        found = one(values)
        # Of what the adapter changes, not of the answer alone: that would hide a small adapter.
        most = _TOLERANCE * (wanted - plain).abs().max() + _ROUNDING * plain.abs().max()
        return bool(((wanted - found).abs() <= most).all())
