"""Too little memory, told as advice."""

from collections.abc import Iterator
from contextlib import contextmanager

from prep.runtime.errors import MachineError


class MemoryShortError(MachineError):
    """Memory of the GPU or of the machine was not enough."""


@contextmanager
def memory_errors(what: str = "this training") -> Iterator[None]:
    """Turn what torch says of too little memory into advice.

    Raises:
        MemoryShortError: Memory of the GPU or of the machine was not enough for `what`.
    """
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        known = isinstance(error, torch.OutOfMemoryError) or "DefaultCPUAllocator" in str(error)
        if not known:
            raise
        raise MemoryShortError(
            f"there is too little memory for {what}",
            "try `--gradient-checkpointing`, `--precision bf16`, or a smaller `--batch` with as "
            "much more `--accumulate`",
        ) from error
