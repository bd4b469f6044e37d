"""What a person meets first on a small card is two lines with the option that helps."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch

from train.methods import config_of
from train.run.memory_errors import MemoryShortError, advice, memory_errors, spill_note

GIB = 1 << 30


@pytest.mark.parametrize(
    ("error", "whose"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB."), "GPU"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling cublasCreate"), "GPU"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "GPU"),
        (MemoryError(), "machine"),
    ],
)
def test_too_little_memory_is_told_with_advice(error: Exception, whose: str) -> None:
    """Each way in which libraries say it becomes one sentence, and one with the options."""
    with (
        pytest.raises(MemoryShortError) as caught,
        memory_errors(config_of(batch=4, precision="fp32")),
    ):
        raise error

    assert str(caught.value) == f"the {whose} has too little memory for this training"
    assert caught.value.hint == (
        "try `--precision bf16 --gradient-checkpointing --batch 1 --accumulate 4 "
        "--optimizer adamw8bit`; `train check` tells how much each of them needs"
    )


def test_the_cpu_itself_is_out_of_memory() -> None:
    """What torch's own allocator raises is known, whatever its words around the name."""
    with pytest.raises(MemoryShortError, match="the machine has"), memory_errors(config_of()):
        torch.empty(1 << 50)


def test_other_errors_stay_what_they_are() -> None:
    """A wrong shape is no lack of memory."""
    with pytest.raises(RuntimeError, match="size") as caught, memory_errors(config_of()):
        torch.ones(2) + torch.ones(3)

    assert type(caught.value) is RuntimeError


def test_a_picture_that_is_too_large_has_advice_of_its_own() -> None:
    """The options of the training would not help it."""
    with pytest.raises(MemoryShortError) as caught, memory_errors(config_of(), picture=True):
        raise torch.OutOfMemoryError("CUDA out of memory")

    assert (str(caught.value), caught.value.hint) == (
        "the GPU has too little memory for a picture of its size beside the training",
        "draw a smaller picture: `--w` and `--h` in the file of prompts",
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (
            {"precision": "bf16", "gradient_checkpointing": True},
            "try `--optimizer adamw8bit`; `train check` tells how much each of them needs",
        ),
        (
            {"precision": "fp16", "gradient_checkpointing": True, "optimizer": "lion"},
            "train smaller pictures: `prep bucket META --resolution 512`, or a lower `--rank`",
        ),
    ],
)
def test_advice_names_only_what_is_not_done_yet(given: Mapping[str, Any], told: str) -> None:
    """Of all options those that would still help."""
    assert advice(config_of(**given)) == told


def test_memory_that_spills_is_told() -> None:
    """Where a driver gives memory of the machine in a card's place, its slowness is explained."""
    config = config_of(precision="bf16", gradient_checkpointing=True)

    assert spill_note(9 * GIB, 8 * GIB, config) == (
        "the training takes 9.0 GiB and the GPU has 8.0: what does not fit lies in the machine's "
        "memory, and steps take many times as long; try `--optimizer adamw8bit`; `train check` "
        "tells how much each of them needs"
    )
    assert spill_note(7 * GIB, 8 * GIB, config) is None
