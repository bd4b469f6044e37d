"""The average of a run's exports: its profile, its bytes, what it says, and what is refused."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from prep.runtime.errors import UserError
from tests.train.runs import new_console, said
from train.adapters.lora_metadata import BORN
from train.cli.app import main
from train.export import lora_file
from train.export.average_exports import average_exports
from train.export.average_profile import power_profile
from train.weights.explain import explain

STEPS = (100, 200, 300)


def _tensors(step: int, dtype: torch.dtype = torch.float32) -> dict[str, torch.Tensor]:
    dice = torch.Generator().manual_seed(step)
    found = {
        f"lora_unet_a.lora_{side}.weight": torch.randn(3, 4, generator=dice).to(dtype)
        for side in ("down", "up")
    }
    return found | {"lora_unet_a.alpha": torch.tensor(0.3), "places": torch.arange(3)}


def _lora(folder: Path, step: int, recipe: str = "r", width: int = 4) -> Path:
    path = folder / f"toy-step{step:08d}.safetensors"
    tensors = _tensors(step)
    tensors["lora_unet_a.lora_up.weight"] = tensors["lora_unet_a.lora_up.weight"][:, :width]
    about = {"ss_session_id": recipe, "ss_steps": str(step), "ss_output_name": "toy", "kept": "yes"}
    lora_file.write(path, {n: t.contiguous() for n, t in tensors.items()}, about)
    return path


@pytest.mark.parametrize("width", [0.05, 0.1, 0.28])
def test_the_profile_is_a_power_of_that_width(width: float) -> None:
    """Karras et al. 2024: over all steps its deviation is the width asked for, by numbers alone.

    An export counts what the profile holds since the one before it.
    """
    steps = range(1, 20_001)
    shares = np.array(power_profile(steps, width))
    at = (np.array(steps) - 0.5) / len(steps)
    mean = (shares * at).sum()

    assert shares.sum() == pytest.approx(1, abs=1e-12)
    assert np.sqrt((shares * (at - mean) ** 2).sum()) == pytest.approx(width, rel=1e-3)
    assert np.all(np.diff(shares) > 0)
    few = power_profile((5_000, 9_000, 20_000), width)
    wanted = [shares[:5_000].sum(), shares[5_000:9_000].sum(), shares[9_000:].sum()]
    np.testing.assert_allclose(few, wanted, rtol=1e-9, atol=1e-12)


def test_a_lora_is_averaged_and_says_so(tmp_path: Path) -> None:
    """Every number is the weighted mean; metadata stay, hashes fit, in whatever order it is typed.

    The same command writes the same bytes again.
    """
    paths = [_lora(tmp_path, step) for step in STEPS]
    made = average_exports(paths[::-1], new_console(), width=0.1, weights=(5, 3, 2))
    before = made.read_bytes()
    with pytest.raises(SystemExit) as main_code:
        main(["average", *map(str, paths), "--weights", "2,3,5"])
    found, console = load_file(made), new_console()
    explain(made, console)

    for name, tensor in found.items():
        each = [_tensors(step)[name].double() for step in STEPS]
        wanted = sum(one * share for one, share in zip(each, (0.2, 0.3, 0.5), strict=True))
        assert torch.equal(tensor, wanted.to(tensor.dtype)) or name in (
            "places",
            "lora_unet_a.alpha",
        )
    assert found["lora_unet_a.alpha"] == torch.tensor(0.3)
    assert found["places"].tolist() == [0, 1, 2]
    assert made == tmp_path / "toy-averaged.safetensors"
    assert (main_code.value.code, made.read_bytes()) == (0, before)
    told = said(console)[0]
    assert "tensors: as they were written\n" in told
    line = (
        "average of 3 exports of that run: step 100 x 0.200, step 200 x 0.300, step 300 x 0.500\n"
    )
    assert line in told
    with pytest.raises(UserError):  # no average is made of averages of unlike exports
        average_exports([made, _lora(tmp_path / "b", 100, "r2")], new_console(), width=0.1)


def test_a_folder_is_averaged_part_by_part(tmp_path: Path) -> None:
    """Each part is the mean in its own precision; all else is that of the last export."""
    for step in STEPS[:2]:
        place = tmp_path / f"model-{step}"
        (place / "unet").mkdir(parents=True)
        save_file(
            _tensors(step, torch.float16), place / "unet/weights.safetensors", {"format": "pt"}
        )
        (place / "model_index.json").write_text(f'"{step}"')
        (place / BORN).write_text(json.dumps({"ss_session_id": "r", "ss_steps": str(step)}))
    made = average_exports(
        [tmp_path / "model-100", tmp_path / "model-200"], new_console(), width=0.2,
        out=tmp_path / "mean",
    )  # fmt: skip

    one, two = power_profile((100, 200), 0.2)
    found = load_file(made / "unet/weights.safetensors")
    name = "lora_unet_a.lora_up.weight"
    each = [_tensors(step, torch.float16)[name].double() for step in (100, 200)]
    assert torch.equal(found[name], (each[0] * one + each[1] * two).half())
    assert (made / "model_index.json").read_text() == '"200"'
    assert json.loads((made / BORN).read_text())["ss_steps"] == "200"
    assert not list(tmp_path.glob(".tmp-*"))


@pytest.mark.parametrize(
    ("names", "weights", "message", "hint"),
    [
        ("a", (), "an average is of several exports", "name two or more, each once"),
        ("a a", (), "an average is of several exports", "name two or more, each once"),
        ("a b", (1,), "there are 2 exports and 1 weights",
         "give one for each, as `--weights 1,1,2`"),
        ("a b", (0, 0), "all weights are 0", "give at least one export a weight"),
        ("a c", (), "`{a}` and `{c}` are of two runs", "name exports of one run"),
        ("a d", (), "two exports are of step 100", "name each step once"),
        ("a e", (), "`{a}` has other tensors than `{e}`",
         "name exports of one run that were saved in one precision"),
        ("a x", (), "there is no export `{x}`", "name files or folders of a run"),
    ],
)  # fmt: skip
def test_what_cannot_be_averaged_is_refused(
    tmp_path: Path, names: str, weights: Sequence[float], message: str, hint: str
) -> None:
    """Mixed runs and shapes, and what is no list of exports, in two lines; nothing is written."""
    found = {
        "a": _lora(tmp_path / "a", 100), "b": _lora(tmp_path / "b", 200),
        "c": _lora(tmp_path / "c", 200, "other"), "d": _lora(tmp_path / "d", 100),
        "e": _lora(tmp_path / "e", 300, width=2), "x": tmp_path / "x",
    }  # fmt: skip
    paths = [found[name] for name in names.split()]
    with pytest.raises(UserError) as caught:
        average_exports(paths, new_console(), width=0.1, weights=weights)

    assert (str(caught.value), caught.value.hint) == (message.format(**found), hint)
    assert not list(tmp_path.rglob("*averaged*"))


def test_a_file_of_a_person_is_not_replaced(tmp_path: Path) -> None:
    """What is there and is no average stays; weights that are no numbers are told."""
    paths = [_lora(tmp_path, step) for step in STEPS]
    with pytest.raises(UserError) as caught:
        average_exports(paths[:2], new_console(), width=0.1, out=paths[2])
    with pytest.raises(SystemExit) as code:
        main(["average", *map(str, paths), "--weights", "1,x,2"])

    assert str(caught.value) == f"`{paths[2]}` is there already and is no average"
    assert code.value.code == 2


def test_the_folder_of_a_run_is_all_its_exports(tmp_path: Path) -> None:
    """Its last export, too; an average among what is named is left out, and that is told."""
    paths = [_lora(tmp_path, step) for step in STEPS]
    last = paths[-1].rename(tmp_path / "toy.safetensors")
    said_of_run = {"name": "toy", "base": "b", "datasets": []}
    (tmp_path / "config.json").write_text(json.dumps(said_of_run))
    one = average_exports([*paths[:-1], last], new_console(), width=0.1).read_bytes()
    console = new_console()

    again = average_exports([tmp_path], console, width=0.1)

    assert again == tmp_path / "toy-averaged.safetensors"
    assert again.read_bytes() == one
    assert said(console)[1] == "`toy-averaged.safetensors` is an average, and left out\n"


def test_explain_takes_the_folder_of_a_run(tmp_path: Path) -> None:
    """As `train sample` does: its export is told of; that of an unfinished run is missing."""
    _lora(tmp_path, 3).rename(tmp_path / "toy.safetensors")
    (tmp_path / "config.json").write_text(json.dumps({"name": "toy", "base": "b", "datasets": []}))
    console = new_console()

    explain(tmp_path, console)

    assert said(console)[0].startswith("toy.safetensors: a LoRA of rank ")
    (tmp_path / "toy.safetensors").unlink()
    with pytest.raises(UserError) as caught:
        explain(tmp_path, console)
    assert str(caught.value) == (
        f"the run in `{tmp_path}` is not finished: it has no `toy.safetensors`"
    )
