"""Numbers that a device makes, read some time later, so that it never waits for the host."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


class Later:
    """A few numbers of a device, on their way to the host."""

    def __init__(self, *numbers: "Tensor") -> None:
        """Ask for tensors of one device; what it has to do before is not waited for."""
        import torch

        found = torch.cat([one.detach().float().reshape(-1) for one in numbers])
        self._event = None
        self._host = found
        if found.is_cuda:
            self._host = torch.empty(found.shape, pin_memory=True)
            self._host.copy_(found, non_blocking=True)
            self._event = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self._event.record()

    def read(self) -> list[float]:
        """Return the numbers of all tensors, one behind the other, as soon as they are here."""
        if self._event is not None:
            self._event.synchronize()
        return [float(one) for one in self._host.tolist()]
