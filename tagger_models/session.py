"""Where an ONNX model runs: the choice of provider, the settings that repeat, the errors."""

import io
from collections.abc import Iterable, Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from prep.errors import MachineError, ModelFileError
from tagger_models.external import damaged

CPU = "CPUExecutionProvider"
# Fastest first; what onnxruntime's builds call NVIDIA, AMD and any card under Windows.
_GPU = (
    "CUDAExecutionProvider",
    "MIGraphXExecutionProvider",
    "ROCMExecutionProvider",
    "DmlExecutionProvider",
)


def open_session(model: Path, device: str, threads: int) -> tuple[Any, str, str | None]:
    """Return an onnxruntime session, the provider it runs on, and what to tell of that.

    Nothing is registered with it: an operator that onnxruntime does not have stays unknown.

    Args:
        model: An ONNX file whose external data was checked.
        device: auto, cpu or cuda.
        threads: CPU threads of one call.

    Raises:
        ModelFileError: onnxruntime does not open the model.
        MachineError: cuda was asked for and cannot be had.
    """
    import onnxruntime  # type: ignore[import-untyped]

    chosen = providers(device, onnxruntime.get_available_providers())
    session = _session(model, chosen, threads)
    provider: str = session.get_providers()[0]  # what runs, not what was asked for
    return session, provider, fallback_note(chosen, provider, device)


def providers(device: str, available: Iterable[str]) -> list[str]:
    """Return the providers to ask for, best first; the CPU is always the last.

    Args:
        device: auto, cpu or cuda.
        available: What this build of onnxruntime says it has; it may still fail to start.

    Raises:
        MachineError: cuda was asked for and this build has none.
    """
    here = set(available)
    if device == "cpu":
        return [CPU]
    wanted = _GPU if device == "auto" else _GPU[:1]
    chosen = [name for name in wanted if name in here][:1]
    if device != "auto" and not chosen:
        raise MachineError(
            "this onnxruntime was built without CUDA",
            "install the extra `cuda` in place of `cpu`, or use `--device auto`",
        )
    return [*chosen, CPU]


def fallback_note(chosen: Sequence[str], in_use: str, device: str) -> str | None:
    """Return what to tell where the session does not run on the provider that was chosen.

    Raises:
        MachineError: cuda was asked for by name.
    """
    if in_use == chosen[0]:
        return None
    if device != "auto":
        raise MachineError(
            f"{chosen[0]} could not be started; onnxruntime fell back to {in_use}",
            "check the driver and that its CUDA libraries are installed, or use `--device auto`",
        )
    return f"{chosen[0]} could not be started: tagging runs on {in_use}, which is much slower"


def _session(model: Path, chosen: list[str], threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.use_deterministic_compute = True
    options.enable_mem_pattern = "DmlExecutionProvider" not in chosen  # which cannot use it
    options.log_severity_level = 4  # what fails is told by us, in two lines
    if chosen != [CPU]:
        with suppress(Exception):  # of a card or of the model: the CPU's answer tells which
            return _started(model, options, chosen)
    try:
        return _started(model, options, [CPU])
    except Exception as error:
        raise _refused(model, str(error)) from error


def _started(model: Path, options: Any, names: list[str]) -> Any:
    import onnxruntime

    if "CUDAExecutionProvider" in names:
        with redirect_stdout(io.StringIO()):  # it prints what it did not find
            onnxruntime.preload_dlls()
    return onnxruntime.InferenceSession(str(model), options, providers=names, enable_fallback=0)


def _refused(model: Path, said: str) -> ModelFileError:
    """Return the error for a model that onnxruntime does not open."""
    if "Protobuf parsing failed" in said or "No graph was found" in said:
        return damaged(model)
    if "is not a registered function/op" in said or "No Op registered for" in said:
        return ModelFileError(
            f"`{model}` needs an operator that onnxruntime does not have: {_last(said)}",
            "programs that come with a model are never loaded: get it with standard operators",
        )
    return ModelFileError(
        f"onnxruntime cannot open `{model}`: {_last(said)}",
        "fetch the file again, or upgrade onnxruntime",
    )


def _last(said: str) -> str:
    """Return the last part of onnxruntime's chain of words, on one line."""
    return " ".join(said.split("failed:")[-1].split())
