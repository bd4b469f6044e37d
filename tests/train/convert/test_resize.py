"""LoRAs of less rank, and LoRAs out of two models: against float64 singular values."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from prep.models import safetensors_file
from prep.models.locate import Models
from tests.train.convert.conftest import (
    delta,
    equal,
    error_of,
    random_pairs,
    second,
    targets,
    write_kohya,
)
from tests.train.convert.test_merge import deltas, relative_error
from tests.train.runs import new_console, said
from train.convert import lora_modules
from train.convert.extraction import ExtractWish, extract
from train.convert.low_rank import Cut, of_matrix
from train.convert.merging import MergeWish, merge
from train.convert.resizing import resize

Place = Callable[[str], Path]


@pytest.mark.parametrize("cut", [Cut(2), Cut(energy=0.7), Cut(3, 0.9, of_kernels=1)])
def test_a_resized_lora_keeps_the_most_that_can_be(
    folder_of: Place, home: Models, tmp_path: Path, cut: Cut
) -> None:
    """Kernels, too: what is left out is what the float64 singular values say, module by module."""
    pairs = random_pairs(targets(folder_of("sd15"), home))
    source, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    write_kohya(source, "sd15", pairs, {"prep_certificate": "{}", "ss_network_alpha": "2"})
    console = new_console()
    resize(source, out, cut, console)

    found, modules = deltas(out), lora_modules.opened(out).modules
    shares = []
    for name in list(pairs)[::5]:
        wanted = delta(pairs[name]).flatten(1)
        u, s, v = torch.linalg.svd(wanted, full_matrices=False)
        rank = modules[name]["lora_down.weight"].shape[0]
        assert modules[name]["alpha"].read() == rank
        assert relative_error(found[name].flatten(1), (u[:, :rank] * s[:rank]) @ v[:rank]) < 1e-5
        parts = s.square().cumsum(0) / s.square().sum()
        shares.append(parts[rank - 1].item())
        if cut.energy and rank < cut.most(tuple(found[name].shape)):
            assert parts[rank - 1] >= cut.energy
            assert rank == 1 or parts[rank - 2] < cut.energy
    told = said(console)[0]
    assert "  energy kept: " in told
    assert f"rank 2 to 4, mostly 4 -> {'' if cut.energy else '2'}" in told
    metadata = safetensors_file.header(out).metadata
    assert metadata["prep_certificate"] == "{}"
    made = json.loads(metadata["prep_made_from"])
    assert (made["command"], made.get("energy")) == ("resize", cut.energy)
    assert metadata["sshs_model_hash"] == safetensors_file.data_digest(out)


def test_a_resize_to_the_same_rank_changes_nothing(
    folder_of: Place, home: Models, tmp_path: Path
) -> None:
    """A rank that is not less, and an energy of 1, add what the LoRA added; 3.5's names, too."""
    for name in ("sd15", "sd35"):
        pairs = random_pairs(targets(folder_of(name), home))
        source = write_kohya(tmp_path / f"{name}.safetensors", name, pairs)
        for number, cut in enumerate((Cut(64), Cut(energy=1.0))):
            out = tmp_path / f"{name}-{number}.safetensors"
            resize(source, out, cut, new_console())
            found = deltas(out)
            assert found.keys() == pairs.keys()
            for module in list(pairs)[::9]:
                assert relative_error(found[module], delta(pairs[module])) < 1e-5


def test_large_matrices_are_taken_apart_alike() -> None:
    """By eigenvalues in float64: tall, wide and kernels, as near as singular values make them."""
    dice = torch.Generator().manual_seed(0)
    for shape in ((900, 300), (300, 900), (100, 300, 3, 3)):
        whole = torch.randn(shape, generator=dice) * 0.01
        found = of_matrix(whole, Cut(12))
        u, s, v = torch.linalg.svd(whole.double().flatten(1), full_matrices=False)
        best = (u[:, :12] * s[:12]) @ v[:12]
        product = found.up.double().flatten(1) @ found.down.double().flatten(1)
        assert relative_error(product, best) < 1e-6
        assert found.energy == pytest.approx((s[:12].square().sum() / s.square().sum()).item())
        assert found.down.shape == (12, *shape[1:])


