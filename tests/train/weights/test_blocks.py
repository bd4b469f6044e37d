"""What `train blocks` writes and draws: blocks weighted, left out, off and alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.errors import ConfigError, ModelFileError, UsageError
from tests.train.runs import new_console, said
from tests.train.weights.conftest import MID, SHAPES, TEXT, WORD, Tensors, tensors
from train.adapters import applied, lora_layers
from train.adapters.lora_metadata import WEIGHTED
from train.adapters.run_exports import exports_of
from train.adapters.weight_rules import added, scale_of
from train.block_rates import rate_of, weights_of
from train.cli.app import main
from train.families.sd15 import FAMILY
from train.weights.block_sheet import BlockWish, draw_blocks
from train.weights.block_weights import adapter, tell_blocks, write_weighted

KINDS = [kind for kind in SHAPES if kind not in ("DoRA", "OFT")]


def _weighted(path: Path, weights: str, out: Path | None = None) -> list[str]:
    console = new_console()
    write_weighted(adapter(path), weights_of(weights), out, console)
    return said(console)[0].splitlines()


def _own(found: Tensors, word: str) -> Tensors:
    return {
        name.partition(".")[2]: one.double() for name, one in found.items() if name.startswith(word)
    }


@pytest.mark.parametrize("alpha", [3.0, None])
@pytest.mark.parametrize("kind", KINDS)
def test_a_block_acts_so_many_times_as_strongly(
    tmp_path: Path, kind: str, alpha: float | None
) -> None:
    """Of every kind, with alpha or without: the whole change is multiplied, and nothing else."""
    path, made = tmp_path / "x.safetensors", tmp_path / "x-blocks.safetensors"
    save_file(tensors(kind, alpha=alpha) | tensors(kind, MID, alpha) | tensors("LoRA", TEXT), path)

    _weighted(path, "IN01=0.3,MID=0")

    before, after = load_file(path), load_file(made)
    one, other = _own(before, WORD), _own(after, WORD)
    wanted = added(one, scale_of(one)) * 0.3
    apart = torch.linalg.norm(added(other, scale_of(other)) - wanted)
    assert apart < 1e-6 * torch.linalg.norm(wanted)
    assert {name.partition(".")[0] for name in after} == {WORD, TEXT}
    assert all(torch.equal(after[n], before[n]) for n in before if n.startswith(TEXT))
    about = safetensors_file.header(made).metadata
    assert about[WEIGHTED] == "IN01=0.3,MID=0"
    assert about["sshs_model_hash"] == safetensors_file.data_digest(made)


def test_a_weighted_file_is_what_sample_draws_with_block_weights(
    base: Path, tmp_path: Path
) -> None:
    """On the base model, module by module: its change is the factor times the whole one's."""
    path, weights = tmp_path / "x.safetensors", "IN=0.25,TE=2"
    text = "lora_te_text_model_encoder_layers_0_self_attn_q_proj"
    shapes = {WORD: (32, 32), MID: (64, 64), text: (32, 32)}
    found: Tensors = {}
    for word, (wide, high) in shapes.items():
        found |= {
            f"{word}.lora_down.weight": torch.randn(2, wide),
            f"{word}.lora_up.weight": torch.randn(high, 2),
            f"{word}.alpha": torch.tensor(1.5),
        }
    save_file(found, path)
    _weighted(path, weights)

    changes = []
    for file in (path, tmp_path / "x-blocks.safetensors"):
        model = FAMILY.load(base, "cpu")
        scales = applied.add(file, model, FAMILY)
        pairs = lora_layers.of_base(model)
        changes.append(
            {n: scales[n] * one.up.flatten(1) @ one.down.flatten(1) for n, one in pairs.items()}
        )

    rates = {name: rate_of(FAMILY.block(name), weights_of(weights).weights) for name in changes[0]}
    assert sorted(rates.values()) == [0.25, 1, 2]
    for name, rate in rates.items():
        assert torch.allclose(changes[1][name], changes[0][name] * rate, rtol=1e-6), name


def test_it_tells_what_it_does(lora: Callable[..., Path], tmp_path: Path) -> None:
    """A line for each block; with numbers as with names; a file of all ones is not written."""
    path = lora(ss_base_model_version="sd_v1")
    out = tmp_path / "n.safetensors"
    numbers = "0.5,1" + ",1" * 5 + ",0" + ",1" * 9

    assert _weighted(path, numbers, out) == [
        "TE1: 1 module x 0.5",
        "IN01: 1 module as it was",
        "MID: 1 module left out",
        f"written: {out}: 232 bytes of tensors",
    ]
    assert _weighted(path, "ALL=1", tmp_path / "no.safetensors") == [
        f"nothing of `{path}` gets another strength: nothing is written"
    ]
    assert not (tmp_path / "no.safetensors").exists()
    console = new_console()
    tell_blocks(adapter(path), console)
    assert [line.split()[0] for line in said(console)[0].splitlines()[2:]] == ["TE1", "IN01", "MID"]


