"""Files of hypernetworks (`.pt`), as AUTOMATIC1111 writes and reads them.

Source: its modules/hypernetworks/hypernetwork.py, `Hypernetwork.save` and `load`.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import pickle_file
from prep.models.pickle_file import PickledTensor
from prep.runtime.errors import ModelFileError
from train.adapters import hypernetwork_layers
from train.adapters.adapter_file import Sorted
from train.adapters.hypernetwork_layers import ACTIVATIONS, ENDS, LINEAR, Structure
from train.block_rates import rate_of
from train.families.family import Base, Family

if TYPE_CHECKING:
    from torch import Tensor, nn

SUFFIX = ".pt"
SAID = "prep_metadata"  # beside what the format has: readers leave it alone
_BEFORE = "linear."  # of the names of each small network's tensors
_OLD = {"linear1": "linear.0", "linear2": "linear.1"}
_PRECISIONS = {"FloatStorage": "fp32", "HalfStorage": "fp16", "BFloat16Storage": "bf16"}
_USUAL_DROPOUT = 0.3


def fits(path: Path) -> bool:
    """Return whether a file is to be read as a hypernetwork."""
    return path.suffix.lower() == SUFFIX and path.is_file()


def said(path: Path) -> Mapping[str, str]:
    """Return what a hypernetwork of ours says of itself; nothing of one that others made."""
    found = pickle_file.outline(path)
    told = found.get(SAID) if isinstance(found, dict) else None
    return told if isinstance(told, dict) else {}


def precision_of(path: Path) -> str:
    """Return the precision of a file's numbers, fp32, fp16 or bf16; no torch."""
    kinds = {one.kind for pair in _pairs(pickle_file.outline(path)).values() for one in _flat(pair)}
    return _PRECISIONS.get(kinds.pop(), "fp32") if len(kinds) == 1 else "fp32"


def check(path: Path) -> Sorted:
    """Look whether a file is a hypernetwork that can be used; reads no weight.

    Raises:
        ModelFileError: It is damaged, of another kind, or its small networks are of no kind that
            is known.
    """
    found = pickle_file.outline(path)
    pairs = _pairs(found)
    if not pairs or not all(
        isinstance(one, PickledTensor) for p in pairs.values() for one in _flat(p)
    ):
        raise ModelFileError(
            f"`{path}` is not a hypernetwork",
            "name one that AUTOMATIC1111 or `train hypernetwork` made; of others the "
            "`.safetensors` version",
        )
    structure(path, found)
    return Sorted((), (), {})


def _pairs(found: Any) -> dict[int, Any]:
    """Return the tensors for keys and values of each width, by their names."""
    every = found.items() if isinstance(found, dict) else ()
    return {
        width: dict(zip(ENDS, pair, strict=True))
        for width, pair in every
        if type(width) is int
        and isinstance(pair, tuple | list)
        and len(pair) == len(ENDS)
        and all(isinstance(one, dict) and one for one in pair)
    }


def _flat(pair: Mapping[str, Mapping[str, Any]]) -> list[Any]:
    return [one for end in ENDS for one in pair[end].values()]


def structure(path: Path, found: Mapping[Any, Any]) -> Structure:
    """Return the structure that a file says, with the format's own defaults.

    Raises:
        ModelFileError: It is of a kind that is not known.
    """
    layers = _numbers(found.get("layer_structure") or (1, 2, 1))
    activation = found.get("activation_func") or LINEAR
    if activation not in (LINEAR, *ACTIVATIONS) or layers[:1] != (1,) or layers[-1:] != (1,):
        told = _listed(layers) or "that are no numbers"
        raise ModelFileError(
            f"`{path}` is a hypernetwork of layers {told} and activation `{activation}`, which "
            "are not known",
            f"those that are: {', '.join((LINEAR, *ACTIVATIONS))}",
        )
    dropouts = _numbers(found.get("dropout_structure") or ())
    if not dropouts and found.get("use_dropout"):
        inner = (_USUAL_DROPOUT,) * (len(layers) - 2)
        dropouts = (0, *(inner if found.get("last_layer_dropout") else (*inner[:-1], 0)), 0)
    return Structure(
        layers,
        activation,
        bool(found.get("is_layer_norm")),
        bool(found.get("activate_output", True)),
        dropouts,
    )