def test_a_lora_that_was_merged_is_extracted_again(
    folder_of: Place, file_of: Place, home: Models, tmp_path: Path
) -> None:
    """Out of a folder and a file of two layouts, text encoder and kernels too: the same changes."""
    pairs = random_pairs(targets(folder_of("sd15"), home))
    lora, tuned, out = (tmp_path / n for n in ("a.safetensors", "tuned", "b.safetensors"))
    write_kohya(lora, "sd15", pairs)
    merge([str(lora)], MergeWish(tuned, into=str(folder_of("sd15"))), home, new_console())
    console = new_console()
    wish = ExtractWish(out, Cut(4, of_kernels=4), kernels=True)
    extract(str(tuned), str(file_of("sd15")), wish, home, console)

    found = deltas(out)
    assert found.keys() == pairs.keys()
    for module, pair in pairs.items():  # float32 weights round what was added to them
        assert (found[module] - delta(pair)).abs().max() < 1e-6
    assert said(console)[0].startswith(f"extracted: {out}\n  {len(pairs)} modules that differ\n")
    again = tmp_path / "again.safetensors"
    extract(str(tuned), str(file_of("sd15")), replace(wish, out=again), home, new_console())
    assert equal(load_file(again), load_file(out))


def test_an_extracted_lora_is_the_nearest_of_its_rank(
    folder_of: Place, home: Models, tmp_path: Path
) -> None:
    """Against float64 on random models; what is in no module is counted and told."""
    base, out, console = folder_of("sd15"), tmp_path / "a.safetensors", new_console()
    tuned = second(base, tmp_path, 1)
    shutil.rmtree(tuned / "text_encoder")
    shutil.copytree(base / "text_encoder", tuned / "text_encoder")
    extract(str(tuned), str(base), ExtractWish(out, Cut(energy=0.5)), home, console)

    file = "unet/diffusion_pytorch_model.safetensors"
    one, two = load_file(base / file), load_file(tuned / file)
    modules = lora_modules.opened(out).modules
    assert not any(name.startswith("text") for name in modules)
    found = deltas(out)
    for name in list(found)[::9]:
        inner = f"{name.removeprefix('unet.')}.weight"
        change = two[inner].double() - one[inner].double()
        u, s, v = torch.linalg.svd(change.flatten(1), full_matrices=False)
        parts = s.square().cumsum(0) / s.square().sum()
        rank = int((parts < 0.5).sum()) + 1
        assert modules[name]["lora_down.weight"].shape[0] == rank
        best = (u[:, :rank] * s[:rank]) @ v[:rank]
        assert relative_error(found[name].flatten(1), best) < 1e-5
    told = said(console)[0]
    assert " tensors that differ, too, are in no module of the LoRA" in told
    metadata = safetensors_file.header(out).metadata
    assert metadata["ss_base_model_version"] == "sd_v1"
    assert json.loads(metadata["prep_made_from"])["sources"][0] == {"name": "model1"}


def test_a_quantile_cuts_the_largest_numbers(
    folder_of: Place, home: Models, tmp_path: Path
) -> None:
    """With `--clamp 0.99` no number of a module is beyond the quantile of them."""
    base = folder_of("sd15")
    tuned, out = second(base, tmp_path, 1), tmp_path / "a.safetensors"
    extract(str(tuned), str(base), ExtractWish(out, Cut(4), clamp=0.9), home, new_console())

    module = next(iter(lora_modules.opened(out).modules.values()))
    both = [module[f"lora_{side}.weight"].read().flatten().abs() for side in ("down", "up")]
    each = torch.cat(both)
    assert (each == each.max()).float().mean() > 0.09


def test_what_cannot_be_resized_or_extracted_is_refused(
    folder_of: Place, file_of: Place, home: Models, tmp_path: Path
) -> None:
    """Equal models, mixed families and other adapters: two lines, and nothing is written."""
    out, console, sd15 = tmp_path / "o.safetensors", new_console(), str(file_of("sd15"))
    wish = ExtractWish(out, Cut(4))
    assert error_of(extract, sd15, str(folder_of("sd15")), wish, home, console) == (
        f"`{sd15}` and `{folder_of('sd15')}` do not differ where LoRAs act", "name two other models"
    )  # fmt: skip
    told = error_of(extract, sd15, str(file_of("sdxl")), wish, home, console)
    assert told[1] == "name models of one family"
    word = "lora_unet_mid_block_attentions_0_proj_in"
    loha = {
        f"hada_w{n}_{p}": torch.ones((8, 2) if p == "a" else (2, 8)) for n in "12" for p in "ab"
    }
    file = tmp_path / "loha.safetensors"
    save_file({f"{word}.{e}": t for e, t in loha.items()}, file, {"ss_base_model_version": "sd_v1"})
    assert error_of(resize, file, out, Cut(2), console)[0].startswith(f"`{file}` is a LoHa, which")
    assert not out.exists()
