"""Weights in a pickle (`.ckpt`, `.bin`): plain tensors only, and no more than the file holds.

Opened by torch's weights_only unpickler; nothing that came with the file can run. Sizes are looked
at before anything is unpacked.
"""

import io
import pickle
import pickletools
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from prep.models.safety import check_regular
from prep.runtime.errors import ModelFileError
from prep.runtime.memory_limit import memory_limit

if TYPE_CHECKING:
    from torch import Tensor

_MOST_PICKLE = 16 << 20  # a model's own has names and shapes, and 1 MB at most
_MOST_SAID = 160 << 20  # with what a file says of all the pictures that it was trained on
_MOST_MEMORY = 768 << 20
_DEEPEST = 8  # of what lies within what
# What is said of a zip that is torn, or packed in a way that nobody packs weights in.
_NO_ZIP = (zipfile.BadZipFile, zlib.error, RuntimeError)
_SAFE = "use the `.safetensors` version of the model"


class PickledTensor(NamedTuple):
    """What a pickle says of a tensor.

    Attributes:
        kind: torch's name of its storage, as `FloatStorage`.
        stride: In numbers, along each axis.
        offset: Of its first number in the storage, in numbers.
        storage: The name of the storage among the file's data.
    """

    kind: str
    shape: tuple[int, ...]
    stride: tuple[int, ...] = ()
    offset: int = 0
    storage: str = ""


def outline(path: Path) -> Any:
    """Return what a file's pickle holds, with shapes in the place of tensors; no torch.

    Raises:
        ModelFileError: The file is damaged, not a zip of torch's, or holds more than tensors,
            texts, numbers and what gathers them.
    """
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as file, memory_limit(_MOST_MEMORY):
            _check_parts(path, file.infolist(), _MOST_SAID)
            (inner,) = (name for name in file.namelist() if name.endswith("/data.pkl"))
            return _Outline(io.BytesIO(file.read(inner))).load()
    except MemoryError:
        raise _too_large(path) from None
    except ModelFileError:
        raise
    except Exception as error:  # a pickle can go wrong in any way
        raise not_plain(path) from error


class _Outline(pickle.Unpickler):
    """Reads a pickle of tensors: no class of a file is looked up."""

    def find_class(self, module: str, name: str) -> Any:
        """Return what stands in the place of the few functions that such a pickle names."""
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _outlined
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name.endswith("Storage"):
            return name
        raise pickle.UnpicklingError(f"{module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        """Return the kind of a storage, and its name among the file's data."""
        return pid[1], str(pid[2])


def _outlined(
    storage: tuple[str, str], offset: int, shape: Any, stride: Any, *rest: object
) -> PickledTensor:
    return PickledTensor(storage[0], tuple(shape), tuple(stride), offset, storage[1])


def words(path: Path) -> list[str]:
    """Return all the words in a file's pickle, the tensors' names among them; no torch.

    Raises:
        ModelFileError: The file is damaged, not a zip of torch's, or unpacks to far more.
    """
    check_regular(path)
    try:
        with zipfile.ZipFile(path) as file, memory_limit(_MOST_MEMORY):
            _check_parts(path, file.infolist())
            (inner,) = (name for name in file.namelist() if name.endswith("/data.pkl"))
            found = pickletools.genops(file.read(inner))
            return sorted({word for _, word, _ in found if isinstance(word, str)})
    except MemoryError:
        raise _too_large(path) from None
    except (*_NO_ZIP, OSError, ValueError, EOFError) as error:
        raise ModelFileError(f"`{path}` is not a whole `.ckpt` file", _SAFE) from error


def tensors(path: Path, mmap: bool = False) -> "dict[str, Tensor]":
    """Return a file's tensors by name, on the CPU; those of `state_dict`, where there is one.

    Args:
        mmap: Leave them in the file until they are used.

    Raises:
        ModelFileError: It holds anything but tensors, or claims to hold more than it does.
    """
    import torch

    found = _loaded(path, mmap)
    try:
        found = found.get("state_dict", found)
        named = {str(name): one for name, one in found.items() if isinstance(one, torch.Tensor)}
    except AttributeError as error:
        raise not_plain(path) from error
    _check_claims(path, named)
    return named


def every(path: Path) -> "dict[str, Tensor]":
    """Return all tensors of a file, left in it until they are used, however deep they lie.

    Their names are those of the places that they lie in, with dots between; `state_dict.` is left
    out.

    Raises:
        ModelFileError: It holds anything but tensors, or claims to hold more than it does.
    """
    check_regular(path)  # before `is_zipfile` opens it
    found = dict(_inside(_loaded(path, mmap=zipfile.is_zipfile(path)), "", _DEEPEST))
    named = {name.removeprefix("state_dict."): one for name, one in found.items()}
    if len(named) < len(found):
        raise not_plain(path)
    _check_claims(path, named)
    return named


def _inside(value: Any, name: str, deep: int) -> "Iterator[tuple[str, Tensor]]":
    """Yield the tensors within a value of a pickle, by names that begin with its own."""
    import torch

    if isinstance(value, torch.Tensor):
        yield name or "tensor", value
        return
    inner: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    for word, one in inner if deep else ():
        yield from _inside(one, f"{name}.{word}" if name else str(word), deep - 1)


def _loaded(path: Path, mmap: bool) -> Any:
    """Return what torch's reader of weights alone makes of a file; raises as `tensors`."""
    import torch

    check_regular(path)
    size = path.stat().st_size
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as file:
                _check_parts(path, file.infolist())
        with memory_limit(size + _MOST_MEMORY):
            return torch.load(path, map_location="cpu", weights_only=True, mmap=mmap)
    except (ModelFileError, MemoryError) as error:
        raise error if isinstance(error, ModelFileError) else _too_large(path) from None
    except Exception as error:  # torch has no common class for a pickle it will not open
        raise not_plain(path) from error


def _check_claims(path: Path, named: "Mapping[str, Tensor]") -> None:
    if any(one.nbytes > one.untyped_storage().nbytes() for one in named.values()):
        raise _too_large(path)


def not_plain(path: Path) -> ModelFileError:
    """Return the error for a pickle of something else than weights."""
    return ModelFileError(
        f"`{path}` is not a plain file of weights", "fetch it again, or take a `.safetensors` of it"
    )


def _check_parts(path: Path, parts: Iterable[zipfile.ZipInfo], most: int = _MOST_PICKLE) -> None:
    """Raise where a zip unpacks to more than weights can: they are numbers, and are not packed."""
    packed = sum(one.file_size - one.compress_size for one in parts)
    pickles = sum(one.file_size for one in parts if "/data/" not in one.filename)
    kinds = {one.compress_type for one in parts} - {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
    if kinds or packed > _MOST_PICKLE or pickles > most:
        raise _too_large(path)


def _too_large(path: Path) -> ModelFileError:
    return ModelFileError(
        f"`{path}` unpacks to more than the weights of a model: at most {_MOST_PICKLE >> 20} MB "
        "of names are read",
        _SAFE,
    )
