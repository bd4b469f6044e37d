"""The version of what a run computes: newer where an older program did it otherwise."""

from collections.abc import Mapping
from types import MappingProxyType

from train.block_rates import rates_of
from train.config import Config
from train.data.dataset import Data
from train.families.family import Family
from train.methods.method import learns

# Raised by hand whenever the same recipe gives other bytes.
VERSION = 2
# The same, of the recipes alone that `_is_newer` names.
_NEWER = 3
# Of those whose texts are read in several chunks.
_LONG = 4
# Of those with several captions a picture, whose lines once were one text.
_SEVERAL = 5
# Of those whose steps have several batches: once a batch was cut into so many passes.
BATCHES = 6
# Of those whose text encoders learn from several texts or chunks at once.
_TOGETHER = 7
# Of those whose blocks of a rate of 0 have a convolution that makes pictures smaller.
_SMALLER = 8

# Version -> what a program before it did, in a person's words.
BEFORE: Mapping[int, str] = MappingProxyType(
    dict.fromkeys(range(_SMALLER), "showed other texts or trained other weights")
    | {
        BATCHES: "cut a batch into `--accumulate` passes",
        _TOGETHER: "read the texts of a batch one by one",
        _SMALLER: "took convolutions that make pictures smaller for the block `TIME`",
    }
)


def version_of(config: Config, data: Data, family: Family, chunks: int) -> int:
    """Return the version of what a run computes: newer where an older program did it otherwise."""
    zero = 0 in rates_of(config.block_rates).values()
    if zero and getattr(config.own, "targets", "") == "convolutions":
        return _SMALLER
    if _text_learns(config, family) and (config.batch > 1 or chunks > 1):
        return _TOGETHER
    if config.accumulate > 1:
        return BATCHES
    if data.captions():
        return _SEVERAL
    if chunks > 1:
        return _LONG
    return _NEWER if _is_newer(config, data) else VERSION


def _text_learns(config: Config, family: Family) -> bool:
    parts = family.encoders if config.text_encoder else ()
    return any(learns(f"{part}.", family, config) for part in parts)


def _is_newer(config: Config, data: Data) -> bool:
    """Return whether texts are drawn at each showing, or weights stay that no step uses.

    Once they were drawn once an epoch, and the layers that clip skip leaves out decayed.
    """
    drawn = config.shuffle_tags or config.caption_dropout > 0
    repeated = any(one.repeats > 1 for one in data.samples.values())
    return (drawn and repeated) or (config.text_encoder and config.clip_skip > 1)
