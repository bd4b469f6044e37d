"""Too little memory, told as advice: which options would need less."""

from collections.abc import Iterator
from contextlib import contextmanager

from prep.runtime.errors import MachineError
from train.config import Config
from train.run.card_sizes import GIB, changes, typed

# What torch says of a GPU's memory in errors that have no class of their own.
_OF_GPU = ("CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED", "CUDA out of memory")
_OF_MACHINE = "DefaultCPUAllocator"
_DRAWN = "draw a smaller picture: `--w` and `--h` in the file of prompts"


class MemoryShortError(MachineError):
    """Memory of the GPU or of the machine was not enough."""


@contextmanager
def memory_errors(config: Config, picture: bool = False) -> Iterator[None]:
    """Turn what torch says of too little memory into advice.

    Args:
        config: Settings of the training.
        picture: Whether a picture is drawn beside it.

    Raises:
        MemoryShortError: Memory of the GPU or of the machine was not enough.
    """
    import torch

    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        gpu = isinstance(error, torch.OutOfMemoryError) or any(w in str(error) for w in _OF_GPU)
        if not (gpu or isinstance(error, MemoryError) or _OF_MACHINE in str(error)):
            raise
        whose = "GPU" if gpu else "machine"
        what = "a picture of its size beside the training" if picture else "this training"
        raise MemoryShortError(
            f"the {whose} has too little memory for {what}", _DRAWN if picture else advice(config)
        ) from error


def advice(config: Config) -> str:
    """Return which options would let a training need less memory."""
    *_, most = changes(config)
    if not most:
        return "train smaller pictures: `prep bucket META --resolution 512`, or a lower `--rank`"
    return f"try `{' '.join(typed(most))}`; `train check` tells how much each of them needs"


def spill_note(taken: int, there: int, config: Config) -> str | None:
    """Return what to know where a training has more memory than its GPU; None where it has not.

    Drivers of Windows give memory of the machine in its place, and say nothing.

    Args:
        taken: The most bytes that torch had of the driver; `there` are those of the GPU.
    """
    if taken <= there:
        return None
    return (
        f"the training takes {taken / GIB:.1f} GiB and the GPU has {there / GIB:.1f}: what does "
        f"not fit lies in the machine's memory, and steps take many times as long; {advice(config)}"
    )
