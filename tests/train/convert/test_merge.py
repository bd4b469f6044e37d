"""LoRAs merged into one and into base models, base models by weights: against float64."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from prep.models import safetensors_file
from prep.models.locate import Models
from tests.train.convert.conftest import (
    FAMILIES,
    Pair,
    all_of,
    delta,
    error_of,
    random_pairs,
    second,
    targets,
    write_kohya,
)  # fmt: skip
from tests.train.runs import new_console, said
from train.block_rates import BlockWeights
from train.convert import lora_modules
from train.convert.low_rank import Cut
from train.convert.merging import MergeWish, merge
from train.families import all_families

Place = Callable[[str], Path]


def deltas(file: Path) -> dict[str, torch.Tensor]:
    """Return what a LoRA adds to each weight, float64, read by names as we know them."""
    found = {}
    for name, module in lora_modules.opened(file).modules.items():
        down, up, scale = lora_modules.pair_of(module)
        found[name] = delta((down, up, scale * len(down)))
    return found


def relative_error(one: torch.Tensor, two: torch.Tensor) -> float:
    """Return the relative error of one tensor, by Frobenius norms."""
    return ((one.double() - two).norm() / two.norm().clamp_min(1e-30)).item()


def _two(
    folder_of: Place, home: Models, top: Path, name: str = "sd15"
) -> tuple[Mapping[str, Pair], Mapping[str, Pair], Path, Path]:
    """Return two random LoRAs of other ranks; the second lacks some modules of the first."""
    modules = targets(folder_of(name), home)
    less = {m: shape for n, (m, shape) in enumerate(modules.items()) if n % 3}
    one, two = random_pairs(modules, 1), random_pairs(less, 2, rank=6)
    said_of = {
        "ss_session_id": "r1",
        "modelspec.trigger_phrase": "mascot",
        "prep_certificate": "{}",
    }
    return (
        one, two,
        write_kohya(top / "a.safetensors", name, one, said_of),
        write_kohya(top / "b.safetensors", name, two),
    )  # fmt: skip


@pytest.mark.parametrize("name", ["sd15", "sd35"])
def test_loras_side_by_side_add_what_all_add(
    folder_of: Place, home: Models, tmp_path: Path, name: str
) -> None:
    """Ranks add up, weights are kept, and a module of one alone is that one's."""
    one, two, a, b = _two(folder_of, home, tmp_path, name)
    out, console = tmp_path / "out.safetensors", new_console()
    merge([f"{a}:0.7", f"{b}:-0.4"], MergeWish(out), home, console)

    found = deltas(out)
    assert found.keys() == one.keys()
    for module, whole in found.items():
        wanted = 0.7 * delta(one[module])
        if module in two:
            wanted = wanted - 0.4 * delta(two[module])
        assert relative_error(whole, wanted) < 1e-6, module
    opened = lora_modules.opened(out)
    ranks = {m: t["lora_down.weight"].shape[0] for m, t in opened.modules.items()}
    for module, rank in ranks.items():
        assert rank == len(one[module][0]) + (len(two[module][0]) if module in two else 0)
    assert said(console)[0].startswith(f"merged: {out}\n  {len(one)} modules of rank 2 to 10\n")


def test_a_merged_lora_says_what_it_was_made_of(
    folder_of: Place, home: Models, tmp_path: Path
) -> None:
    """Names, weights and recipes of its sources, their certificates; hashes are the file's own."""
    _, _, a, b = _two(folder_of, home, tmp_path)
    out = tmp_path / "out.safetensors"
    merge([str(a), f"{b}:0.5"], MergeWish(out), home, new_console())
    told = safetensors_file.header(out).metadata

    made = json.loads(told["prep_made_from"])
    assert made == {
        "command": "merge",
        "sources": [
            {"name": "a.safetensors", "recipe": "r1", "weight": 1.0},
            {"name": "b.safetensors", "weight": 0.5},
        ],
    }
    assert json.loads(told["prep_certificates"]) == ["{}"]
    assert "prep_certificate" not in told
    assert told["modelspec.trigger_phrase"] == "mascot"
    assert told["ss_base_model_version"] == "sd_v1"
    assert told["sshs_model_hash"] == safetensors_file.data_digest(out)
    assert told["ss_network_dim"] == "Dynamic"


def test_hashes_are_those_of_the_other_writers(tmp_path: Path) -> None:
    """A file above 1 MiB has the two hashes that `lora_file` computes in memory."""
    from prep.models.stored_tensors import stored_in
    from train.convert.write_weights import write_lora
    from train.export import lora_file

    dice = torch.Generator().manual_seed(0)
    tensors = {
        f"lora_unet_{n}.lora_up.weight": torch.randn(400, 300, generator=dice) for n in "abc"
    }
    save_file(tensors, tmp_path / "a.safetensors")
    about = {"ss_x": "1", "other": "y" * 500, "sshs_model_hash": "old"}
    lora_file.write(tmp_path / "b.safetensors", tensors, about)
    write_lora(tmp_path / "c.safetensors", stored_in(tmp_path / "a.safetensors"), about)

    one, two = ((tmp_path / f"{n}.safetensors").read_bytes() for n in "bc")
    assert one == two


