"""What settings ask of this machine: packages and a GPU."""

from collections.abc import Callable

from prep.runtime.errors import MachineError
from train.config import Config
from train.step.compiled import check_compiler


def check_packages(config: Config, has: Callable[[str], bool]) -> None:
    """Raise MachineError where the settings need what is not installed, with all that they need.

    Args:
        has: Whether a package is.
    """
    wrong = [
        (
            f"`{option}` needs `{package}`, which is not installed",
            f"`pip install {package}`, or leave `{option.partition(' ')[0]}` out",
        )
        for option, package in (
            (f"--optimizer {config.optimizer}", config.row().package),
            (
                f"--attention {config.attention}",
                "xformers" if config.attention == "xformers" else "",
            ),
            (f"--log {config.log}", config.log),
        )
        if package and not has(package)
    ]
    if wrong:
        raise MachineError(*wrong[0], wrong[1:])


def has_bf16() -> bool:
    """Return whether the GPU computes in bfloat16 itself: some only act as if they did."""
    import torch

    return bool(torch.cuda.is_bf16_supported(including_emulation=False))


def usual_precision(device: str, bf16: Callable[[], bool] = has_bf16) -> str:
    """Return what `--precision auto` is on a device."""
    if device == "cpu":
        return "fp32"
    return "bf16" if bf16() else "fp16"


def check_machine(config: Config, device: str) -> None:
    """Raise MachineError where this device, or what is beside it, cannot do what settings ask."""
    check_device(config.precision, config.attention, device)
    if config.compile:
        check_compiler(device)


def check_device(
    precision: str, attention: str, device: str, bf16: Callable[[], bool] = has_bf16
) -> None:
    """Raise MachineError where settings need a GPU, or what this one has not.

    Args:
        device: cpu, cuda or cuda:1.
        bf16: Whether the GPU has bfloat16.
    """
    if device == "cpu":
        for option, needs_gpu, hint in (
            (f"--precision {precision}", precision == "fp16", "use `bf16` or `fp32`"),
            (
                f"--attention {attention}",
                attention in ("xformers", "memory-efficient"),
                "use `sdpa`",
            ),
        ):
            if needs_gpu:
                raise MachineError(f"`{option}` needs a GPU, and this run is on the CPU", hint)
    elif precision == "bf16" and not bf16():
        raise MachineError(
            "`--precision bf16` is not there on this GPU, which is older", "use `fp16` or `fp32`"
        )
