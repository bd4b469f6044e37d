"""What `train inspect` sees of files of every kind, against torch and the families' own tables."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from prep.models import file_layouts
from prep.runtime.console import Console
from prep.runtime.errors import UsageError
from tests.train.runs import new_console, said
from tests.train.weights.conftest import MID, SHAPES, TEXT, WORD, Tensors, tensors
from train.adapters.weight_rules import added, rotation, scale_of
from train.families import all_families
from train.weights.block_names import block_of
from train.weights.contents import contents
from train.weights.inspect_files import inspect_files
from train.weights.module_norms import norm_of
from train.weights.number_words import decoded, encoded
from train.weights.same_modules import place_of, twice
from train.weights.weight_source import opened

WORDS = {
    "F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2,
}  # fmt: skip


def _told(path: Path, level: int = 1) -> tuple[int, list[str]]:
    console = Console(level=level, out=new_console().out, err=new_console().err)
    code = inspect_files([path], console)
    return code, said(console)[0].splitlines()


@pytest.mark.parametrize("kind", SHAPES)
def test_the_norm_of_what_a_module_adds_is_that_of_the_whole_change(
    tmp_path: Path, kind: str
) -> None:
    """By its factors, and by the matrix that they make, in float64: within 1e-12 of each other."""
    made = tensors(kind, alpha=0.5)
    save_file(made, tmp_path / "a.safetensors")
    source = opened(tmp_path / "a.safetensors")
    (module,) = contents(source).modules.values()
    own = {name.partition(".")[2]: one.double() for name, one in made.items()}
    own.pop("dora_scale", None)
    if kind == "OFT":
        wanted = rotation(own, 8) - torch.eye(len(own["oft_blocks"][0]))
    else:
        wanted = added(own, scale_of(own))

    assert norm_of(source, module) == pytest.approx(torch.linalg.norm(wanted).item(), rel=1e-12)


@pytest.mark.parametrize("dtype", WORDS)
def test_numbers_are_read_as_torch_does(dtype: str) -> None:
    """Every 16-bit and 8-bit number that there is, to the last bit."""
    kind = torch.uint8 if dtype.startswith("F8") else torch.uint16
    given = torch.arange(1 << kind.itemsize * 8).to(kind).view(WORDS[dtype])
    if dtype in ("F64", "F32"):
        given = torch.randn(999, dtype=WORDS[dtype])
    read = decoded(given.view(torch.uint8).numpy().tobytes(), dtype)

    np.testing.assert_array_equal(read, given.double().numpy().astype(read.dtype))


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_numbers_are_rounded_as_torch_does(dtype: str) -> None:
    """Of all sizes, NaN and infinities among them, and halfway between two: to the even one."""
    sizes = torch.cat([torch.randn(4096) * 10.0**power for power in range(-9, 5)])
    halfway = (torch.arange(1 << 16, dtype=torch.int64) << 16 | 0x8000).to(torch.int32)
    between = (torch.arange(1, 2048) * 2 + 1) / 2.0**12 + 1  # of two of F16
    wide = torch.cat([sizes, halfway.view(torch.float32), between, torch.tensor([1e-45, 0.0])])

    made = decoded(encoded(wide.numpy(), dtype), dtype)

    np.testing.assert_array_equal(made, wide.to(WORDS[dtype]).float().numpy())


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_blocks_are_those_of_the_families(name: str) -> None:
    """Every weight of the full-size U-Nets, by diffusers', kohya's and single files' names."""
    import diffusers

    family = all_families()[name]
    layout = next(one for one in file_layouts.LAYOUTS if one.name == name)
    kind = diffusers.UNet2DConditionModel
    with torch.device("meta"):
        unet = kind.from_config(layout.settings("unet"))  # type: ignore[no-untyped-call]
        single = layout.to_file("unet", unet.state_dict())
    for weight, whole in zip(unet.state_dict(), single, strict=True):
        wanted = family.block(weight)
        words = (f"unet.{weight}", family.export_name(weight.rpartition(".")[0]), whole)
        assert [block_of(word) for word in words] == [wanted] * 3, weight


