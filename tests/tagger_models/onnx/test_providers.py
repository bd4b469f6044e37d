import pytest

from prep.runtime.errors import MachineError
from tagger_models.onnx.providers import CPU, DEVICES, KINDS, chosen, fallback_note, with_options

CUDA, DML, TENSORRT = "CUDAExecutionProvider", "DmlExecutionProvider", "TensorrtExecutionProvider"
ROCM, MIGRAPHX = "ROCMExecutionProvider", "MIGraphXExecutionProvider"
VINO, AZURE = "OpenVINOExecutionProvider", "AzureExecutionProvider"


@pytest.mark.parametrize(
    ("asked", "available", "wanted"),
    [
        ("auto", [CPU], [CPU]),
        ("auto", [AZURE, CPU], [CPU]),
        ("auto", [], [CPU]),
        ("auto", [TENSORRT, CUDA, CPU], [CUDA, CPU]),
        ("auto", [DML, CPU], [DML, CPU]),
        ("auto", [DML, CUDA, CPU], [CUDA, CPU]),
        ("auto", [ROCM, CPU], [ROCM, CPU]),
        ("auto", [ROCM, MIGRAPHX, CPU], [MIGRAPHX, CPU]),
        ("auto", [VINO, CPU], [VINO, CPU]),
        ("auto", [VINO, DML, CPU], [DML, CPU]),
        ("auto", [CUDA, DML, VINO, ROCM, MIGRAPHX, CPU], [CUDA, CPU]),
        ("cpu", [CUDA, CPU], [CPU]),
        ("cuda", [DML, CUDA, CPU], [CUDA, CPU]),
        ("directml", [DML, CUDA, CPU], [DML, CPU]),
        ("openvino", [CUDA, VINO, CPU], [VINO, CPU]),
        ("rocm", [CUDA, ROCM, CPU], [ROCM, CPU]),
        ("rocm", [MIGRAPHX, ROCM, CPU], [MIGRAPHX, CPU]),
    ],
)
def test_the_choice_of_provider(asked: str, available: list[str], wanted: list[str]) -> None:
    """The best card that this build knows comes first, in any order it lists them; then the CPU."""
    assert chosen(asked, available) == wanted
    assert chosen(asked, available[::-1]) == wanted


def test_every_device_can_be_chosen() -> None:
    """Each device that an option offers is one the choice knows, and leads to its provider."""
    assert DEVICES == ("auto", "cpu", "cuda", "rocm", "directml", "openvino")
    for asked, kind in KINDS.items():
        assert chosen(asked, kind.names)[0] == kind.names[0]


@pytest.mark.parametrize(
    ("asked", "shown", "hint"),
    [
        ("cuda", "CUDA", "install the extra `cuda` in place of `cpu`, or use `--device auto`"),
        (
            "directml",
            "DirectML",
            "install `onnxruntime-directml` in place of `onnxruntime`, or use `--device auto`",
        ),
        (
            "openvino",
            "OpenVINO",
            "install `onnxruntime-openvino` in place of `onnxruntime`, or use `--device auto`",
        ),
        (
            "rocm",
            "ROCm",
            (
                "install AMD's `onnxruntime-migraphx` in place of `onnxruntime`, or use "
                "`--device auto`"
            ),
        ),
    ],
)
def test_a_device_by_name_that_the_build_lacks(asked: str, shown: str, hint: str) -> None:
    """A card that was asked for by name and cannot be had stops the run, in two lines."""
    others = [name for one, kind in KINDS.items() if one != asked for name in kind.names]

    with pytest.raises(MachineError) as raised:
        chosen(asked, [*others, CPU])

    assert str(raised.value) == f"this onnxruntime was built without {shown}"
    assert raised.value.hint == hint


def test_a_silent_fall_to_the_cpu_is_told() -> None:
    """Row 58: where a card was there for the choosing and did not start, the person hears of it."""
    assert fallback_note([CUDA, CPU], CUDA, "auto") is None
    assert fallback_note([CPU], CPU, "auto") is None
    assert fallback_note([CUDA, CPU], CPU, "auto") == (
        "CUDAExecutionProvider could not be started: "
        "tagging runs on CPUExecutionProvider, which is much slower"
    )


@pytest.mark.parametrize("asked", KINDS)
def test_a_fall_from_a_device_by_name_is_an_error(asked: str) -> None:
    """Row 58: who asked for a card by name does not get the CPU."""
    first = KINDS[asked].names[0]

    with pytest.raises(MachineError) as raised:
        fallback_note([first, CPU], CPU, asked)

    assert str(raised.value) == (
        f"{first} could not be started; onnxruntime fell back to CPUExecutionProvider"
    )
    assert raised.value.hint == (
        f"check the driver and that its {KINDS[asked].shown} libraries are installed, or use "
        "`--device auto`"
    )


def test_openvino_computes_in_float32() -> None:
    """Half precision makes nonsense of taggers there; no other provider is told anything."""
    assert with_options([VINO, CPU]) == [(VINO, {"precision": "FP32"}), (CPU, {})]
