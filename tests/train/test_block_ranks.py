"""Ranks and alphas of blocks."""

from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from tests.train.conftest import build_dataset
from train.families.sd15 import FAMILY
from train.methods import config_of, method_named
from train.run import start


def test_blocks_have_their_own_rank_and_alpha(tmp_path: Path, base: Path, models: Models) -> None:
    """A rank keeps the scale unless an alpha is given; 0 leaves a block out, and all is counted."""
    meta = build_dataset(tmp_path / "data", base, count=2)
    given: dict[str, Any] = {
        "rank": 4, "alpha": 2.0, "block_ranks": "IN=8,MID=0,OUT03=2", "block_alphas": "OUT03=1.5",
    }  # fmt: skip
    config = config_of(steps=1, out=tmp_path, targets="convolutions", **given)

    tensors = load_file(start.start([meta], config, models, Console(level=0)))

    sizes = {}
    for name, tensor in tensors.items():
        if name.endswith(".lora_down.weight"):
            word = name.removesuffix(".lora_down.weight")
            sizes[word] = (tensor.shape[0], tensors[f"{word}.alpha"].item())
    places = ("down_blocks", "mid_block", "up_blocks_1_attentions_0", "up_blocks_0")
    found = {block: {one for word, one in sizes.items() if block in word} for block in places}
    assert found == dict(zip(places, ({(8, 4.0)}, set(), {(2, 1.5)}, {(4, 2.0)}), strict=True))
    network = FAMILY.load(base, "cpu").network
    shapes = {name: tuple(one.shape) for name, one in network.named_parameters()}
    learn = method_named("lora").sizes(config, FAMILY, {FAMILY.network: shapes}).learn
    assert learn == sum(t.numel() for n, t in tensors.items() if not n.endswith(".alpha"))


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"block_ranks": "IN=1.5"}, "`--block-ranks` has `IN=1.5`",
         "give each block once, with a whole number from 0 to 1024: `IN04=8,OUT=4`"),
        ({"block_ranks": "IN=2000"}, "`--block-ranks` has `IN=2000`",
         "give each block once, with a whole number from 0 to 1024: `IN04=8,OUT=4`"),
        ({"block_alphas": "MID=0"}, "`--block-alphas` has `MID=0`",
         "give each block once, with a number above 0, up to 100000: `IN04=8,OUT=4`"),
    ],
)  # fmt: skip
def test_what_is_no_rank_of_a_block_is_two_lines(
    given: dict[str, Any], message: str, hint: str
) -> None:
    """The piece is named."""
    with pytest.raises(ConfigError) as caught:
        config_of(**given)

    assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"block_ranks": "ALL=0"}, "`--block-ranks` is `ALL=0`: no block learns"),
        ({"block_alphas": "TE1=1"},
         "`--block-alphas` is `TE1=1`: `TE1` is a text encoder, and none learns"),
    ],
)  # fmt: skip
def test_blocks_that_cannot_learn_are_told_before(
    tmp_path: Path, base: Path, models: Models, given: dict[str, Any], message: str
) -> None:
    """Nothing is trained where nothing would learn as it was asked."""
    meta = build_dataset(tmp_path / "data", base, count=2)

    with pytest.raises(ConfigError) as caught:
        start.start([meta], config_of(steps=1, out=tmp_path, **given), models, Console(level=0))

    assert str(caught.value) == message
