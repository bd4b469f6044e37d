"""A network that torch compiles: whole, and anew for each shape that it meets."""

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib.util import find_spec
from typing import Any

from prep.runtime.errors import MachineError

# Sizes of buckets and batches that one run may have; torch itself stops after a few.
_MOST_SHAPES = 10_000
_LIMITS = ("recompile_limit", "accumulated_recompile_limit")
_COMPILERS = ("cc", "gcc", "clang")  # where torch and triton look


def check_compiler(
    device: str,
    has: Callable[[str], bool] = lambda package: find_spec(package) is not None,
    finds: Callable[[str], bool] = lambda program: shutil.which(program) is not None,
    windows: bool = sys.platform == "win32",
) -> None:
    """Raise MachineError where torch could not compile for a device.

    Args:
        has: Whether a package is installed.
        finds: Whether a program is there.
    """
    if device != "cpu" and not has("triton"):
        package = "triton-windows" if windows else "triton"
        raise MachineError(
            "`--compile` needs `triton`, which is not installed",
            f"`pip install {package}`, or leave `--compile` out",
        )
    known = _COMPILERS if device != "cpu" else ("cl",) if windows else ("g++", "clang++")
    if not (windows and device != "cpu") and not any(map(finds, known)):
        raise MachineError(
            f"`--compile` needs a compiler, and none of {', '.join(known)} is there",
            "install one, or leave `--compile` out",
        )


def compile_network(network: Any, backend: "str | Callable[..., Any]" = "inductor") -> None:
    """Let torch compile a network when it meets a shape first; names of weights stay.

    Args:
        backend: What makes a program of a graph, or torch's name of it.
    """
    network.compile(fullgraph=True, dynamic=False, backend=backend)


@contextmanager
def compiling(wish: bool) -> Iterator[None]:
    """Return a block in which a compiled network may meet as many shapes as there are.

    Raises:
        MachineError: Torch cannot compile it.
    """
    if not wish:
        yield
        return
    import torch._dynamo as dynamo
    from torch._dynamo.exc import FailOnRecompileLimitHit, TorchDynamoException

    try:
        with dynamo.config.patch(dict.fromkeys(_LIMITS, _MOST_SHAPES)):
            yield
    except (TorchDynamoException, FailOnRecompileLimitHit) as error:
        first, *_ = (str(error).strip() or type(error).__name__).splitlines()
        raise MachineError(
            f"torch cannot compile this model here: {first}", "leave `--compile` out"
        ) from error


def uncompiled(wish: bool) -> AbstractContextManager[None]:
    """Return a block in which a compiled network computes as if it were not: shapes met once."""
    if not wish:
        return nullcontext()
    import torch

    found: AbstractContextManager[None] = torch.compiler.set_stance("force_eager")
    return found
