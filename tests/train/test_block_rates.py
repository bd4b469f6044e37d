from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from train.adapters import lora_layers
from train.block_rates import notations_of, rate_of, rates_of, weights_of
from train.families import all_families
from train.families.sd15 import FAMILY as SD15
from train.families.sdxl import FAMILY as SDXL
from train.methods import all_methods, config_of
from train.run import start
from train.step.schedule import peak_of

UNET: dict[str, Any] = {"sample_size": 64, "cross_attention_dim": 768, "attention_head_dim": 8}
XL: dict[str, Any] = {
    "sample_size": 128, "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20),
    "use_linear_projection": True, "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
WEBUI_17 = "IN01 IN02 IN04 IN05 IN07 IN08 MID OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11"
WEBUI_12 = "IN04 IN05 IN07 IN08 MID OUT00 OUT01 OUT02 OUT03 OUT04 OUT05"


def test_a_block_has_the_rate_of_its_name_of_its_group_of_all_or_one() -> None:
    """The nearest word counts, in whatever order the words stand."""
    rates = rates_of("ALL=0.1, IN=0.5,IN04=2 ,MID=0")

    assert [rate_of(block, rates) for block in ("IN04", "IN05", "MID", "OUT00")] == [2, 0.5, 0, 0.1]
    assert rate_of("IN04", rates_of("IN04=2,IN=0.5")) == 2
    assert rate_of("IN04", rates_of("")) == 1


@pytest.mark.parametrize(
    ("count", "family", "named"),
    [
        (17, SD15, f"TE {WEBUI_17}"), (26, SD15, None), (12, SDXL, f"TE {WEBUI_12}"),
        (20, SDXL, None),
    ],
)  # fmt: skip
def test_numbers_weigh_the_blocks_of_the_webuis(count: int, family: Any, named: str | None) -> None:
    """17, 26, 12 and 20 numbers: text encoders first, then as latents go; 0 for what has none."""
    given = weights_of(",".join(str(n + 1) for n in range(count)))
    blocks = [block for block in family.blocks if block not in ("TIME", "END")]
    order = named.split() if named else ["TE", *blocks]

    assert [given.weights[block] for block in order] == list(range(1, count + 1))
    assert {block for block, weight in given.weights.items() if not weight} == {
        *blocks
    } - {*order}  # fmt: skip
    assert (given.numbers, given.instead(family.blocks)) == (count, "")
    assert count in notations_of(family.blocks)


def test_numbers_for_other_models_are_told() -> None:
    """XL has other blocks than 1.x, and a model of joint blocks takes names alone."""
    twelve = weights_of(",".join("1" * 12))

    assert twelve.instead(SD15.blocks) == "give 17 or 26 numbers"
    assert twelve.instead(["JOINT00", "END"]) == "name blocks, as `JOINT03=0.5`"
    assert weights_of("IN=1").instead(SD15.blocks) == ""
    for text, piece in (("1,2", "2 numbers"), (",".join("1" * 16) + ",x", "OUT11=x"), ("5", "5")):
        with pytest.raises(ValueError, match=piece):
            weights_of(text)


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("IN", "IN"), ("IN=x", "IN=x"), ("IN=-1", "IN=-1"), ("IN=1,IN=2", "IN=2"),
        ("=1", "=1"), ("MID=nan", "MID=nan"), ("MID=101", "MID=101"),
    ],
)  # fmt: skip
def test_text_of_another_kind_is_two_lines(text: str, piece: str) -> None:
    """A word twice, no number, or one out of its limits: the piece is named."""
    with pytest.raises(ConfigError) as caught:
        config_of(block_rates=text)

    assert str(caught.value) == f"`--block-rates` has `{piece}`"
    assert (
        caught.value.hint == "give each block once, with a number from 0 to 100: `IN04=0.5,OUT=0`"
    )


