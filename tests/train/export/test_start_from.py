"""`--start-from`: a LoRA goes on from another one."""

from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import UserError
from tests.train.conftest import build_dataset
from train.adapters import lora_layers
from train.families.sd15 import FAMILY
from train.methods import all_methods, config_of
from train.run import decide, start
from train.weights import explain


@pytest.fixture(scope="module")
def place(base: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Models]:
    """A LoRA of rank 4 and alpha 2, a dataset file, and models of a user without a hub."""
    top = tmp_path_factory.mktemp("start")
    meta, models = build_dataset(top / "data", base, count=2), Models(top / "home", offline=True)
    config = config_of(steps=2, rank=4, alpha=2.0, learning_rate=0.05, out=top, name="first")
    return start.start([meta], config, models, Console(level=0)), meta, models


def test_a_training_begins_as_the_file_acts(place: tuple[Path, Path, Models], base: Path) -> None:
    """Up times down times the scale is that of the file, also with another alpha."""
    made, *_ = place
    lora, found = all_methods()["lora"], []
    for alpha, act in ((2.0, lora.apply), (4.0, lora.begin)):
        opened = FAMILY.load(base, "cpu")
        lora.attach(opened, FAMILY, config_of(rank=4, alpha=alpha))
        act(made, opened, FAMILY)
        layers = dict(lora_layers.layers(opened))
        found.append({
            name: (pair.up.flatten(1) @ pair.down.flatten(1)) * layers[name].scaling["lora"]
            for name, pair in lora_layers.of_base(opened).items()
        })  # fmt: skip

    assert all(torch.equal(one, found[1][name]) for name, one in found[0].items())
    assert all(one.any() for one in found[0].values())


def test_a_stopped_run_that_began_so_ends_in_the_same_bytes(
    place: tuple[Path, Path, Models], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A step and one more are two in one go; the file is in the recipe, its name in the export."""
    made, meta, models = place
    found = []
    for name, stops in (("whole", [2]), ("cut", [1, 2])):
        for steps in stops:
            config = config_of(steps=steps, rank=4, start_from=made, out=tmp_path / name, name="x")
            export = start.start([meta], config, models, Console(level=0))
        found.append(export.read_bytes())
    recipes = {
        decide.decide([meta], config_of(steps=2, rank=4, **given), models).recipe
        for given in ({}, {"start_from": made}, {"start_from": export})
    }

    assert found[0] == found[1]
    assert len(recipes) == 3
    assert safetensors_file.header(export).metadata["prep_start_from"] == "first.safetensors"
    explain.explain(export, Console())
    assert "went on from: first.safetensors" in capsys.readouterr().out.splitlines()


def test_a_file_that_does_not_fit_is_refused(
    place: tuple[Path, Path, Models], tmp_path: Path
) -> None:
    """Ranks, modules and kinds are compared before anything is trained: two lines."""
    made, meta, models = place
    oft = config_of("oft", steps=1, out=tmp_path, name="oft")
    other = start.start([meta], oft, models, Console(level=0))
    word = "lora_unet_down_blocks_0_attentions_0"
    encoder = "lora_te_text_model_encoder_layers_0_mlp_fc1"
    rows: list[tuple[dict[str, Any], str, str]] = [
        ({"rank": 8}, f"`--start-from` is `{made}`, and `{word}_proj_in` has the rank 4, not 8",
         "give its rank: `--rank`, `--conv-rank`, `--block-ranks`"),
        ({"targets": "attention"},
         f"`--start-from` is `{made}`, and `{word}_proj_in` does not learn here",
         "give the `--targets` and encoders that it has"),
        ({"text_encoder": True},
         f"`--start-from` is `{made}`, and it has nothing for `{encoder}`",
         "give the `--targets` and encoders that it has"),
        ({"start_from": other},
         f"`--start-from` is `{other}`, which holds more than the pairs of a LoRA", "name a LoRA"),
        ({"start_from": tmp_path / "x.safetensors"},
         f"there is no file `{tmp_path / 'x.safetensors'}`",
         "name a LoRA: a `.safetensors` file"),
    ]  # fmt: skip
    for given, message, hint in rows:
        config = config_of(**{"steps": 1, "rank": 4, "start_from": made, "out": tmp_path} | given)
        with pytest.raises(UserError) as caught:
            start.start([meta], config, models, Console(level=0))
        assert (str(caught.value), caught.value.hint) == (message, hint)
