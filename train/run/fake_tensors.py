"""Tensors that have shapes and no numbers, and what they would take of a device's memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn


@contextmanager
def placed(modules: "Sequence[nn.Module]", device: str, dtype: str) -> Iterator[None]:
    """Return a block in which modules of the meta device are on another one, in fake tensors.

    Within `FakeTensorMode`. The modules are as they were when it ends.

    Args:
        dtype: torch's name of the numbers that weights get which do not learn.
    """
    import torch

    half = getattr(torch, dtype)
    kept: list[tuple[dict[str, Any], str, Any]] = []
    for module in (inner for one in modules for inner in one.modules()):
        tensors: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
        for held in tensors:
            for name, tensor in held.items():
                if tensor is not None:
                    kept.append((held, name, tensor))
                    held[name] = _fake(tensor, device, half)
    try:
        yield
    finally:
        for held, name, tensor in kept:
            held[name] = tensor


def _fake(tensor: "Tensor", device: str, half: "torch.dtype") -> "Tensor":
    import torch

    frozen = isinstance(tensor, torch.nn.Parameter) and not tensor.requires_grad
    made = torch.empty(tensor.shape, dtype=half if frozen else tensor.dtype, device=device)
    if isinstance(tensor, torch.nn.Parameter):
        return torch.nn.Parameter(made, requires_grad=tensor.requires_grad)
    return made


@contextmanager
def allocations(device: str) -> Iterator[Any]:
    """Return a block that counts the bytes of storages on a device, as `now` and `peak`."""
    import weakref

    from torch import Tensor
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class Allocations(TorchDispatchMode):  # type: ignore[no-untyped-call]
        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.now = self.peak = 0
            self._seen: set[int] = set()

        def __torch_dispatch__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            found = func(*args, **(kwargs or {}))
            for one in tree_leaves(found):
                if isinstance(one, Tensor) and one.device.type == device:
                    self._add(one.untyped_storage())
            return found

        def _add(self, storage: Any) -> None:
            mark, size = storage._cdata, storage.nbytes()
            if mark not in self._seen:
                self._seen.add(mark)
                self.now += size
                self.peak = max(self.peak, self.now)
                weakref.finalize(storage, self._freed, mark, size)

        def _freed(self, mark: int, size: int) -> None:
            self._seen.discard(mark)
            self.now -= size

    with Allocations() as count:
        yield count
