"""How much memory this process takes where it trains."""

from train.run.card_sizes import GIB


def memory_told(device: str) -> str:
    """Return the most that a GPU had to hold so far, or what the process takes on the CPU."""
    told = f"{memory_bytes(device) / GIB:.1f} GiB"
    return told if device == "cpu" else f"{told} at most"


def memory_bytes(device: str) -> int:
    """Return the same in bytes."""
    if device == "cpu":
        import psutil  # type: ignore[import-untyped]

        return int(psutil.Process().memory_info().rss)
    import torch

    return int(torch.cuda.max_memory_allocated(device))


def taken_and_there(device: str) -> tuple[int, int]:
    """Return the most bytes that torch had of a GPU's driver so far, and those that the GPU has."""
    import torch

    there = torch.cuda.get_device_properties(device).total_memory
    return torch.cuda.max_memory_reserved(device), there
