"""What may change the last bits of an export and is no part of its recipe: packages, device."""

import importlib.metadata
from typing import Any

# Those that compute: their releases may sum in another order.
_PACKAGES = (
    "torch", "diffusers", "transformers", "peft", "pytorch-optimizer", "bitsandbytes", "xformers",
)  # fmt: skip


def made_with(device: str) -> dict[str, Any]:
    """Return versions of the packages that compute, the device, and the threads of a CPU.

    Args:
        device: As torch names it, `cpu` or `cuda:0`.
    """
    import torch

    found: dict[str, Any] = {"packages": packages(), "device": device.split(":")[0]}
    if found["device"] == "cpu":
        found["threads"] = torch.get_num_threads()
    return found


def packages() -> dict[str, str]:
    """Return the version of each installed package that computes."""
    each = {name: _version(name) for name in _PACKAGES}
    return {name: version for name, version in each.items() if version}


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""
