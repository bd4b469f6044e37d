"""What `train clean` writes: what was wrong is gone, all else is bit for bit what it was."""

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from prep.models import safetensors_file
from prep.runtime.errors import ConfigError, ModelFileError
from tests.train.runs import new_console, said
from tests.train.weights.conftest import MID, TEXT, WORD, Tensors, tensors
from train.cli.app import main
from train.export import lora_file
from train.weights.clean_file import CLEANED, clean_file
from train.weights.findings import inspection
from train.weights.weight_source import opened


def _clean(
    path: Path, out: Path | None = None, precision: str | None = None, drop_broken: bool = False
) -> tuple[int, list[str], list[str]]:
    console = new_console()
    code = clean_file(path, console, out=out, precision=precision, drop_broken=drop_broken)
    told, notes = said(console)
    return code, told.splitlines(), notes.splitlines()


def _metadata(path: Path) -> dict[str, str]:
    return dict(safetensors_file.header(path).metadata)


def _junk() -> Tensors:
    return {
        f"{TEXT}.lora_up.weight": torch.zeros(8, 2),
        "lora_unet_mid_block_attentions_0_proj_out.lora_down.weight": torch.ones(2, 6),
        "optimizer.state.0.exp_avg": torch.ones(5),
        "text_model.embeddings.position_ids": torch.arange(77),
        f"{WORD}.lora_A.weight": torch.ones(2, 6),
        "extra": torch.ones(1),
    }


def test_a_lora_is_left_with_what_acts(lora: Callable[..., Path]) -> None:
    """Junk, dead and torn modules go; the others' bytes stay; the file says what it is, and why."""
    path = lora(_junk(), ss_base_model_version="sd_v1", kept="yes", sshs_model_hash="0")
    before = path.read_bytes()

    code, told, notes = _clean(path)

    made = path.with_name("toy-clean.safetensors")
    fields = (
        "modelspec.architecture, modelspec.implementation, modelspec.sai_model_spec, "
        "modelspec.title, ss_network_alpha, ss_network_dim, ss_network_module, sshs_model_hash, "
        "sshs_legacy_hash"
    )
    assert (code, notes) == (0, [])
    assert told == [
        "dropped: a part is missing of 1 module",
        "dropped: 1 of its 4 modules changes nothing: all zeros",
        "dropped: 1 tensor there twice, by other names",
        "dropped: left over, state of an optimizer: 1 tensor, 20 bytes",
        "dropped: left over, counts of positions: 1 tensor, 616 bytes",
        "dropped: 1 tensor of nothing that is known: `extra`",
        f"metadata: {fields}",
        f"written: {made}: 232 bytes of tensors, 1.1 kB before",
    ]
    wanted = tensors("LoRA", WORD) | tensors("LoRA", MID, seed=1)
    found, about = load_file(made), _metadata(made)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], one) for name, one in wanted.items())
    assert path.read_bytes() == before
    assert (about["kept"], about["ss_network_dim"], about["ss_network_alpha"]) == (
        "yes",
        "2",
        "1.0",
    )
    assert about["modelspec.architecture"] == "stable-diffusion-v1/lora"
    assert json.loads(about[CLEANED]) == told[:-1]
    assert not inspection(opened(made)).findings


def test_hashes_are_those_that_an_export_has(tmp_path: Path) -> None:
    """Of a file of more than a megabyte, where the legacy hash is of numbers, too."""
    sizes = {"down": (4, 90_000), "up": (2, 4)}
    wide = {f"{WORD}.lora_{one}.weight": torch.randn(shape) for one, shape in sizes.items()}
    save_file(wide, tmp_path / "x.safetensors", {"ss_base_model_version": "sd_v1"})

    _clean(tmp_path / "x.safetensors")

    about = _metadata(tmp_path / "x-clean.safetensors")
    packed = {name: safetensors_file.packed(one) for name, one in wide.items()}
    assert lora_file.hashes(packed, about).items() <= about.items()
    with (tmp_path / "x-clean.safetensors").open("rb") as file:
        file.seek(8 + int.from_bytes(file.read(8), "little"))
        assert hashlib.sha256(file.read()).hexdigest() == about["sshs_model_hash"]


def test_nothing_to_do_writes_nothing(lora: Callable[..., Path], tmp_path: Path) -> None:
    """A cleaned file is clean: the second time says so, and the folder stays as it is."""
    _clean(lora(_junk()))
    made = tmp_path / "toy-clean.safetensors"

    assert _clean(made) == (0, [f"nothing to do for `{made}`: nothing is written"], [])
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "toy-clean.safetensors", "toy.safetensors"
    ]  # fmt: skip


@pytest.mark.parametrize("precision", ["fp32", "fp16", "bf16"])
def test_numbers_are_rounded_as_torch_rounds_them(
    lora: Callable[..., Path], precision: str
) -> None:
    """Weights alone: an alpha stays exact; infinity is refused, and nothing is written then."""
    path = lora({f"{MID}.lora_up.weight": torch.full((8, 2), 1e5)})
    kind = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}[precision]
    made = path.with_name("toy-clean.safetensors")
    if precision == "fp16":
        with pytest.raises(ConfigError) as caught:
            _clean(path, precision=precision)
        assert str(caught.value) == (
            f"`{MID}.lora_up.weight` holds numbers too large for F16, up to 1e+05; "
            "nothing is written"
        )
        assert not made.exists()
        path = lora()

    _clean(path, precision=precision)

    found = load_file(made)
    for name, one in load_file(path).items():
        assert torch.equal(found[name], one.to(kind) if one.ndim else one), name


