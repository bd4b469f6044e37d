"""The option `--save-precision` of commands that write files of weights."""

from enum import StrEnum
from typing import Annotated

import typer


class SavePrecision(StrEnum):
    """In how many bits the numbers of an output are written."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"


SAVE_PRECISION = Annotated[
    SavePrecision | None, typer.Option(help="Round to it; default: numbers stay as they are")
]
