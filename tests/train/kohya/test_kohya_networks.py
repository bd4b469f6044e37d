"""What `network_module` and `network_args` ask for, as settings of ours."""

from typing import Any

import pytest

from tests.train.kohya.test_import_files import of_options, refused
from train.kohya.kohya_networks import LYCORIS, method_of


@pytest.mark.parametrize(
    ("args", "wanted"),
    [
        ([], {"method": "lora", "rank": 8, "alpha": 4.0, "targets": "convolutions"}),
        (["algo=locon", "preset=attn-mlp", "loraplus_lr_ratio=4"],
         {"method": "lora", "targets": "transformer", "lora_plus": 4.0}),
        (["algo=loha", "preset=attn-only", "conv_dim=8", "conv_alpha=4"],
         {"method": "loha", "rank": 8, "alpha": 4.0, "targets": "attention"}),
        (["algo=LoKr", "factor=8", "decompose_both=True", "use_tucker=False", "dropout=0"],
         {"method": "lokr", "factor": 8, "decompose_both": True}),
        (["algo=lokr", "bypass_mode=True"],
         {"method": "lokr", "factor": -1, "decompose_both": None}),
        (["algo=locon", "conv_dim=2"],
         {"method": "lora", "rank": 8, "alpha": 4.0, "conv_rank": 2, "conv_alpha": 4.0}),
        (["algo=loha", "preset=attn-mlp", "conv_dim=2"], {"method": "loha", "conv_rank": None}),
        (["algo=diag-oft"], {"method": "oft", "block_size": 8, "rank": None, "alpha": None}),
        (["algo=lora", "dora_wd=True"], {"method": "dora", "magnitude": "outputs"}),
        (["algo=locon", "dora_wd=True", "wd_on_output=False"],
         {"method": "dora", "magnitude": "inputs", "rank": 8}),
    ],
)  # fmt: skip
def test_the_kinds_of_lycoris_are_methods_of_ours(args: list[str], wanted: dict[str, Any]) -> None:
    """Kind, size, place and what a kind has of its own are said in our words."""
    found = of_options(
        network_module=LYCORIS, network_dim="8", network_alpha="4", network_args=args
    )

    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("args", "message", "hint"),
    [
        (["algo=boft"], "`network_args` has `algo=boft`", "the nearest here is `algo=diag-oft`"),
        (["algo=IA3"], "`network_args` has `algo=IA3`", "the nearest here is `algo=locon`"),
        (["algo=lokrr"], "`network_args` has `algo=lokrr`", "did you mean `lokr`?"),
        (["conv_dm=4"], "`network_args` has `conv_dm=4`, and there is nothing like it",
         "did you mean `conv_dim`?"),
        (["xyz=4"], "`network_args` has `xyz=4`, and there is nothing like it",
         "leave it out, or all of them: `--without network_args`"),
        (["conv_dim=5000"], "`conv_dim` is 5000", "give a whole number from 1 to 1024"),
        (["loraplus_lr_ratio=0"], "`loraplus_lr_ratio` is 0.0",
         "give a number from 1 to 1000"),
        (["algo=diag-oft", "conv_dim=8"],
         "`network_args`: convolutions have a `conv_dim` of 8, and the rest one of 4",
         "give them the same"),
        (["algo=loha", "preset=mine.toml"], "`network_args` has `preset=mine.toml`",
         "known: full, attn-mlp, attn-only"),
        (["algo=lokr", "use_tucker=True"],
         "`network_args` has `use_tucker=True`, and there is nothing like it",
         "leave it out, or all of them: `--without network_args`"),
        (["algo=loha", "dora_wd=True"],
         "`network_args` has `dora_wd=True`, and there is nothing like it",
         "leave it out, or all of them: `--without network_args`"),
        (["algo=lokr", "factor=x"], "`factor` is `x`", "give a number"),
    ],
)  # fmt: skip
def test_what_there_is_not_of_lycoris_is_refused(args: list[str], message: str, hint: str) -> None:
    """An argument that would change what is trained is named, with what to do."""
    assert refused(network_module=LYCORIS, network_args=args) == (message, hint)


def test_the_method_is_known_before_the_settings() -> None:
    """`train loha config.toml` takes the options of a LoHa; LoRA and fine-tune stay as they are."""
    lycoris = {"network_module": LYCORIS}

    assert method_of("lora", lycoris | {"network_args": ["algo=loha"]}) == "loha"
    assert method_of("lora", lycoris | {"network_args": "dora_wd=True"}) == "dora"
    assert method_of("lora", lycoris | {"network_args": "algo=full"}) == "lora"
    assert method_of("lora", {"network_module": "networks.lora"}) == "lora"
    assert method_of("finetune", {}) == "finetune"


@pytest.mark.parametrize(
    ("options", "targets"),
    [
        ({"network_args": ["conv_dim=0", "conv_alpha=1"]}, None),
        ({"network_module": LYCORIS, "network_args": ["algo=lokr", "conv_dim=0"]}, "transformer"),
        ({"network_module": LYCORIS, "network_args": ["preset=attn-only", "conv_dim=0"]},
         "attention"),
    ],
)  # fmt: skip
def test_a_conv_dim_of_0_is_none(options: dict[str, Any], targets: str | None) -> None:
    """As in both of theirs: nothing of 3 by 3 gets an adapter."""
    found = of_options(**options)

    assert (found.get("targets"), found.get("conv_rank")) == (targets, None)


def test_sizes_of_blocks_and_dropout_are_taken_over() -> None:
    """Kohya's 25 blocks by our names; an alpha that is not given is that of all, as there."""
    dims = [4] * 12 + [8] + [4] * 11 + [0]
    found = of_options(
        network_dim="4", network_alpha="2", network_dropout="0.1", scale_weight_norms="1",
        network_args=[f"block_dims={','.join(map(str, dims))}", "rank_dropout=0.2"],
    )  # fmt: skip

    wanted = {
        "rank": 4, "alpha": 2.0, "block_ranks": "MID=8,OUT11=0", "block_alphas": "MID=2",
        "network_dropout": 0.1, "rank_dropout": 0.2, "max_norm": 1.0,
    }  # fmt: skip
    assert {name: found.get(name) for name in wanted} == wanted
    assert refused(network_args="block_dims=4,8") == (
        "`block_dims` has 2 numbers, and there are 25 blocks", "give one for each"
    )  # fmt: skip
    assert refused(network_module=LYCORIS, network_dropout="0.1") == (
        "`network_dropout` is `0.1`, and here a LoRA of `networks.lora` alone has it",
        "leave it out: `--without network_dropout`",
    )


def test_misspelt_words_of_other_options_have_the_nearest_name() -> None:
    """As those of `network_args` have; what kohya's scripts know there is no misspelling."""
    assert refused(optimizer_args="weight_dacay=0.1")[1] == "did you mean `weight_decay`?"
    assert refused(network_args="conv_dm=4")[1] == "did you mean `conv_dim`?"
    assert refused(network_args="conv_block_dims=4")[1] == (
        "leave it out, or all of them: `--without network_args`"
    )
    assert refused(lr_scheduler="piecewise_constant", lr_scheduler_args="steps_rule=1:10,0.1") == (
        "`lr_scheduler_args` has `steps_rule=1:10,0.1`, and there is nothing like it",
        "did you mean `step_rules`?",
    )