def _numbers(value: Any) -> tuple[float, ...]:
    """Return numbers of a file; none where it holds something else in their place."""
    each = tuple(value) if isinstance(value, list | tuple) else ()
    return each if all(isinstance(one, int | float) for one in each) else ()


def check_numbers(path: Path) -> None:
    """Raise ModelFileError where a file holds NaN or infinite numbers."""
    wrong = [
        f"{width}.{end}.{name}"
        for width, pair in _pairs(loaded(path)).items()
        for end in ENDS
        for name, one in pair[end].items()
        if not bool(one.isfinite().all())
    ]
    if wrong:
        raise ModelFileError(
            f"`{path}` holds numbers that are not finite (NaN or infinite) in {len(wrong)} of its "
            f"tensors, the first is `{wrong[0]}`",
            "take an earlier export of the run, or fetch the file again",
        )


def check_kind(path: Path, family: Family) -> None:
    """Raise ModelFileError where hypernetworks are not read for a kind of model."""
    if not family.hypernetworks:
        raise ModelFileError(
            f"`{path}` is a hypernetwork, and models of the kind `{family.name}` take none",
            "name the base model that it was made for: `--base`",
        )


def loaded(path: Path) -> Any:
    """Return what a file holds, by torch's reader of weights alone.

    Raises:
        ModelFileError: It is damaged, or holds more than weights, texts and numbers.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch has no common class for a pickle it will not open
        raise pickle_file.not_plain(path) from error


def opened(path: Path) -> "dict[int, nn.ModuleDict]":
    """Return the small networks of a file, by widths, on the CPU.

    Raises:
        ModelFileError: Its weights are not those of its structure.
    """
    import torch

    found = loaded(path)
    made: dict[int, nn.ModuleDict] = {}
    for width, pair in _pairs(found).items():
        with torch.device("meta"):  # whatever size a file says
            made[width] = hypernetwork_layers.made(width, structure(path, found))
        try:
            for end in ENDS:
                made[width][end].load_state_dict(_own(pair[end]), assign=True)
        except RuntimeError as error:
            raise ModelFileError(
                f"`{path}` is a hypernetwork whose weights are not those of its structure",
                "fetch the file again",
            ) from error
        made[width].float().requires_grad_(False)
    return made


def _own(tensors: "Mapping[str, Tensor]") -> "dict[str, Tensor]":
    """Return tensors by the names that they have within a small network."""
    found = {}
    for name, one in tensors.items():
        first, _, rest = name.partition(".")
        found[f"{_OLD.get(first, first)}.{rest}".removeprefix(_BEFORE)] = one
    return found


def named(pair: "nn.ModuleDict") -> "list[dict[str, Tensor]]":
    """Return the tensors for keys and for values as files name them, float32 on the CPU."""
    return [
        {
            f"{_BEFORE}{name}": one.detach().float().cpu()
            for name, one in pair[end].state_dict().items()
        }
        for end in ENDS
    ]


def add(
    files: Sequence[tuple[Path, float]], base: Base, family: Family, blocks: Mapping[str, float]
) -> Callable[[float], None]:
    """Put hypernetworks on a base model, one behind the other; see `DrawnKind.add`.

    Raises:
        ModelFileError: One of them has widths that the base model has not.
    """
    now = [0.0]
    for path, own in files:
        pairs = opened(path)
        if more := sorted(pairs.keys() - set(hypernetwork_layers.widths(base.network))):
            raise ModelFileError(
                f"`{path}` is a hypernetwork for another kind of model: nothing in it is "
                f"{more[0]} wide",
                "name the base model that it was made for: `--base`",
            )
        for pair in pairs.values():
            pair.to(base.device)

        def strength(name: str, own: float = own) -> float:
            return now[0] * own * rate_of(family.block(name), blocks)

        hypernetwork_layers.put_before(base.network, pairs, strength)

    def act(wish: float) -> None:
        now[0] = wish

    return act


def told(path: Path) -> Iterator[str]:
    """Yield what a file is, in a line."""
    found = pickle_file.outline(path)
    how = structure(path, found)
    norm = ", normalised" if how.norm else ""
    yield (
        f"{path.name}: a hypernetwork for widths {_listed(sorted(_pairs(found)))}, layers "
        f"{_listed(how.layers)}, activation {how.activation}{norm}"
    )


def _listed(numbers: Sequence[float]) -> str:
    return ", ".join(f"{one:g}" for one in numbers)
