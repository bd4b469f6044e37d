"""Which of onnxruntime's providers to ask for: a choice over lists. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from prep.runtime.errors import MachineError

CPU = "CPUExecutionProvider"


@dataclass(frozen=True)
class DeviceKind:
    """A kind of device a person may ask for.

    Attributes:
        shown: Its name in messages.
        names: What onnxruntime calls its providers, the one to prefer first.
        hint: How a build that has it is come by.
    """

    shown: str
    names: tuple[str, ...]
    hint: str


# Fastest first: the order of `auto`. OpenVINO is the last, since without its own card it is
# another way to use the CPU. Source of names: onnxruntime's list of execution providers.
KINDS: Mapping[str, DeviceKind] = {
    "cuda": DeviceKind(
        "CUDA",
        ("CUDAExecutionProvider",),
        "install the extra `cuda` in place of `cpu`, or use `--device auto`",
    ),
    "rocm": DeviceKind(
        "ROCm",
        ("MIGraphXExecutionProvider", "ROCMExecutionProvider"),
        "install AMD's `onnxruntime-migraphx` in place of `onnxruntime`, or use `--device auto`",
    ),
    "directml": DeviceKind(
        "DirectML",
        ("DmlExecutionProvider",),
        "install `onnxruntime-directml` in place of `onnxruntime`, or use `--device auto`",
    ),
    "openvino": DeviceKind(
        "OpenVINO",
        ("OpenVINOExecutionProvider",),
        "install `onnxruntime-openvino` in place of `onnxruntime`, or use `--device auto`",
    ),
}
DEVICES = ("auto", "cpu", *KINDS)

# Source: sd-scripts' tagger runs OpenVINO with float32, as "fp16 causes nonsense outputs".
_OPTIONS: Mapping[str, Mapping[str, str]] = {"OpenVINOExecutionProvider": {"precision": "FP32"}}


def chosen(asked: str, available: Iterable[str]) -> list[str]:
    """Return the providers to ask for, best first; the CPU is always the last.

    Args:
        asked: One of DEVICES.
        available: What this build of onnxruntime says it has, in any order; it may still fail to
            start.

    Raises:
        MachineError: A device was asked for by name and this build has none of its providers.
    """
    here = set(available)
    if asked == "cpu":
        return [CPU]
    wanted = list(KINDS.values()) if asked == "auto" else [KINDS[asked]]
    found = [name for kind in wanted for name in kind.names if name in here][:1]
    if asked != "auto" and not found:
        kind = KINDS[asked]
        raise MachineError(f"this onnxruntime was built without {kind.shown}", kind.hint)
    return [*found, CPU]


def with_options(names: Iterable[str]) -> list[tuple[str, dict[str, str]]]:
    """Return providers with the settings that each is started with."""
    return [(name, dict(_OPTIONS.get(name, {}))) for name in names]


def fallback_note(wanted: Sequence[str], in_use: str, asked: str) -> str | None:
    """Return what to tell where the session does not run on the provider that was chosen.

    Args:
        wanted: What `chosen` returned.
        in_use: The provider that the session itself names first.
        asked: One of DEVICES.

    Raises:
        MachineError: A device was asked for by name, and is not the one in use.
    """
    if in_use == wanted[0]:
        return None
    if asked != "auto":
        raise MachineError(
            f"{wanted[0]} could not be started; onnxruntime fell back to {in_use}",
            f"check the driver and that its {KINDS[asked].shown} libraries are installed, or use "
            "`--device auto`",
        )
    return f"{wanted[0]} could not be started: tagging runs on {in_use}, which is much slower"
