"""Weights that a step does not use are not changed by it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from prep.models.locate import Models
from tests.train.conftest import build_dataset
from tests.train.runs import lora, new_console
from train.adapters import lora_layers as adapter
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.methods.lora import attach
from train.step.trainer import Trainer


@pytest.mark.parametrize("decay", [0.01, 0.9])
def test_layers_behind_clip_skip_are_the_base_s(
    meta: Path, tmp_path: Path, models: Models, base: Path, decay: float
) -> None:
    """Case F6: a fine-tune at clip skip 2 leaves the last layer's weights alone bit for bit."""
    made = lora(
        meta, tmp_path, models, new_console(), method="finetune", steps=3, text_encoder=True,
        clip_skip=2, weight_decay=decay,
    )  # fmt: skip

    before, after = (FAMILY.load(place, "cpu") for place in (base, made))
    old = before.encoders["text_encoder"].state_dict()
    new = after.encoders["text_encoder"].state_dict()
    last = [name for name in old if name.startswith("encoder.layers.1.")]
    assert len(last) == 16
    assert all(torch.equal(old[name], new[name]) for name in last)
    others = [name for name in old if name.startswith("encoder.layers.0.")]
    assert not any(torch.equal(old[name], new[name]) for name in others)


def test_a_lora_behind_clip_skip_keeps_its_first_weights(
    meta: Path, tmp_path: Path, models: Models, base: Path
) -> None:
    """Case F6: pairs of layers that nothing reads stay as they were drawn from the seed."""
    from safetensors.torch import load_file

    more = {"text_encoder": True, "clip_skip": 2, "steps": 3, "weight_decay": 0.5}
    made = load_file(lora(meta, tmp_path, models, new_console(), **more))
    opened = FAMILY.load(base, "cpu")
    attach(opened, FAMILY, config_of(rank=2, text_encoder=True))

    for name, pair in adapter.of_base(opened).items():
        word = FAMILY.export_name(name)
        same = torch.equal(made[f"{word}.lora_down.weight"], pair.down)
        assert same == ("encoder.layers.1." in name), name


def test_a_stopped_run_leaves_them_alone_too(
    narrow_base: Callable[[str], Path], tmp_path: Path, models: Models
) -> None:
    """Case F6: weights without a state of their own are resumed with the others: equal bytes."""
    meta = build_dataset(tmp_path / "data", narrow_base("sd15"))
    more = {"method": "finetune", "save_as": "file", "text_encoder": True, "clip_skip": 2}
    whole = lora(meta, tmp_path / "whole", models, new_console(), **more, steps=4)
    lora(meta, tmp_path / "cut", models, new_console(), **more, steps=2)
    again = lora(meta, tmp_path / "cut", models, new_console(), **more, steps=4)

    assert again.read_bytes() == whole.read_bytes()


def test_whoever_uses_a_weight_keeps_its_gradient() -> None:
    """Case F6: a weight that another process used takes the step; one that none used does not."""
    weights = {name: torch.nn.Parameter(torch.ones(2)) for name in "abc"}
    trainer = Trainer(weights, config_of(weight_decay=0.5), "cpu")
    weights["a"].grad = torch.ones(2)

    used = trainer.used()
    gradients = trainer.gradients()
    trainer.leave_alone(used + torch.tensor([0.0, 1.0, 0.0]))  # b: by another process

    assert used.tolist() == [1, 0, 0]
    assert len(gradients) == 3
    assert trainer.update(lambda _: 0.1)
    assert [bool((weight == 1).all()) for weight in weights.values()] == [False, False, True]
