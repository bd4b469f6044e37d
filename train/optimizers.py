"""The optimizers: a row each. What learns with them knows none of them by name.

Source: `transformers` for Adafactor, which is the one that kohya's scripts use; `pytorch-optimizer`
4.1 for those that torch has not; names of kohya-ss/sd-scripts (commit 48d368fa), train_util.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any


class Rate(StrEnum):
    """Who decides how far a step goes."""

    OURS = "ours"  # the learning rate times the schedule
    FACTOR = "factor"  # the optimizer finds it; the learning rate, usually 1, multiplies that
    ITS_OWN = "its own"  # the optimizer alone


@dataclass(frozen=True)
class Optimizer:
    """One optimizer.

    Attributes:
        name: As it is typed after `--optimizer`.
        path: Its class, with its module.
        package: What has to be installed for it; empty where nothing has to.
        arguments: What its class is told besides learning rate and weight decay.
        rate: Who decides the learning rate.
        usual_rate: The learning rate where a person names none; None for that of the method.
        kept: Numbers that it keeps for each that learns, beside the weight itself.
        squares: Whether it keeps squares of gradients, in the precision of the weights.
        leaves_out: Whether it leaves a step out by itself where its `found_inf` is 1, so that the
            host need not know.
        modes: Whether the weights that it trains with are not those to be used: it has `train()`
            and `eval()`.
        known_as: What kohya's scripts call it, in small letters.
        written_as: What they write into a file's metadata; empty for `path`.
    """

    name: str
    path: str
    package: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    rate: Rate = Rate.OURS
    usual_rate: float | None = None
    kept: float = 2.0
    squares: bool = False
    leaves_out: bool = False
    modes: bool = False
    known_as: tuple[str, ...] = ()
    written_as: str = ""


_ROWS = (
    Optimizer("adamw", "torch.optim.AdamW", arguments={"fused": True}, squares=True,
              leaves_out=True, known_as=("torch.optim.adamw",),
              written_as="torch.optim.adamw.AdamW"),
    Optimizer("adamw8bit", "bitsandbytes.optim.AdamW8bit", "bitsandbytes", kept=0.5,
              known_as=("bitsandbytes.optim.adamw8bit",),
              written_as="bitsandbytes.optim.adamw.AdamW8bit"),
    Optimizer("adafactor", "transformers.optimization.Adafactor", kept=0.1,
              arguments={"scale_parameter": False, "relative_step": False, "warmup_init": False},
              known_as=("transformers.optimization.adafactor",)),
    Optimizer("adafactor-relative", "transformers.optimization.Adafactor", kept=0.1,
              arguments={"scale_parameter": True, "relative_step": True, "warmup_init": True},
              rate=Rate.ITS_OWN),
    Optimizer("lion", "pytorch_optimizer.Lion", kept=1.0),
    Optimizer("dadaptation", "pytorch_optimizer.DAdaptAdam", rate=Rate.FACTOR, usual_rate=1.0,
              kept=3.0, arguments={"weight_decouple": True}, squares=True,
              known_as=("dadaptadam",)),
    Optimizer("prodigy", "pytorch_optimizer.Prodigy", rate=Rate.FACTOR, usual_rate=1.0, kept=4.0,
              squares=True),
    Optimizer("adamw-schedulefree", "pytorch_optimizer.ScheduleFreeAdamW", squares=True, modes=True,
              known_as=("adamwschedulefree",)),
    Optimizer("came", "pytorch_optimizer.CAME", kept=1.1, squares=True),
)  # fmt: skip

OPTIMIZERS: Mapping[str, Optimizer] = MappingProxyType({row.name: row for row in _ROWS})
# How else they are spelt -> their name here.
KNOWN_AS: Mapping[str, str] = MappingProxyType(
    {word: row.name for row in _ROWS for word in row.known_as}
)
