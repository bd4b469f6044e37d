"""Where torch computes."""

from importlib.metadata import version

from prep.runtime.errors import MachineError


def torch_device(wish: str) -> str:
    """Return `cpu` or `cuda` for what a person asked, on this machine; see `pick_device`."""
    import torch

    return pick_device(wish, torch.cuda.is_available())


def pick_device(wish: str, cuda: bool) -> str:
    """Return the device to compute on: cuda where `auto` can have it.

    Args:
        wish: auto, cpu or cuda.
        cuda: Whether this PyTorch can use a CUDA device here.

    Raises:
        MachineError: `cuda` was asked for and is not there.
    """
    if wish == "cuda" and not cuda:
        raise MachineError(
            "no CUDA device can be used by this PyTorch",
            "check the driver and that PyTorch was built for CUDA, or use `--device auto`",
        )
    return "cuda" if cuda and wish != "cpu" else "cpu"


def without_cards() -> bool:
    """Return whether this PyTorch was built for the CPU alone, as its version says; not loaded."""
    return version("torch").endswith("+cpu")


def usual_batch(cpu: bool) -> int:
    """Return how many pictures a call of a model takes where nobody said.

    On a CPU more than one bring nothing, and the last call of a run is filled up.
    """
    return 1 if cpu else 4