@pytest.mark.parametrize("how", [Cut(rank=3), Cut(energy=0.9), Cut(8, 0.8, of_kernels=2)])
def test_loras_cut_to_a_rank_keep_the_most_that_can_be(
    folder_of: Place, home: Models, tmp_path: Path, how: Cut
) -> None:
    """No matrix of that rank is nearer: the error is what the float64 singular values say."""
    one, two, a, b = _two(folder_of, home, tmp_path)
    out = tmp_path / "out.safetensors"
    merge([f"{a}:0.7", str(b)], MergeWish(out, cut=how), home, new_console())

    found = deltas(out)
    opened = lora_modules.opened(out)
    for module, whole in list(found.items())[::7]:
        wanted = 0.7 * delta(one[module]) + (delta(two[module]) if module in two else 0)
        u, s, v = torch.linalg.svd(wanted.flatten(1), full_matrices=False)
        rank = opened.modules[module]["lora_down.weight"].shape[0]
        best = (u[:, :rank] * s[:rank]) @ v[:rank]
        assert relative_error(whole.flatten(1), best) < 1e-5, module
        shares = s.square().cumsum(0) / s.square().sum()
        most = how.most(tuple(wanted.shape))
        enough = int((shares < how.energy).sum()) + 1 if how.energy else most
        there = len(one[module][0]) + (len(two[module][0]) if module in two else 0)
        assert rank == min(most, enough, there)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.long] * (n in ("sd2", "sdxl"))) for n in FAMILIES]
)
def test_loras_in_a_base_model_are_its_weights_and_what_they_add(
    folder_of: Place, file_of: Place, home: Models, tmp_path: Path, name: str
) -> None:
    """W + s * alpha / rank * up @ down in float64, in every layout; all else stays to the bit."""
    pairs = random_pairs(targets(folder_of(name), home))
    lora = write_kohya(tmp_path / "a.safetensors", name, pairs)
    out = tmp_path / ("out" if name == "sd15" else "out.safetensors")
    base = folder_of(name) if name == "sd35" else file_of(name)
    merge([f"{lora}:0.6"], MergeWish(out, into=str(base)), home, new_console())

    before, after = all_of(base, home), all_of(out, home)
    changed = {f"{m.replace('.', '/', 1)}.weight": pair for m, pair in pairs.items()}
    assert before.keys() == after.keys()
    for word, one in before.items():
        if word not in changed:
            assert torch.equal(after[word], one), word
            continue
        wanted = one.double() + 0.6 * delta(changed[word]).reshape(one.shape)
        assert (after[word].double() - wanted).abs().max() < 1e-5, word
        assert relative_error(after[word], wanted) < 1e-6, word


def test_other_adapters_go_into_a_base_model(
    folder_of: Place, home: Models, tmp_path: Path
) -> None:
    """LoHa, LoKr, DoRA and OFT, each computed from its paper's equation in float64."""
    dice = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=dice) * 0.3

    before = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_"
    loha = {e: normal(*s) for e, s in (("hada_w1_a", (32, 2)), ("hada_w1_b", (2, 32)),
                                       ("hada_w2_a", (32, 2)), ("hada_w2_b", (2, 32)))}  # fmt: skip
    lokr = {"lokr_w1": normal(4, 4), "lokr_w2_a": normal(8, 2), "lokr_w2_b": normal(2, 8)}
    dora = {"lora_down.weight": normal(2, 32), "lora_up.weight": normal(32, 2)}
    dora |= {"dora_scale": normal(32, 1).abs()}
    oft = {"oft_blocks": normal(4, 8, 8)}
    each = {"to_q": loha, "to_k": lokr, "to_v": dora, "to_out_0": oft}
    alphas = {"to_q": 1.0, "to_k": 1.0, "to_v": 1.0, "to_out_0": 0.0}
    tensors = {f"{before}{m}.{e}": t for m, one in each.items() for e, t in one.items()}
    tensors |= {f"{before}{m}.alpha": torch.tensor(a) for m, a in alphas.items()}
    file, out = tmp_path / "a.safetensors", tmp_path / "out"
    save_file(tensors, file, {"ss_base_model_version": "sd_v1"})
    merge([f"{file}:0.5"], MergeWish(out, into=str(folder_of("sd15"))), home, new_console())

    inner = "unet/down_blocks.0.attentions.0.transformer_blocks.0.attn1."
    was, now = all_of(folder_of("sd15"), home), all_of(out, home)
    d = {e: t.double() for one in each.values() for e, t in one.items()}
    weight = {m: was[f"{inner}{m.replace('_0', '.0')}.weight"].double() for m in each}
    skew = d["oft_blocks"] - d["oft_blocks"].transpose(1, 2)
    turn = torch.linalg.inv(torch.eye(8).double() - skew) @ (torch.eye(8).double() + skew)
    moved = weight["to_v"] + d["lora_up.weight"] @ d["lora_down.weight"] * 0.5
    wanted = {
        "to_q": (d["hada_w1_a"] @ d["hada_w1_b"]) * (d["hada_w2_a"] @ d["hada_w2_b"]) * 0.5,
        "to_k": torch.kron(d["lokr_w1"], d["lokr_w2_a"] @ d["lokr_w2_b"]) * 0.5,
        "to_v": d["dora_scale"] * moved / moved.norm(dim=1, keepdim=True) - weight["to_v"],
        "to_out_0": _turned(turn, weight["to_out_0"]) - weight["to_out_0"],
    }  # fmt: skip
    for module, change in wanted.items():
        found = now[f"{inner}{module.replace('_0', '.0')}.weight"]
        assert relative_error(found, weight[module] + 0.5 * change) < 1e-5, module


