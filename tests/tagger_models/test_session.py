import pytest

from prep.errors import MachineError
from tagger_models.session import CPU, fallback_note, providers

CUDA, DML, TENSORRT = "CUDAExecutionProvider", "DmlExecutionProvider", "TensorrtExecutionProvider"


@pytest.mark.parametrize(
    ("device", "available", "chosen"),
    [
        ("auto", [CPU], [CPU]),
        ("auto", ["AzureExecutionProvider", CPU], [CPU]),
        ("auto", [TENSORRT, CUDA, CPU], [CUDA, CPU]),
        ("auto", [DML, CPU], [DML, CPU]),
        ("auto", [DML, CUDA, CPU], [CUDA, CPU]),
        ("auto", ["ROCMExecutionProvider", CPU], ["ROCMExecutionProvider", CPU]),
        (
            "auto",
            ["ROCMExecutionProvider", "MIGraphXExecutionProvider", CPU],
            ["MIGraphXExecutionProvider", CPU],
        ),
        ("cpu", [CUDA, CPU], [CPU]),
        ("cuda", [DML, CUDA, CPU], [CUDA, CPU]),
    ],
)
def test_the_choice_of_provider(device: str, available: list[str], chosen: list[str]) -> None:
    """The best card that this build knows comes first, in any order it lists them; then the CPU."""
    assert providers(device, available) == chosen
    assert providers(device, available[::-1]) == chosen


def test_cuda_by_name_without_cuda() -> None:
    """A card that was asked for by name and cannot be had stops the run, in two lines."""
    with pytest.raises(MachineError) as raised:
        providers("cuda", [DML, CPU])

    assert str(raised.value) == "this onnxruntime was built without CUDA"
    assert raised.value.hint == (
        "install the extra `cuda` in place of `cpu`, or use `--device auto`"
    )


def test_a_silent_fall_to_the_cpu_is_told() -> None:
    """Row 58: where a card was there for the choosing and did not start, the person hears of it."""
    assert fallback_note([CUDA, CPU], CUDA, "auto") is None
    assert fallback_note([CPU], CPU, "auto") is None
    assert fallback_note([CUDA, CPU], CPU, "auto") == (
        "CUDAExecutionProvider could not be started: "
        "tagging runs on CPUExecutionProvider, which is much slower"
    )


def test_a_fall_from_cuda_by_name_is_an_error() -> None:
    """Row 58: who asked for cuda by name does not get the CPU."""
    with pytest.raises(MachineError) as raised:
        fallback_note([CUDA, CPU], CPU, "cuda")

    assert str(raised.value) == (
        "CUDAExecutionProvider could not be started; onnxruntime fell back to CPUExecutionProvider"
    )
