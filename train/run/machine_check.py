"""What settings ask of this machine: packages and a GPU."""

from collections.abc import Callable

from prep.runtime.errors import MachineError
from train.config import Config


def check_packages(config: Config, has: Callable[[str], bool]) -> None:
    """Raise MachineError where the settings need what is not installed.

    Args:
        has: Whether a package is.
    """
    for option, package in (
        (f"--optimizer {config.optimizer}", config.row().package),
        (f"--attention {config.attention}", "xformers" if config.attention == "xformers" else ""),
        (f"--log {config.log}", config.log),
    ):
        if package and not has(package):
            raise MachineError(
                f"`{option}` needs `{package}`, which is not installed",
                f"`pip install {package}`, or leave `{option.partition(' ')[0]}` out",
            )


def check_device(precision: str, attention: str, device: str) -> None:
    """Raise MachineError where settings need a GPU, and the run is on the CPU."""
    if device == "cpu":
        for option, needs_gpu, hint in (
            (f"--precision {precision}", precision == "fp16", "use `bf16` or `fp32`"),
            (f"--attention {attention}", attention == "xformers", "use `sdpa`"),
        ):
            if needs_gpu:
                raise MachineError(f"`{option}` needs a GPU, and this run is on the CPU", hint)