def test_broken_modules_go_only_on_a_wish(lora: Callable[..., Path], tmp_path: Path) -> None:
    """NaN is named, and stays, with an exit code for it; with the option its module is left out."""
    path = lora({f"{MID}.lora_up.weight": torch.full((8, 2), float("nan"))})

    code, _, notes = _clean(path)
    assert code == 3
    first = f"the first `{MID}.lora_up.weight`: `--drop-broken` leaves their modules out"
    assert notes == [f"still wrong: 16 NaN among the numbers of 1 tensor, {first}"]

    code, told, notes = _clean(path, tmp_path / "b.safetensors", drop_broken=True)
    assert (code, notes) == (0, [])
    assert told[0] == "dropped: 1 module with NaN or infinite numbers"
    assert {name.partition(".")[0] for name in load_file(tmp_path / "b.safetensors")} == {
        WORD,
        TEXT,
    }


def test_a_checkpoint_loses_its_averages_and_gets_its_positions_right(
    narrow_base: Callable[[str], Path], tmp_path: Path
) -> None:
    """EMA, optimizer and tables go, positions are counted anew, marks stay; from a pickle too."""
    from tests.train.narrow import write_single

    word = "cond_stage_model.transformer.text_model.embeddings.position_ids"
    plain = load_file(write_single("sd15", narrow_base("sd15"), tmp_path / "m.safetensors"))
    junk = {
        "model_ema.diffusion_modelout2weight": torch.ones(4),
        "betas": torch.ones(3),
        "v_pred": torch.zeros(0),
        word: (torch.arange(77)[None] + 0.25).half(),
    }
    state = {"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": [{"lr": 0.1}]}
    path = tmp_path / "m.ckpt"
    torch.save({"state_dict": plain | junk, "optimizer_states": [state], "epoch": 3}, path)

    code, told, _ = _clean(path)

    found = load_file(tmp_path / "m-clean.safetensors")
    wanted = {n: one for n, one in plain.items() if not n.startswith("model_ema")}
    assert code == 0
    assert sorted(told[:-1]) == [
        "dropped: left over, moving averages (EMA): 2 tensors, 20 bytes",
        "dropped: left over, state of an optimizer: 1 tensor, 12 bytes",
        "dropped: left over, tables of noise: 1 tensor, 12 bytes",
        "no pickle any more",
        f"put right: counts of positions that are not 0, 1, 2, ...: {word}",
    ]
    assert found.keys() == {*wanted, "v_pred"}
    assert all(torch.equal(found[name], one) for name, one in wanted.items())
    assert found[word].dtype == torch.int64


def test_an_embedding_in_a_pickle_becomes_one_that_is_drawn(tmp_path: Path) -> None:
    """AUTOMATIC1111's `.pt`: its vectors, by the name that readers of `.safetensors` ask for."""
    from train.adapters import embedding_file

    vectors = torch.randn(2, 768)
    told = {"string_to_token": {"*": 265}, "string_to_param": {"*": vectors}, "name": "toy"}
    torch.save(told, tmp_path / "toy.pt")

    assert _clean(tmp_path / "toy.pt")[0] == 0

    made = tmp_path / "toy-clean.safetensors"
    assert torch.equal(load_file(made)["emb_params"], vectors)
    assert embedding_file.fits(made)
    assert embedding_file.word_of(made).vectors == 2
    assert _metadata(made)["modelspec.architecture"] == "stable-diffusion-v1/textual-inversion"


def test_it_is_typed(lora: Callable[..., Path], base: Path) -> None:
    """The command, its options, and what it refuses."""
    path, new = lora(), "n.safetensors"
    with pytest.raises(SystemExit) as stopped:
        main(["clean", f"{path}", "--save-precision", "bf16", "--out", f"{path.parent / new}"])
    with safe_open(path.parent / new, "pt") as made:
        assert made.get_tensor(f"{WORD}.lora_up.weight").dtype == torch.bfloat16
    assert stopped.value.code == 0
    for out, message in (
        (path, "is the file itself"), ("x.pt", "is no `.safetensors` file"),
        (path.parent / new, "is there already"),
    ):  # fmt: skip
        with pytest.raises(ConfigError, match=message):
            _clean(path, Path(out))
    with pytest.raises(ModelFileError, match="is a folder"):
        _clean(base)
    path = lora({f"{word}.lora_up.weight": torch.zeros(8, 2) for word in (WORD, MID, TEXT)})
    with pytest.raises(ModelFileError, match=r"nothing of `.*` would be left"):
        _clean(path)


_DYING = """
import os, signal, sys
from pathlib import Path
from train.cli.app import main

left = [int(sys.argv[1])]

def dying(real):
    def call(*words, **more):
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*words, **more)
    return call

os.fsync, os.replace = dying(os.fsync), dying(os.replace)
Path.open = dying(Path.open)
try:
    main(["clean", sys.argv[2], "-q"])
except SystemExit:
    print(int(sys.argv[1]) - left[0])
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_cleaned_file_is_whole_or_absent(lora: Callable[..., Path]) -> None:
    """Killed at any of its last openings, flushes or renamings, there is no half of a file."""
    path = lora(_junk())
    made = path.with_name("toy-clean.safetensors")
    _clean(path)
    whole = made.read_bytes()
    calls = _died(path, 10**6)
    for nth in range(calls - 5, calls + 1):
        made.unlink(missing_ok=True)
        assert _died(path, nth) == -signal.SIGKILL
        assert not made.exists() or made.read_bytes() == whole
    assert _died(path, 10**6)
    assert made.read_bytes() == whole


def _died(path: Path, nth: int) -> int:
    """Clean a file in a process that dies at its nth call; return its exit code, or the calls."""
    done = subprocess.run(
        [sys.executable, "-c", _DYING, str(nth), str(path)], check=False, capture_output=True,
        text=True,
    )  # fmt: skip
    return int(done.stdout) if done.stdout else done.returncode
