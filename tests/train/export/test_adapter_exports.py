"""Files of LoHa, LoKr, OFT and DoRA: what is in them, who reads them, and what is told of them."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from tests.train.conftest import build_dataset
from train.adapters import adapted_layers, applied
from train.export import adapter_proof
from train.export.lora_file import ProofError
from train.families import all_families
from train.families.family import Base
from train.families.sd15 import FAMILY
from train.methods import all_methods, config_of
from train.run import decide, disk, start
from train.weights import explain

METHODS = {"loha": "LoHa", "lokr": "LoKr", "oft": "OFT", "dora": "DoRA"}
OUTPUTS = "dora of outputs"
GIVEN: Mapping[str, Mapping[str, Any]] = {
    "loha": {"rank": 3, "alpha": 1.5, "conv_rank": 2, "conv_alpha": 0.5, "precision": "bf16"},
    "lokr": {"rank": 4, "alpha": 2.0, "decompose_both": True, "save_precision": "fp16"},
    "oft": {"block_size": 4, "block_rates": "MID=0,TE1=0.5"},
    "dora": {"rank": 3, "alpha": 1.5},
    OUTPUTS: {"rank": 3, "magnitude": "outputs"},
}


@pytest.fixture(scope="module")
def made(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """A file of each kind, with text encoder and convolutions, learnt fast enough to be seen."""
    top = tmp_path_factory.mktemp("adapters")
    meta, found = build_dataset(top / "data", base, count=2), {}
    for name, given in GIVEN.items():
        config = config_of(
            name.partition(" ")[0], steps=2, learning_rate=0.05, text_encoder=True,
            targets="convolutions", out=top / "runs", name=name.replace(" ", "-"), **given,
        )  # fmt: skip
        run = decide.decide([meta], config, Models(top / "home", offline=True))
        found[name] = start.start(
            [meta], config, Models(top / "home", offline=True), Console(level=0)
        )
        tensors = safetensors_file.header(found[name]).tensors.values()
        saved = sum(at.end - at.start for at in tensors if at.shape)
        assert disk.disk(run)["export"] == saved  # what `train check` tells beforehand
    return found


def _config(path: Path) -> Any:
    """Return the settings that made a file, as far as they decide what it holds."""
    name = next(one for one in GIVEN if path.stem == one.replace(" ", "-"))
    given = {"text_encoder": True, "targets": "convolutions", **GIVEN[name]}
    return config_of(name.partition(" ")[0], **given)


def _trained(path: Path, base: Path) -> Base:
    config, found = _config(path), FAMILY.load(base, "cpu")
    all_methods()[config.method].attach(found, FAMILY, config)
    all_methods()[config.method].apply(path, found, FAMILY)
    return found


def _answers(base: Base) -> list[torch.Tensor]:
    with torch.no_grad():
        (state,) = FAMILY.encode(base, ["mascot"])
        noisy = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
        given = {name: one[None] for name, one in state.items()}
        return [*state.values(), FAMILY.denoise(base.network, noisy, torch.tensor([500]), given)]


@pytest.mark.parametrize("name", GIVEN)
def test_what_train_sample_reads_is_what_was_trained(
    made: Mapping[str, Path], base: Path, name: str
) -> None:
    """The file on a base model answers as the trained model, at strength 0 as the base model.

    So does the trained model whose adapters are set aside.
    """
    trained = _trained(made[name], base)
    wanted = _answers(trained)
    with adapted_layers.set_aside(trained):
        aside = _answers(trained)
    read = FAMILY.load(base, "cpu")
    plain = _answers(read)

    scales = applied.add(made[name], read, FAMILY)
    applied.set_strength(read, scales, 1.0)
    found = _answers(read)
    applied.set_strength(read, scales, 0.0)

    assert all(map(torch.equal, aside, plain))
    for one, other, before, without in zip(found, wanted, plain, _answers(read), strict=True):
        assert torch.allclose(one, other, atol=2e-4)
        assert torch.equal(before, without)
        assert not torch.allclose(one, before, atol=2e-3)


def test_names_and_alphas_are_those_of_lycoris(made: Mapping[str, Path]) -> None:
    """Each module has the tensors of its kind, an alpha of its scale, and no others."""
    place = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q"
    words = {
        "loha": {"hada_w1_a": (32, 3), "hada_w1_b": (3, 32), "hada_w2_a": (32, 3),
                 "hada_w2_b": (3, 32), "alpha": ()},
        "lokr": {"lokr_w1": (4, 4), "lokr_w2": (8, 8), "alpha": ()},
        "oft": {"oft_blocks": (8, 4, 4), "alpha": ()},
        "dora": {"lora_down.weight": (3, 32), "lora_up.weight": (32, 3), "dora_scale": (1, 32),
                 "alpha": ()},
        OUTPUTS: {"lora_down.weight": (3, 32), "lora_up.weight": (32, 3), "dora_scale": (32, 1),
                  "alpha": ()},
    }  # fmt: skip
    alphas = {"loha": 1.5, "lokr": 1.0, "oft": 0.0, "dora": 1.5, OUTPUTS: 3.0}
    for name, path in made.items():
        saved = load_file(path)
        found = {n.removeprefix(f"{place}."): one for n, one in saved.items() if place in n}
        assert {n: tuple(one.shape) for n, one in found.items()} == words[name]
        assert found["alpha"].item() == alphas[name]
        assert any(n.startswith("lora_te_text_model_encoder_layers_0_") for n in saved)
    assert not any("_mid_block_" in name for name in load_file(made["oft"]))  # its rate is 0
    assert load_file(made["lokr"])[f"{place}.lokr_w1"].dtype == torch.float16
    kernel = "lora_unet_down_blocks_0_resnets_0_conv1"
    assert load_file(made["loha"])[f"{kernel}.hada_w1_b"].shape == (2, 32 * 9)
    assert load_file(made["loha"])[f"{kernel}.alpha"] == 0.5


def test_metadata_are_those_of_kohya_s_scripts_with_lycoris(made: Mapping[str, Path]) -> None:
    """Module, width, alpha and arguments stand where other programs look for them."""
    fields = ("ss_network_module", "ss_network_dim", "ss_network_alpha", "ss_network_args")
    args = {
        "loha": {"algo": "loha", "conv_dim": "2", "conv_alpha": "0.5"},
        "lokr": {
            "algo": "lokr",
            "factor": "-1",
            "decompose_both": "True",
            "conv_dim": "4",
            "conv_alpha": "2.0",
        },
        "oft": {"algo": "diag-oft", "block_rates": "MID=0,TE1=0.5"},
        "dora": {
            "algo": "locon",
            "dora_wd": "True",
            "wd_on_output": "False",
            "conv_dim": "3",
            "conv_alpha": "1.5",
        },
        OUTPUTS: {
            "algo": "locon",
            "dora_wd": "True",
            "wd_on_output": "True",
            "conv_dim": "3",
            "conv_alpha": "3.0",
        },
    }
    size = {"loha": ("3", "1.5"), "lokr": ("4", "2.0"), "oft": ("4", "None"),
            "dora": ("3", "1.5"), OUTPUTS: ("3", "3.0")}  # fmt: skip
    for name, path in made.items():
        said = safetensors_file.header(path).metadata
        module, rank, alpha, given = (said[field] for field in fields)
        assert (module, rank, alpha) == ("lycoris.kohya", *size[name])
        assert json.loads(given) == {"preset": "full", **args[name]}


def test_explain_says_what_kind_it_is(
    made: Mapping[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """The first line has kind, rank and alpha as they are, and how many modules."""
    told = {}
    for name, path in made.items():
        explain.explain(path, Console())
        told[name] = capsys.readouterr().out.splitlines()[0].partition(", ")[0]

    assert told == {
        "loha": "loha.safetensors: a LoHa of rank 3 and alpha 1.5",
        "lokr": "lokr.safetensors: a LoKr of rank 4 and alpha 2.0",
        "oft": "oft.safetensors: an OFT in blocks of up to 4",
        "dora": "dora.safetensors: a DoRA of rank 3 and alpha 1.5",
        OUTPUTS: "dora-of-outputs.safetensors: a DoRA of rank 3 and alpha 3.0",
    }


@pytest.mark.parametrize("name", [one for one in GIVEN if one != "dora"])
def test_the_loader_of_lycoris_reads_the_file(
    made: Mapping[str, Path], base: Path, name: str
) -> None:
    """A network with the file on it, by lycoris-lora alone, answers as the trained one.

    Its loader takes every magnitude of a DoRA for one of outputs.
    """
    kohya = pytest.importorskip("lycoris.kohya", reason="lycoris-lora is not installed")
    kohya.LycorisNetworkKohya.apply_preset({"unet_target_module": [], "unet_target_name": []})
    other = FAMILY.load(base, "cpu")
    network, _ = kohya.create_network_from_weights(1.0, str(made[name]), None, None, other.network)
    network.apply_to(None, other.network, apply_text_encoder=False, apply_unet=True)
    trained = _trained(made[name], base)
    given = (torch.ones(1, 4, 8, 8), torch.tensor([500]), {"text": torch.ones(1, 77, 32)})

    with torch.no_grad():
        found = FAMILY.denoise(other.network, *given)
        wanted = FAMILY.denoise(trained.network, *given)

    assert torch.allclose(found, wanted, atol=2e-4)


@pytest.mark.parametrize("name", GIVEN)
def test_a_file_that_does_otherwise_is_not_proven(
    made: Mapping[str, Path], base: Path, tmp_path: Path, name: str
) -> None:
    """A number, an alpha or a name that is not the trained one keeps a file from its name."""
    trained, saved = _trained(made[name], base), load_file(made[name])
    precision = GIVEN[name].get("save_precision", "fp32")
    adapter_proof.check_changes(made[name], trained, FAMILY, precision)
    first = next(one for one in sorted(saved) if not one.endswith(".alpha"))
    number = saved[first].clone()
    number.view(-1)[0] += 1
    changed = {
        "a number": saved | {first: number},
        "an alpha": saved | {f"{first.partition('.')[0]}.alpha": torch.tensor(7.0)},
        "a name": {f"x{word}": one for word, one in saved.items()},
    }
    for what, tensors in changed.items():
        save_file(tensors, tmp_path / "x.safetensors")
        with pytest.raises(ProofError) as caught:
            adapter_proof.check_changes(tmp_path / "x.safetensors", trained, FAMILY, precision)
        assert str(caught.value) == "the export does not do what the trained model does", what


def test_a_layer_that_computes_otherwise_is_not_proven(
    made: Mapping[str, Path], base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A module that answers otherwise than readers of its numbers would is found by the proof."""
    trained = _trained(made["oft"], base)
    turn = adapted_layers._turn
    monkeypatch.setattr(adapted_layers, "_turn", lambda *given: -turn(*given))

    with pytest.raises(ProofError):
        adapter_proof.check_changes(made["oft"], trained, FAMILY)


def test_a_family_without_names_for_them_is_refused(tmp_path: Path, models: Models) -> None:
    """Files of SD 3.5 have diffusers' names, which no reader knows of anything but a LoRA."""
    family = all_families()["sd35"]
    meta = build_dataset(tmp_path / "data", family.tiny.write(tmp_path / "base"), count=2)

    with pytest.raises(ConfigError) as caught:
        start.start([meta], config_of("loha", steps=1, out=tmp_path), models, Console(level=0))

    assert (str(caught.value), caught.value.hint) == (
        "`train loha` does not train models of the kind `sd35`",
        "name one of the kind sd15 or sd2 or sdxl, or train a LoRA: `train lora`",
    )
