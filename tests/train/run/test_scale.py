"""One alpha from the command line to the file; and a proof that costs nobody a training."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.errors import ConfigError, MachineError
from tests.train.conftest import build_dataset
from tests.train.runs import lora, new_console, said, steps
from train.adapters.lora_layers import Pair
from train.export import lora_file, model_files, verify
from train.export.lora_file import ProofError, unproven
from train.export.metadata import Facts
from train.families.noise_process import Prediction
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.methods.lora import METHOD, LoraOptions
from train.option_fields import as_float32

FACTS = Facts("toy", "r", "base", "d", {}, "0.1", Prediction.EPSILON)


def test_the_scale_is_one_number_for_every_rank_and_alpha() -> None:
    """Case F4: settings, file, metadata and a reader of the file agree on alpha / rank exactly."""
    source = random.Random(0)
    for rank in range(1, 65):
        pair = Pair(torch.zeros(rank, 2), torch.zeros(2, rank))
        for alpha in (0.9, 3.6, 0.45, rank / 3, *(10 ** source.uniform(-6, 4) for _ in range(8))):
            config = config_of(rank=rank, alpha=alpha, steps=1)
            alphas = {"a": config.own_as(LoraOptions).scale()}
            found = lora_file.named({"a": pair}, alphas.__getitem__, FAMILY)
            (held,) = (tensor for name, tensor in found.items() if name.endswith(".alpha"))
            scale = config.own_as(LoraOptions).scale() / rank
            assert held.item() / rank == scale
            assert abs(config.own_as(LoraOptions).scale() - alpha) <= 6e-8 * alpha
        assert float(METHOD.metadata(config)["ss_network_alpha"]) / rank == scale
        assert json.loads(json.dumps(config.deciding()))["alpha"] / rank == scale


@pytest.mark.parametrize(("rank", "alpha"), [(3, 0.9), (12, 3.6), (12, 0.45), (7, 0.1)])
def test_a_scale_that_rounds_is_exported(
    meta: Path, tmp_path: Path, models: Models, rank: int, alpha: float
) -> None:
    """Case F4: rank 3 and alpha 0.9, and their like, train, export and pass the proof."""
    made = lora(meta, tmp_path, models, new_console(), steps=1, rank=rank, alpha=alpha)

    from safetensors.torch import load_file

    alphas = {tensor.item() for name, tensor in load_file(made).items() if "alpha" in name}
    said = safetensors_file.header(made).metadata
    kept = json.loads((made.parent / "config.json").read_text())
    assert alphas == {as_float32(alpha)} == {float(said["ss_network_alpha"])} == {kept["alpha"]}


@pytest.mark.parametrize("alpha", [1e-46, 1e39, 1e-39])
def test_an_alpha_that_no_file_holds_is_refused(alpha: float) -> None:
    """Case F4: what a float32 makes nought or infinite of is no scale."""
    with pytest.raises(ConfigError) as caught:
        config_of(alpha=alpha)

    assert (str(caught.value), caught.value.hint) == (
        f"`--alpha` is {alpha}",
        "give a number from 1e-06 to 100000",
    )


def _fails(*_: Any) -> None:
    raise ProofError("the export does not do what the trained model does")


def test_a_failed_proof_costs_no_training(
    meta: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case F4: the file is kept under a name that says so; the same command exports anew.

    It trains nothing, ends in the bytes of a run without a mishap, and takes the other file away.
    """
    wanted = lora(meta, tmp_path / "good", models, new_console(), steps=3)
    with monkeypatch.context() as broken:
        broken.setattr(verify, "check_applied", _fails)
        with pytest.raises(MachineError) as caught:
            lora(meta, tmp_path / "bad", models, new_console(), steps=3)
    place = tmp_path / "bad" / wanted.parent.name / wanted.name
    kept = place.with_name("images-not-proven.safetensors")

    assert str(caught.value) == (
        f"the export does not do what the trained model does; it is kept as `{kept}`"
    )
    assert caught.value.hint == (
        "run the same command again: nothing is trained anew, and the export is tried again"
    )
    assert not place.exists()
    assert kept.read_bytes() == wanted.read_bytes()
    log = (place.parent / "metrics.jsonl").read_bytes()
    console = new_console()
    assert lora(meta, tmp_path / "bad", models, console, steps=3) == place
    assert (place.parent / "metrics.jsonl").read_bytes() == log
    assert place.read_bytes() == wanted.read_bytes()
    assert not kept.exists()
    assert said(console)[1] == "continues after step 3 of 3\n"