FOREIGN: dict[str, tuple[Tensors, dict[str, str], str]] = {
    "kohya XL": (
        tensors("LoRA", "lora_unet_input_blocks_4_1_proj_in"), {},
        "a LoRA for Stable Diffusion XL in kohya's names",
    ),
    "peft": (
        {f"base_model.model.down_blocks.0.attentions.0.attn1.to_q.lora_{one}.weight":
         torch.ones(4, 4) for one in "AB"}, {"ss_base_model_version": "sd_v1"},
        "a LoRA for Stable Diffusion 1.x in peft's names",
    ),
    "diffusers, by a width": (
        {f"unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_{one}.weight":
         torch.ones(4, 1024) if one == "A" else torch.ones(320, 4) for one in "AB"}, {},
        "a LoRA for Stable Diffusion 2.x in diffusers' names",
    ),
    "diffusers, older": (
        {f"unet.mid_block.attn1.processor.to_q_lora.{one}.weight": torch.ones(4, 4)
         for one in ("down", "up")}, {}, "a LoRA in diffusers' names",
    ),
    "SD 3.5": (
        {f"transformer.transformer_blocks.0.attn2.to_q.lora_{one}.weight": torch.ones(4, 4)
         for one in "AB"}, {}, "a LoRA for Stable Diffusion 3.5 medium in diffusers' names",
    ),
    "FLUX": (
        tensors("LoRA", "lora_unet_double_blocks_0_img_attn_qkv"), {},
        "a LoRA for FLUX in kohya's names",
    ),
    "several kinds": (
        tensors("LoHa") | tensors("LoKr", MID), {}, "a LoHa and LoKr in kohya's names",
    ),
    "BOFT": ({f"{WORD}.oft_blocks": torch.ones(2, 2, 4, 4)}, {}, "a BOFT in kohya's names"),
    "GLoRA": (
        {f"{WORD}.{one}.weight": torch.ones(4, 4) for one in ("a1", "a2", "b1", "b2")}, {},
        "a GLoRA in kohya's names",
    ),
    "IA3": (
        {f"{WORD}.weight": torch.ones(4), f"{WORD}.on_input": torch.tensor(1)}, {},
        "an IA3 in kohya's names",
    ),
    "whole weights": (
        {f"{WORD}.diff": torch.ones(4, 4), f"{MID}.w_norm": torch.ones(4)}, {},
        "trained norms and whole weights in kohya's names",
    ),
    "an embedding of XL": (
        {"clip_l": torch.ones(2, 768), "clip_g": torch.ones(2, 1280)}, {},
        "an embedding for Stable Diffusion XL",
    ),
    "a VAE": (
        {f"encoder.down.0.block.{n}.conv1.weight": torch.ones(1) for n in range(3)}, {}, "a VAE",
    ),
    "a text encoder": (
        {f"text_model.encoder.layers.{n}.mlp.fc1.weight": torch.ones(1) for n in range(3)}, {},
        "a text encoder",
    ),
    "weather": ({"weather": torch.ones(1)}, {}, "a file of weights of another kind"),
}  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN)
def test_a_file_is_told_as_what_it_is(tmp_path: Path, name: str) -> None:
    """Kind, base model and naming of files of other programs, by names, widths or metadata."""
    made, about, wanted = FOREIGN[name]
    save_file(
        {n: one.clone() for n, one in made.items()}, tmp_path / "x.safetensors", about or None
    )

    code, lines = _told(tmp_path / "x.safetensors")

    assert (code, lines[0]) == (0, f"x.safetensors: {wanted}")


def test_a_lora_is_told_block_by_block(lora: Callable[..., Path]) -> None:
    """Rank, alpha, dtypes and a bar for each block, as long as it is strong."""
    path = lora(ss_base_model_version="sd_v1")
    norm = {
        word: torch.linalg.norm(pair[f"{word}.lora_up.weight"] @ pair[f"{word}.lora_down.weight"])
        / 2
        for number, word in enumerate((WORD, MID, TEXT))
        for pair in (tensors("LoRA", word, seed=number),)
    }

    code, lines = _told(path)

    assert code == 0
    assert lines[:4] == [
        "toy.safetensors: a LoRA for Stable Diffusion 1.x in kohya's names",
        "3 modules, rank 2, alpha 1",
        "tensors: 9 F32; 87 numbers, 348 bytes",
        "how strongly blocks are changed (norm of what is added to their weights):",
    ]
    longest = max(norm.values())
    for line, (block, word) in zip(
        lines[4:7], (("TE1", TEXT), ("IN01", WORD), ("MID", MID)), strict=True
    ):
        bar = "#" * round((norm[word] / longest).item() * 40)
        assert line == f"  {block:<4}  {bar:<40}  {norm[word].item():<9.4g}  1 module"
    assert lines[7:] == ["nothing wrong was found"]