@pytest.mark.parametrize(
    ("family", "facts", "wanted"), [(SD15, UNET, WEBUI_17), (SDXL, XL, WEBUI_12)]
)
def test_blocks_with_attention_are_those_of_the_webuis(
    family: Any, facts: dict[str, Any], wanted: str
) -> None:
    """An adapter's blocks in the full-size U-Net are the WebUIs' 17 and 12, text encoder aside."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(**facts)
        lora_layers.add(unet, family.targets("transformer"), 4, 4.0)

    found = {family.block(name) for name in lora_layers.pairs(unet)}

    assert found == set(wanted.split())
    assert family.block("down_blocks.0.downsamplers.0.conv") == "IN03"
    assert family.block("conv_in") == family.block("conv_in.weight") == "IN00"
    every = {family.block(name) for name, _ in unet.named_parameters()}
    assert every == set(family.blocks)


@pytest.mark.parametrize("name", all_families())
def test_every_weight_of_a_family_is_in_a_block_it_names(tmp_path: Path, name: str) -> None:
    """Network and text encoders: no weight is left without a block that a person can name."""
    family = all_families()[name]
    base = family.load(family.tiny.write(tmp_path / name), "cpu")
    base.network.requires_grad_(True)
    for encoder in base.encoders.values():
        encoder.requires_grad_(True)

    assert {family.block(weight) for weight in base.learning()} <= set(family.all_blocks())


def test_rates_multiply(tmp_path: Path) -> None:
    """A block's rate is a factor of its part's: the text encoders have theirs, too."""
    config = config_of(
        learning_rate=1e-3, text_encoder=True, text_encoder_learning_rate=1e-4,
        block_rates="OUT=0.5,TE2=0.1", lora_plus=4.0,
    )  # fmt: skip
    share = all_methods()["lora"].share
    names = (
        "up_blocks.1.attentions.0.proj_in.lora_B.lora.weight", "mid_block.attentions.0.proj_in",
        "text_encoder.a.lora_A", "text_encoder_2.a.lora_A",
    )  # fmt: skip

    rates = [peak_of(name, config, SDXL, share) for name in names]

    assert rates == pytest.approx([2e-3, 1e-3, 1e-4, 1e-5])


@pytest.mark.parametrize("method", ["lora", "finetune"])
def test_a_block_of_rate_0_stays_as_it_is(
    meta: Path, base: Path, tmp_path: Path, models: Models, method: str
) -> None:
    """Its weights get no adapter, and a fine-tune leaves them bit for bit."""
    config = config_of(
        method, steps=2, learning_rate=1e-2, block_rates="ALL=0,MID=1", out=tmp_path,
    )  # fmt: skip
    made = start.start([meta], config, models, Console(level=0))

    if made.is_file():
        assert all(name.startswith("lora_unet_mid_block") for name in load_file(made))
        return
    (weights,) = (made / "unet").glob("*.safetensors")
    found, before = load_file(weights), load_file(base / "unet" / weights.name)
    changed = {name.split(".")[0] for name in found if not torch.equal(found[name], before[name])}
    assert changed == {"mid_block"}


@pytest.mark.parametrize(
    ("rates", "message", "hint"),
    [
        (
            "OUT12=1",
            "`--block-rates` is `OUT12=1`, and a model of the kind `sd15` has no block `OUT12`",
            "its blocks are TIME, IN00, ",
        ),
        ("ALL=0", "`--block-rates` is `ALL=0`: no block learns", "give a block a rate"),
        (
            "TE1=0.5",
            "`--block-rates` is `TE1=0.5`: `TE1` is a text encoder, and none learns",
            "let it learn: `--text-encoder`",
        ),
    ],
)
def test_blocks_that_are_not_there_are_refused(
    meta: Path, tmp_path: Path, models: Models, rates: str, message: str, hint: str
) -> None:
    """Before anything is loaded: a strange word, or no block that is left to learn."""
    config = config_of(steps=2, block_rates=rates, out=tmp_path / "runs")
    with pytest.raises(ConfigError) as caught:
        start.start([meta], config, models, Console(level=0))

    assert str(caught.value) == message
    assert caught.value.hint is not None
    assert caught.value.hint.startswith(hint)
    assert not (tmp_path / "runs").exists()
