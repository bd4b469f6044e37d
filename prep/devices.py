"""Where torch computes."""

from prep.errors import MachineError


def torch_device(device: str) -> str:
    """Return `cpu` or `cuda` for what a person asked: auto, cpu or cuda.

    Raises:
        MachineError: cuda was asked for and cannot be had.
    """
    import torch

    here = torch.cuda.is_available()
    if device == "cuda" and not here:
        raise MachineError(
            "no CUDA device can be used by this PyTorch",
            "check the driver and that PyTorch was built for CUDA, or use `--device auto`",
        )
    return "cuda" if here and device != "cpu" else "cpu"