def test_blocks_are_drawn_as_a_picture(lora: Callable[..., Path], tmp_path: Path) -> None:
    """As SVG: well-formed, a bar for each block, the strongest 420 wide; else it is refused."""
    plot = tmp_path / "a.svg"

    assert inspect_files([lora()], new_console(), plot) == 0

    picture = ElementTree.fromstring(plot.read_text())  # noqa: S314 (our own)
    bars = [one for one in picture if one.get("fill") == "#4477aa"]
    words = [one.text for one in picture if one.get("text-anchor") == "end"]
    assert words == ["TE1", "IN01", "MID"]
    assert max(float(one.get("width") or 0) for one in bars) == 420
    for places, wrong in (([lora()], tmp_path / "a.png"), ([lora(), lora()], plot)):
        with pytest.raises(UsageError, match="is for the blocks of one file"):
            inspect_files(places, new_console(), wrong)


def test_what_is_wrong_is_named(lora: Callable[..., Path]) -> None:
    """NaN, modules of zeros, torn ones, leftovers, names twice, foreign tensors, a wrong base."""
    broken = torch.ones(2, 6)
    broken[0, :3] = torch.tensor([float("nan"), float("inf"), float("nan")])
    more = {
        f"{MID}.lora_down.weight": broken,
        f"{TEXT}.lora_up.weight": torch.zeros(8, 2),
        "lora_unet_mid_block_attentions_0_proj_out.lora_down.weight": torch.ones(2, 6),
        "optimizer.state.0.exp_avg": torch.ones(5),
        "model_ema.decay": torch.tensor(1.0),
        f"{WORD}.lora_A.weight": torch.ones(2, 6),
        "text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_A.weight": torch.ones(2, 6),
        "text_encoder.text_model.encoder.layers.0.mlp.fc1.lora_B.weight": torch.ones(8, 2),
        "extra": torch.ones(1),
    }
    code, lines = _told(lora(more, ss_base_model_version="sdxl_base_v1-0", sshs_model_hash="0"), 2)

    assert code == 3
    assert [line for line in lines if line.startswith("wrong: ")] == [
        "wrong: 2 NaN and 1 infinite among the numbers of 1 tensor",
        "wrong: a part is missing of 1 module",
        "wrong: 1 of its 5 modules changes nothing: all zeros",
        "wrong: 1 tensor there twice, by other names",
        "wrong: 1 module there twice, under the names of two programs",
        "wrong: left over, moving averages (EMA): 1 tensor, 4 bytes",
        "wrong: left over, state of an optimizer: 1 tensor, 20 bytes",
        "wrong: 1 tensor of nothing that is known: `extra`",
        "wrong: the tensors are not those that its hash was written for",
    ]
    assert f"  {MID}.lora_down.weight" in lines


def test_a_pair_that_does_not_fit_takes_no_memory(tmp_path: Path) -> None:
    """An up of the shape of a down is told as what it is; nothing like its square is made."""
    wide = {f"{WORD}.lora_{one}.weight": torch.ones(4, 90_000) for one in ("down", "up")}
    save_file(wide, tmp_path / "x.safetensors")

    assert "wrong: the tensors of 1 module do not fit each other" in _told(
        tmp_path / "x.safetensors"
    )[1]  # fmt: skip


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_modules_are_there_twice_under_two_names(name: str) -> None:
    """Every attention of the full-size U-Nets: diffusers' name and kohya's are one module."""
    import diffusers

    family = all_families()[name]
    layout = next(one for one in file_layouts.LAYOUTS if one.name == name)
    kind = diffusers.UNet2DConditionModel
    with torch.device("meta"):
        unet = kind.from_config(layout.settings("unet"))  # type: ignore[no-untyped-call]
    words = [word for word, _ in unet.named_modules() if word.endswith(family.lora_targets)]
    each = [f"lora_unet_{word.replace('.', '_')}" for word in words]
    exported = [family.export_name(word) for word in words]
    peft = [f"base_model.model.{word}" for word in words]

    assert len({place_of(word) for word in words}) == len(words)
    assert list(map(place_of, each)) == list(map(place_of, exported)) == list(map(place_of, peft))
    assert twice([*each, *peft]) == sorted(peft)