def test_a_failed_proof_on_the_way_ends_nothing(
    meta: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case F4: an export before the last one that fails its proof is told; the training goes on."""
    real, calls = verify.check_applied, []

    def second_fails(*words: Any) -> None:
        calls.append(words)
        if len(calls) == 2:
            _fails()
        real(*words)

    monkeypatch.setattr(verify, "check_applied", second_fails)
    console = new_console()

    made = lora(meta, tmp_path, models, console, steps=6, save_every_steps=2)

    kept = made.with_name("images-step00000004-not-proven.safetensors")
    assert said(console)[1] == (
        f"the export does not do what the trained model does; it is kept as `{kept}`\n"
        "`images-step00000004.safetensors` is missing; the same command tries it again\n"
    )
    assert sorted(path.name for path in made.parent.glob("*.safetensors")) == [
        "images-step00000002.safetensors", kept.name, "images.safetensors",
    ]  # fmt: skip
    assert steps(made) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("form", ["folder", "file"])
def test_a_whole_model_is_kept_too(
    narrow_base: Callable[[str], Path],
    tmp_path: Path,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
    form: str,
) -> None:
    """Case F4: a fine-tuned model that does not pass is kept, and exported by the next command."""
    meta = build_dataset(tmp_path / "data", narrow_base("sd15"))
    more = {"method": "finetune", "save_as": form, "steps": 1}
    with monkeypatch.context() as broken:
        broken.setattr(model_files, "_compare", _fails)
        for _ in range(2):  # the second one finds the first one's in its place
            with pytest.raises(ProofError) as caught:
                lora(meta, tmp_path, models, new_console(), **more)
    kept = Path(str(caught.value).rpartition("`")[0].rpartition("`")[2])
    assert kept.exists()

    made = lora(meta, tmp_path, models, new_console(), **more)

    assert unproven(made) == kept
    assert made.exists()
    assert not kept.exists()
    assert steps(made) == [1]


def test_a_proof_compares_names_tensors_and_scale(
    meta: Path, tmp_path: Path, models: Models, base: Path
) -> None:
    """Case F4: a missing, another and a further tensor, and another scale, each fail the proof."""
    from safetensors.torch import load_file, save_file

    from train.adapters import applied

    made = lora(meta, tmp_path, models, new_console(), steps=2, learning_rate=0.01)
    trained = FAMILY.load(base, "cpu")
    applied.set_strength(trained, applied.add(made, trained, FAMILY), 1.0)
    saved = load_file(made)
    first = next(name for name in saved if name.endswith("attn1_to_q.lora_up.weight"))
    one_off = saved[first].clone()
    one_off[0, 0] = torch.nextafter(one_off[0, 0], torch.tensor(9.0))
    alpha = first.replace("lora_up.weight", "alpha")
    wrong = [
        {name: tensor for name, tensor in saved.items() if name != alpha},
        saved | {first: one_off},
        saved | {"lora_unet_x.alpha": torch.tensor(1.0)},
        saved | {alpha: saved[alpha] * 1.001},
    ]

    verify.check_applied(made, trained, FAMILY)
    for number, tensors in enumerate(wrong):
        file = tmp_path / f"{number}.safetensors"
        save_file(tensors, file)
        with pytest.raises(ProofError):
            verify.check_applied(file, trained, FAMILY)


def test_rounding_passes_and_a_change_does_not() -> None:
    """Case F4: answers may differ by a thousandth of the largest; NaN never passes."""
    one = torch.tensor([1.0, -2.0])

    assert verify._close(one, one + 1e-4)
    assert not verify._close(one, one + 1e-2)
    assert not verify._close(one, one * float("nan"))
    assert verify._close(torch.zeros(2), torch.zeros(2))
