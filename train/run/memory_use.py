"""How much memory this process takes where it trains."""

from train.run.card_sizes import GIB


def memory_told(device: str) -> str:
    """Return the most that a GPU had to hold so far, or what the process takes on the CPU."""
    if device == "cpu":
        import psutil  # type: ignore[import-untyped]

        return f"{psutil.Process().memory_info().rss / GIB:.1f} GiB"
    import torch

    return f"{torch.cuda.max_memory_allocated(device) / GIB:.1f} GiB at most"


def taken_and_there(device: str) -> tuple[int, int]:
    """Return the most bytes that torch had of a GPU's driver so far, and those that the GPU has."""
    import torch

    there = torch.cuda.get_device_properties(device).total_memory
    return torch.cuda.max_memory_reserved(device), there