def _turned(turn: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Return a weight whose blocks of eight outputs are turned."""
    parts = weight.reshape(4, 8, 32)
    return torch.stack([one.T @ part for one, part in zip(turn, parts, strict=True)]).reshape(
        32, 32
    )


def test_base_models_are_added_by_weights_and_blocks(
    folder_of: Place, file_of: Place, home: Models, tmp_path: Path
) -> None:
    """A file and a folder, A + (B - C) and weights of blocks, against float64."""
    b, c = (second(folder_of("sd15"), tmp_path, seed) for seed in (1, 2))
    one, two, three = (all_of(place, home) for place in (file_of("sd15"), b, c))
    family = all_families()["sd15"]
    out, diff, blocks = (tmp_path / f"{n}.safetensors" for n in ("out", "diff", "blocks"))
    merge([f"{file_of('sd15')}:0.7", f"{b}:0.3"], MergeWish(out), home, new_console())
    merge([f"{file_of('sd15')}:1", f"{b}:0.5", f"{c}:-0.5"], MergeWish(diff), home, new_console())
    wish = MergeWish(blocks, blocks=BlockWeights({"IN": 0.5, "MID": 0.0, "TE1": 1.0}))
    merge([str(file_of("sd15")), str(b)], wish, home, new_console())

    sums = (all_of(out, home), all_of(diff, home), all_of(blocks, home))
    for word in one:
        x, y, z = (each[word].double() for each in (one, two, three))
        part, _, name = word.partition("/")
        block = family.block(name if part == "unet" else f"{part}.{name}")
        share = {"IN": 0.25, "MI": 0.0}.get(block[:2], 0.5)
        wanted = (0.7 * x + 0.3 * y, x + 0.5 * (y - z), (1 - share) * x + share * y)
        for found, sure in zip(sums, wanted, strict=True):
            assert relative_error(found[word], sure) < 1e-6, word
    told = json.loads(safetensors_file.header(diff).metadata["prep_made_from"])
    assert [row["weight"] for row in told["sources"]] == [1, 0.5, -0.5]


def test_what_does_not_belong_together_is_refused(
    folder_of: Place, file_of: Place, home: Models, tmp_path: Path
) -> None:
    """Families, models and kinds that are mixed, and weights that are none: two lines each."""
    a = write_kohya(
        tmp_path / "a.safetensors", "sd15", random_pairs(targets(folder_of("sd15"), home))
    )
    x = write_kohya(
        tmp_path / "x.safetensors", "sdxl", random_pairs(targets(folder_of("sdxl"), home))
    )
    wide = {"unet.mid_block.attentions.0.proj_in": (48, 48, 1, 1)}
    w = write_kohya(tmp_path / "w.safetensors", "sd15", random_pairs(wide))
    out, console, sd15, sdxl = (
        tmp_path / "o.safetensors",
        new_console(),
        file_of("sd15"),
        file_of("sdxl"),
    )

    def told(words: list[str], **wish: Any) -> tuple[str, str | None]:
        return error_of(merge, words, MergeWish(out, **wish), home, console)

    assert told([str(a), str(x)]) == (
        f"`{a}` is for sd15, and `{x}` for sdxl", "merge LoRAs of one family"
    )  # fmt: skip
    assert told([str(a), str(w)])[1] == "merge LoRAs of one base model"
    assert told([str(x)], into=str(sd15)) == (
        f"`{x}` is for sdxl, and `{sd15}` is of the kind sd15",
        "name the base model that it was made for",
    )
    assert told([str(w)], into=str(sd15))[0] == (
        f"`{w}` is for another model: 1 of its 1 module does not fit `{sd15}`"
    )
    assert told([str(sd15), str(sdxl)]) == (
        f"`{sd15}` is of the kind sd15, and `{sdxl}` of the kind sdxl", "name models of one family"
    )  # fmt: skip
    assert told([str(a), str(sd15)])[1] == f"put LoRAs into a base model: `--into {sd15}`"
    assert told([f"{sd15}:1", f"{sdxl}:1"])[0] == "the weights of base models do not sum to 1"
    assert told([f"{a}:0"]) == (f"`{a}` has the weight 0", "leave it out, or give another weight")
    assert told([f"{a}:x"]) == ("the weight `x` is no number", "write it as `a.safetensors:0.6`")
    unknown = told([str(a)], blocks=BlockWeights({"INN": 1.0}))[0]
    assert unknown.startswith("`--block-weights` names `INN`, and")
    assert not out.exists()
