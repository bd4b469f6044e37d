"""`--precision auto`: the real word is taken before anything is decided."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from prep.models.locate import Models
from prep.runtime.errors import MachineError
from tests.train.runs import lora, new_console, settings
from train.export import lora_file
from train.methods import config_of
from train.run import decide, probe, readiness
from train.run.machine_check import check_device, usual_precision


@pytest.mark.parametrize(
    ("device", "bf16", "taken"),
    [("cpu", True, "fp32"), ("cuda", True, "bf16"), ("cuda:1", False, "fp16")],
)
def test_the_device_decides(device: str, bf16: bool, taken: str) -> None:
    """A card computes in bfloat16 where it has it, else in float16; a CPU in float32."""
    assert usual_precision(device, lambda: bf16) == taken
    check_device(taken, "sdpa", device, lambda: bf16)


def test_a_card_without_bfloat16_is_told_of_it() -> None:
    """A card that would only act as if it had bfloat16 refuses it in two lines."""
    with pytest.raises(MachineError) as caught:
        check_device("bf16", "sdpa", "cuda", lambda: False)

    assert (str(caught.value), caught.value.hint) == (
        "`--precision bf16` is not there on this GPU, which is older",
        "use `fp16` or `fp32`",
    )


def test_on_the_cpu_recipe_and_account_are_those_of_fp32(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """What is not given is the run of `--precision fp32`, in every file that names it."""
    made = lora(meta, tmp_path / "runs", models, new_console(), steps=1)

    config = config_of(**settings(tmp_path, steps=1, precision="fp32") | {"out": tmp_path / "runs"})
    assert decide.decide([meta], config, models).export == made
    facts = json.loads((made.parent / "config.json").read_text())
    assert facts["precision"] == "fp32"
    assert lora_file.said(made)["ss_mixed_precision"] == "no"


def test_on_a_card_it_is_the_run_of_the_precision_that_was_taken(
    meta: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The card is asked first; a run that was begun in float32 is another, and that is told."""
    monkeypatch.setattr("prep.models.devices.version", lambda package: "2.13.0+cu130")
    asked: list[str] = []

    def ask(question: probe.Question) -> probe.Answer:
        asked.append(question.precision)
        precise = question.precision if question.precision != "auto" else "bf16"
        return replace(probe.here(replace(question, precision="fp32")), precision=precise)

    out = tmp_path / "runs"
    lora(meta, out, models, new_console(), steps=1, name="toy", device="cpu").unlink()
    usual = config_of(**settings(out, name="toy") | {"out": out})
    found = readiness.ready([meta], usual, models, ask, card=ask)

    assert asked == ["auto", "bf16"]
    plain = decide.decide([meta], replace(usual, precision="bf16"), models)
    assert (found.run.recipe, found.run.config.precision) == (plain.recipe, "bf16")
    assert any(note.endswith("`--precision` is fp32 there and bf16 here") for note in found.notes)