def test_metadata_of_another_base_are_told(tmp_path: Path) -> None:
    """What the names of its modules show counts more than what is said."""
    save_file(
        tensors("LoRA", "lora_te2_text_model_encoder_layers_0_mlp_fc1"),
        tmp_path / "x.safetensors", {"ss_base_model_version": "sd_v1"},
    )  # fmt: skip

    assert (
        "wrong: its metadata name another kind of model: `sd_v1`"
        in _told(tmp_path / "x.safetensors")[1]
    )


def test_several_files_and_json(lora: Callable[..., Path], tmp_path: Path) -> None:
    """A file that is not there stops no other; as JSON each is an object of its own."""
    paths = [
        tmp_path / "gone.safetensors",
        lora({f"{MID}.lora_up.weight": torch.full((8, 2), float("nan"))}),
    ]
    plain, as_json = new_console(), Console(json=True, out=new_console().out, err=new_console().err)

    assert inspect_files(paths, plain) == 3
    assert inspect_files(paths, as_json) == 3

    assert said(plain)[1].splitlines() == [
        f"error: there is no `{paths[0]}`",
        "hint: name a `.safetensors` file, a `.ckpt`, or a diffusers folder",
    ]
    gone, found = map(json.loads, said(as_json)[0].splitlines())
    assert (gone["file"], gone["error"]) == (str(paths[0]), f"there is no `{paths[0]}`")
    assert (found["kind"], found["modules"], found["ranks"], found["alphas"]) == (
        "adapter",
        3,
        [2],
        [1.0],
    )
    assert [row["strength"] is None for row in found["blocks"]] == [False, False, True]
    assert found["findings"][0]["names"] == [f"{MID}.lora_up.weight"]


@pytest.mark.parametrize("form", ["folder", "file", "pickle"])
def test_models_are_told(narrow_base: Callable[[str], Path], tmp_path: Path, form: str) -> None:
    """A folder, a single file and a `.ckpt` of one model have the same numbers by block."""
    from tests.train.narrow import write_single

    folder = narrow_base("sd15")
    suffix = {"file": "safetensors", "pickle": "ckpt"}.get(form)
    place = write_single("sd15", folder, tmp_path / f"m.{suffix}") if suffix else folder
    code, lines = _told(place)
    blocks = {row.split()[0]: row.split()[2] for row in lines if "####" in row}
    weights = load_file(next(folder.glob("unet/*.safetensors")))
    mid = torch.cat([one.flatten().double() for n, one in weights.items() if n.startswith("mid_")])

    assert blocks["MID"] == f"{mid.square().mean().sqrt().item():.4g}"
    assert len(blocks) == 29  # TIME, 12 in, MID, 12 out, END, text encoder, VAE
    assert code == (0 if form == "folder" else 3)
    assert ("it is a pickle: `train clean` writes a `.safetensors` of it" in lines) is (
        form == "pickle"
    )


_PEAK = """
import sys
from train.cli.app import main
try:
    main(sys.argv[1:])
except SystemExit:
    print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="asks Linux")
def test_a_large_file_is_read_a_piece_at_a_time(tmp_path: Path) -> None:
    """160 MB in four tensors: the peak stays under the two largest, and far under the 500 MB."""
    path = tmp_path / "large.safetensors"
    save_file({f"lora.{n}": torch.ones(20_000_000, dtype=torch.float16) for n in range(4)}, path)
    done = subprocess.run(
        [sys.executable, "-c", _PEAK, "inspect", str(path)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert int(done.stdout.split()[-2]) < 80_000 + 100_000  # kB


def test_positions_of_a_model_are_right_or_told(base: Path, tmp_path: Path) -> None:
    """In a folder, as the published ones have them, they are no fault; rounded ones are."""
    folder, name = tmp_path / "m", "text_model.embeddings.position_ids"
    shutil.copytree(base, folder)
    weights = folder / "text_encoder" / "model.safetensors"
    plain = load_file(weights)
    for counts, code in ((torch.arange(77)[None], 0), (torch.arange(77)[None].half() + 0.5, 3)):
        save_file(plain | {name: counts}, weights)

        assert _told(folder)[0] == code
