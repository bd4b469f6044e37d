"""Weights of blocks, as a person gave them, beside the blocks that models of a family have."""

from prep.runtime.errors import ConfigError
from train.block_rates import BlockWeights, strange
from train.families.family import Family


def check_block_weights(given: BlockWeights, family: Family) -> None:
    """Raise ConfigError where `--block-weights` is for models with other blocks."""
    if instead := given.instead(family.blocks):
        raise ConfigError(
            f"`--block-weights` has {given.numbers} numbers, and a model of the kind "
            f"`{family.name}` has other blocks",
            instead,
        )
    if words := strange(given.weights, family.all_blocks()):
        raise ConfigError(
            f"`--block-weights` names `{words[0]}`, and a model of the kind `{family.name}` has no "
            "such block",
            f"its blocks are {', '.join(family.all_blocks())}",
        )
