"""Exports in half precision: rounded, told where they cannot be, written again where asked."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prep.models.locate import Models
from tests.train.runs import lora, new_console, said
from train.export.lora_file import ProofError
from train.export.rounding import precision_of, rounded
from train.families.sd15 import FAMILY


@pytest.mark.parametrize(
    ("word", "dtype"),
    [("float", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)],
)
def test_a_lora_is_written_in_the_precision_asked_for(
    meta: Path, tmp_path: Path, models: Models, word: str, dtype: torch.dtype
) -> None:
    """The numbers are the trained ones, rounded to the nearest; alpha stays exact."""
    exact = load_file(lora(meta, tmp_path / "a", models, new_console(), alpha=0.1))

    made = lora(meta, tmp_path / "b", models, new_console(), alpha=0.1, save_precision=word)

    found = load_file(made)
    assert found.keys() == exact.keys()
    for name, tensor in found.items():
        assert torch.equal(tensor, exact[name] if name.endswith("alpha") else exact[name].to(dtype))


def test_another_precision_trains_nothing_anew(meta: Path, tmp_path: Path, models: Models) -> None:
    """A run that is done writes its export again as asked, and keeps the one that it had."""
    made = lora(meta, tmp_path, models, new_console())
    exact, log = made.read_bytes(), (made.parent / "metrics.jsonl").read_bytes()
    console = new_console()

    again = lora(meta, tmp_path, models, console, save_precision="fp16")
    third = new_console()
    lora(meta, tmp_path, models, third, save_precision="fp16")

    assert again == made
    assert precision_of(made, "unet") == "fp16"
    assert (made.parent / "metrics.jsonl").read_bytes() == log
    assert made.with_name(f"{made.stem}-step00000006.safetensors").read_bytes() == exact
    assert said(console)[0] == f"trained: {made}\n"
    assert said(third)[0] == f"already done: {made}\n"


def test_numbers_too_large_are_told() -> None:
    """What float16 cannot hold is two lines, never infinity; bfloat16 and infinity itself pass."""
    large = {"a.weight": torch.tensor([1.0, -70_000.0])}

    with pytest.raises(ProofError) as caught:
        rounded(large, "fp16")

    assert (str(caught.value), caught.value.hint) == (
        "`a.weight` holds numbers too large for float16, up to 7e+04; nothing is written",
        "give `--save-precision bf16` or `fp32`; nothing is trained anew",
    )
    assert rounded(large, "bf16")["a.weight"].dtype == torch.bfloat16


def test_a_half_lora_is_put_back(meta: Path, tmp_path: Path, models: Models, base: Path) -> None:
    """Numbers of a half-precision file become those of a float32 model, as they stand."""
    from train.adapters import lora_layers
    from train.methods import all_methods, config_of

    made = lora(meta, tmp_path, models, new_console(), save_precision="fp16")
    opened: Any = FAMILY.load(base, "cpu")
    method = all_methods()["lora"]
    method.attach(opened, FAMILY, config_of(rank=2))
    method.apply(made, opened, FAMILY)

    saved = load_file(made)
    for name, pair in lora_layers.of_base(opened).items():
        assert pair.up.dtype == torch.float32
        assert torch.equal(pair.up, saved[f"{FAMILY.export_name(name)}.lora_up.weight"].float())
