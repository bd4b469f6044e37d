"""What a person may choose of what is kept and looked at while weights learn."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prep.runtime.seeds import MOST_SEED
from train.option_fields import option

# A decay of 1 would never learn; nearer to it than this, float32 cannot tell it from 1.
MOST_DECAY = 0.999999
_FOLD = re.compile(r"[0-9]{1,6}/[0-9]{1,6}")


@dataclass(frozen=True, kw_only=True)
class WatchOptions:
    """How weights are averaged, and which pictures are looked at."""

    ema: float = option(
        0.0, "Export a moving average of the weights, of this decay (0.999 is usual); 0: none",
        later=True, least=0, most=MOST_DECAY,
    )  # fmt: skip
    held_out: float = option(
        0.0, "Source pictures that do not train and are measured at every save: a share of them "
        "below 1, else their number", later=True, least=0, most=1_000_000,
    )  # fmt: skip
    held_out_seed: int | None = option(
        None, "Decides which; default: `--seed`", later=True, least=0, most=MOST_SEED
    )
    held_out_fold: str = option(
        "", "Hold one of several equal parts of the source pictures out, as `2/5`: the second of "
        "five", later=True,
    )  # fmt: skip
    held_out_data: Path | None = option(  # noqa: RUF009
        None, "Dataset file with latents whose pictures are measured so, too", decides=False
    )
    watch: int = option(
        0, "Pictures that train whose loss is measured at every save, too; default: as many as "
        "are held out", decides=False, least=0, most=100_000,
    )  # fmt: skip


def faults(options: WatchOptions) -> Iterator[tuple[str, str]]:
    """Yield what is wrong with pictures that are held out, as message and hint."""
    if options.held_out >= 1 and options.held_out % 1:
        told = f"`--held-out` is {options.held_out:g}"
        yield told, "give a share below 1, or a whole number"
    if options.held_out_seed is not None and not (options.held_out or options.held_out_fold):
        told = "`--held-out-seed` is given without `--held-out`, which it decides"
        yield told, "give that too, or leave it out"
    if options.held_out_fold and not _FOLD.fullmatch(options.held_out_fold):
        told = f"`--held-out-fold` is `{options.held_out_fold}`"
        yield told, "give the number of a part and of all, as `2/5`"
    elif options.held_out_fold and not 1 <= fold_of(options)[0] <= fold_of(options)[1] >= 2:
        told = f"`--held-out-fold` is `{options.held_out_fold}`"
        yield told, "give two parts or more, and one of them, as `2/5`"


def fold_of(options: WatchOptions) -> tuple[int, int]:
    """Return the number of the part that is held out, from 1 on, and how many parts there are."""
    number, _, count = options.held_out_fold.partition("/")
    return int(number), int(count)
