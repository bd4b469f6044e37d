"""What a person may choose of what is kept and looked at while weights learn."""

from dataclasses import dataclass

from train.option_fields import option

# A decay of 1 would never learn; nearer to it than this, float32 cannot tell it from 1.
MOST_DECAY = 0.999999


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """How weights are averaged."""

    ema: float = option(
        0.0, "Export a moving average of the weights, of this decay (0.999 is usual); 0: none",
        later=True, least=0, most=MOST_DECAY,
    )  # fmt: skip
