import io
import json
from pathlib import Path

import pytest
import torch

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ModelFileError
from train.export.explain import explain
from train.methods import config_of
from train.run import decide, start


@pytest.fixture
def made(meta: Path, tmp_path: Path, models: Models) -> Path:
    """A LoRA of three steps."""
    config = config_of(steps=3, rank=4, alpha=2.0, out=tmp_path / "runs", name="toy")
    return start.start([meta], config, models, Console(level=0))


def _told(path: Path, json: bool = False) -> str:
    out = io.StringIO()
    explain(path, Console(json=json, out=out, err=out))
    return out.getvalue()


def test_the_certificate_is_told(made: Path, base: Path) -> None:
    """File, trigger, base, settings, program and every picture, one line each."""
    chosen = json.loads((made.parent / "config.json").read_text())

    told = _told(made).splitlines()

    assert told[:8] == [
        "toy.safetensors: a LoRA of rank 4 and alpha 2.0, 48 modules",
        "tensors: as they were written",
        "words that call it: mascot",
        f"base model: {base.name} (stable-diffusion-v1)",
        "trained: 3 steps of 1, learning rate 0.0001 (constant), seed 0",
        f"base model's digest: {chosen['base_digest']}",
        f"made by: prep-and-train {decide.program_version()}, recipe {chosen['recipe']}",
        "pictures: 6, kept for validation: 0",
    ]
    assert len(told) == 14
    assert told[8].startswith("  0.png  sha256 000000000000  seen ")
    assert told[8].endswith("  mascot, pose 0")


def test_json_holds_everything(made: Path) -> None:
    """With `--json` the metadata and the whole certificate come as one object."""
    found = json.loads(_told(made, json=True))

    assert found["metadata"]["ss_output_name"] == "toy"
    assert len(found["certificate"]["samples"]) == 6


def test_a_flipped_bit_is_told(made: Path) -> None:
    """Row 52: no loader notices a changed number; `train explain` does."""
    data = bytearray(made.read_bytes())
    data[-1] ^= 1
    made.write_bytes(data)

    assert "tensors: NOT those that were written" in _told(made)


TORN = "1 tensor is not applied, a pair of a LoRA that is not whole: `lora_unet_a.lora_down.weight`"


def test_another_program_s_lora_is_told_as_far_as_it_goes(tmp_path: Path) -> None:
    """A LoRA without a certificate shows what its metadata say, and says what is missing."""
    from safetensors.torch import save_file

    file = tmp_path / "x.safetensors"
    save_file({"lora_unet_a.lora_down.weight": torch.zeros(1)}, file, {"ss_network_dim": "8"})

    assert _told(file).splitlines() == [
        "x.safetensors: a LoRA of rank 8 and alpha ?, 1 module",
        TORN,
        "no certificate: another program made it",
    ]


@pytest.mark.parametrize(
    ("passes", "told"),
    [
        (None, "5 steps of up to 8,"),
        ("1", "5 steps of up to 8,"),
        ("2", "5 steps of up to 8 samples (up to 2 batches of up to 4),"),
    ],
)
def test_the_batches_of_a_step_are_told(tmp_path: Path, passes: str | None, told: str) -> None:
    """Whoever made it: the samples of a step, and in how many batches they were taken."""
    from safetensors.torch import save_file

    file = tmp_path / "x.safetensors"
    said = {"ss_steps": "5", "ss_total_batch_size": "8", "ss_batch_size_per_device": "4"}
    said |= {"ss_gradient_accumulation_steps": passes} if passes else {}
    save_file({"lora_unet_a.lora_down.weight": torch.zeros(1)}, file, said)

    assert f"trained: {told}" in _told(file)


def test_the_samples_of_a_step_are_those_that_were_shown(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """Of three batches of two, a step of two and one of what is left: three samples on average."""
    config = config_of(steps=2, batch=2, accumulate=2, rank=2, out=tmp_path / "runs", name="toy")
    made = start.start([meta], config, models, Console(level=0))

    told = "trained: 2 steps of 3.0 samples on average (up to 2 batches of up to 2), learning rate "
    assert told in _told(made)


def test_what_is_no_lora_is_told(tmp_path: Path, base: Path) -> None:
    """A base model, another file, or none at all: two lines each."""
    weights = base / "unet" / "diffusion_pytorch_model.safetensors"
    for path, message in (
        (weights, f"`{weights}` is a file of weights of another kind, not a LoRA"),
        (base / "model_index.json", f"`{base / 'model_index.json'}` is not a `.safetensors` file"),
        (tmp_path / "no", f"there is no file `{tmp_path / 'no'}`"),
    ):
        with pytest.raises(ModelFileError) as caught:
            explain(path, Console())
        assert str(caught.value) == message
        assert caught.value.hint
