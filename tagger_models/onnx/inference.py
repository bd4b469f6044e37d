"""How an ONNX model is opened and run: on the chosen provider, repeatably, and its errors."""

import io
import re
from collections.abc import Mapping
from contextlib import redirect_stdout, suppress
from pathlib import Path
from typing import Any

from prep.runtime.errors import ModelFileError
from tagger_models.onnx.external_data import damaged
from tagger_models.onnx.providers import CPU, chosen, fallback_note, with_options

# How onnxruntime and its providers say that memory ran out.
_FULL = ("failed to allocate memory", "out of memory", "not enough memory", "bad allocation")


class OutOfMemoryError(MemoryError):
    """The memory of the device that a graph runs on is full."""


def open_session(model: Path, device: str, threads: int) -> tuple[Any, str, str | None]:
    """Return an onnxruntime session, the provider it runs on, and what to tell of that.

    Nothing is registered with it: an operator that onnxruntime does not have stays unknown.

    Args:
        model: An ONNX file whose external data was checked.
        device: One of `providers.DEVICES`.
        threads: CPU threads of one call; 0 is one for each core.

    Raises:
        ModelFileError: onnxruntime does not open the model.
        MachineError: A device was asked for by name and cannot be had.
    """
    import onnxruntime  # type: ignore[import-untyped]

    wanted = chosen(device, onnxruntime.get_available_providers())
    session = _session(model, wanted, threads)
    provider: str = session.get_providers()[0]  # what runs, not what was asked for
    return session, provider, fallback_note(wanted, provider, device)


def answer(session: Any, output: str, given: Mapping[str, Any]) -> Any:
    """Return one output of a graph as an array.

    Args:
        session: What `open_session` returned.
        output: The output's name.
        given: Input's name -> array.

    Raises:
        OutOfMemoryError: The device does not hold the input and what becomes of it.
        RuntimeError: The graph fails at this input; with onnxruntime's last words.
    """
    try:
        return session.run([output], dict(given))[0]
    except Exception as error:
        if not type(error).__module__.startswith("onnxruntime"):  # whose errors share no class
            raise
        said = str(error)
        if any(words in said.lower() for words in _FULL):
            raise OutOfMemoryError(_last(said)) from error
        raise RuntimeError(_last(said)) from error


def _session(model: Path, wanted: list[str], threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.use_deterministic_compute = True
    options.enable_mem_pattern = "DmlExecutionProvider" not in wanted  # which cannot use it
    options.log_severity_level = 4  # what fails is told by us, in two lines
    if wanted != [CPU]:
        with suppress(Exception):  # of a card or of the model: the CPU's answer tells which
            return _started(model, options, wanted)
    try:
        return _started(model, options, [CPU])
    except Exception as error:
        raise _refused(model, str(error)) from error


def _started(model: Path, options: Any, names: list[str]) -> Any:
    import onnxruntime

    if "CUDAExecutionProvider" in names:
        with redirect_stdout(io.StringIO()):  # it prints what it did not find
            onnxruntime.preload_dlls()
    return onnxruntime.InferenceSession(
        str(model), options, providers=with_options(names), enable_fallback=0
    )


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
    return " ".join(re.split("failed:|Status Message:", said)[-1].split())