@pytest.mark.parametrize(
    ("weights", "message", "hint"),
    [
        (
            "1,1,1,1,1,1,1,1,1,1,1,0",
            "`--block-weights` has 12 numbers, and `{}` is for Stable Diffusion 1.x",
            "give 17 or 26 numbers",
        ),
        ("OUT12=0", "`--block-weights` names `OUT12`, and `{}` has no such block",
         "its blocks are TE1, IN01, MID"),
        ("ALL=0", "nothing of `{}` would be left", "give a block a weight above 0"),
    ],
)  # fmt: skip
def test_weights_that_do_not_fit_are_refused(
    lora: Callable[..., Path], weights: str, message: str, hint: str
) -> None:
    """Numbers of another kind of model, blocks that are not there, nothing that is left."""
    path = lora(ss_base_model_version="sd_v1")
    with pytest.raises((ConfigError, ModelFileError)) as caught:
        _weighted(path, weights)

    assert str(caught.value) == message.format(path)
    assert caught.value.hint == hint
    assert sorted(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["DoRA", "OFT"])
def test_what_depends_on_the_base_model_is_whole_or_left_out(tmp_path: Path, kind: str) -> None:
    """Of a DoRA and an OFT no file says half of it: that is refused, 0 is not."""
    path = tmp_path / "x.safetensors"
    save_file(tensors(kind) | tensors("LoRA", MID), path)

    with pytest.raises(ConfigError, match="depends on the weight of the base model"):
        _weighted(path, "IN=0.5")
    _weighted(path, "IN=0")
    assert {name.partition(".")[0] for name in load_file(tmp_path / "x-blocks.safetensors")} == {
        MID
    }


def test_blocks_are_drawn_off_and_alone(base: Path, tmp_path: Path, models: Models) -> None:
    """The one block that acts is all of the LoRA; one of zeros changes no pixel, off or alone."""
    path = tmp_path / "x.safetensors"
    found: Tensors = {}
    for word, wide, size in ((WORD, 32, 30.0), (MID, 64, 0.0)):
        found[f"{word}.lora_down.weight"] = torch.randn(2, wide)
        found[f"{word}.lora_up.weight"] = torch.randn(wide, 2) * size
    save_file(found, path)
    console = new_console()
    wish = BlockWish("a cat --w 32 --h 32", 3, 1, str(base), "cpu", None)

    sheet = draw_blocks(path, wish, models, console)

    told = [line.split() for line in said(console)[0].splitlines()]
    whole = told[1][2:]
    assert float(whole[0]) > 0
    assert told[1:] == [
        ["all", "blocks", *whole], ["IN01", *whole], ["MID", "0.00", "0.00"], ["drawn:", str(sheet)]
    ]  # fmt: skip
    with Image.open(sheet) as picture:
        rows, height = 3, 32 + 8
        assert picture.size == (160 + 2 * 40 + 8, 18 + rows * height + 8)
        cells = [
            picture.crop((168 + 40 * x, 18 + height * y, 200 + 40 * x, 50 + height * y)).tobytes()
            for y in range(rows)
            for x in range(2)
        ]
    nothing, all_of_it = cells[:2]
    assert cells[2:] == [nothing, all_of_it, all_of_it, nothing]
    assert nothing != all_of_it


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["--draw", "--block-weights", "IN=0"],
            "`--draw` and `--block-weights` are two things to do",
        ),
        (["--base", "x"], "`--base` and `--prompt` are for `--draw`"),
        (["--out", "x.safetensors"], "`--out` is for `--block-weights` and `--draw`"),
        (["--block-weights", "1,2,3"], "`--block-weights 1,2,3` is wrong at `3 numbers`"),
        (["--block-weights", "IN=-1"], "`--block-weights IN=-1` is wrong at `IN=-1`"),
    ],
)
def test_words_that_do_not_go_together(
    lora: Callable[..., Path], words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each in two lines, before a file is looked at."""
    with pytest.raises(SystemExit) as stopped:
        main(["blocks", str(lora()), *words])

    error, hint = capsys.readouterr().err.splitlines()
    assert error == f"error: {message}"
    assert hint.startswith("hint: ")
    assert stopped.value.code == UsageError.exit_code


def test_what_was_made_of_an_export_is_none(tmp_path: Path) -> None:
    """A file with its blocks weighted lies beside the exports of a run, and is not one of them."""
    told = {"name": "toy", "base": "tiny", "datasets": []}
    (tmp_path / "config.json").write_text(json.dumps(told), encoding="utf-8")
    made = tmp_path / "toy.safetensors"
    save_file(tensors("LoRA", MID), made)

    _weighted(made, "MID=0.5")

    assert (tmp_path / "toy-blocks.safetensors").exists()
    assert exports_of(tmp_path) == [made]
    with pytest.raises(ConfigError, match="is there already"):
        _weighted(made, "MID=0.2")
