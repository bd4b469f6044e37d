"""LoRAs by the names of kohya, diffusers and ComfyUI: the same numbers, alphas and modules."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.errors import ModelFileError
from tests.train.convert.conftest import (
    FAMILIES,
    all_of,
    delta,
    equal,
    error_of,
    random_pairs,
    targets,
    write_kohya,
)
from tests.train.families.ldm_tables import SD, XL, clip, table
from tests.train.families.mmdit_tables import MEDIUM
from tests.train.runs import new_console, said
from train.adapters import adapter_file
from train.convert import lora_modules, stacked_pairs
from train.convert.conversions import convert
from train.families import all_families

Place = Callable[[str], Path]
FORMS = ("kohya", "peft", "comfy")
SOME = [pytest.param(name, marks=[pytest.mark.long] * (name == "sd2")) for name in FAMILIES]


@pytest.fixture(scope="session")
def lora_of(
    folder_of: Place, home: Models, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """The function from a family's name to a random LoRA of it, of several ranks and alphas."""
    top = tmp_path_factory.mktemp("loras")

    def found(name: str) -> Path:
        place = top / f"{name}.safetensors"
        if not place.exists():
            write_kohya(place, name, random_pairs(targets(folder_of(name), home)))
        return place

    return found


@pytest.mark.parametrize("name", SOME)
def test_round_trips_are_bit_equal(lora_of: Place, home: Models, tmp_path: Path, name: str) -> None:
    """Each form to each other one and back again has the same tensors, alphas and metadata."""
    made = {}
    for form in FORMS:
        made[form] = tmp_path / f"{form}.safetensors"
        convert(str(lora_of(name)), made[form], home, new_console(), form=form)
    said_first = dict(safetensors_file.header(lora_of(name)).metadata)

    for one, two in itertools.permutations(FORMS, 2):
        there = tmp_path / f"{one}-{two}.safetensors"
        convert(str(made[one]), there, home, new_console(), form=two)
        assert equal(load_file(there), load_file(made[two])), (one, two)
        assert said_first.items() <= safetensors_file.header(there).metadata.items()
        assert there.read_bytes() == made[two].read_bytes()
    usual = "peft" if name == "sd35" else "kohya"
    assert equal(load_file(made[usual]), load_file(lora_of(name)))


@pytest.mark.parametrize("name", SOME)
def test_every_name_is_in_the_published_tables(
    lora_of: Place, home: Models, tmp_path: Path, name: str
) -> None:
    """ComfyUI's names are those of the published weights; there is one for each module."""
    made = tmp_path / "comfy.safetensors"
    convert(str(lora_of(name)), made, home, new_console(), form="comfy")
    modules = {key.partition(".lora_")[0].removesuffix(".alpha") for key in load_file(made)}
    network = {m.removeprefix("diffusion_model.") for m in modules if m.startswith("diffusion")}
    texts = {m.partition(".transformer.text_model.")[::2] for m in modules if ".text_model." in m}

    if name == "sd35":
        stacks = {f"{way}.{attention}.qkv" for way in ("x_block", "context_block")
                  for attention in ("attn", "attn2")}  # fmt: skip
        assert {m.split(".", 2)[2] for m in network} - stacks <= {
            f"{way}.{rest}" for way in ("x_block", "context_block")
            for rest in ("attn.proj", "attn2.proj", "mlp.fc1", "mlp.fc2")
        }  # fmt: skip
        assert len(MEDIUM.modules(False)) == 337
    else:
        model = XL if name == "sdxl" else SD
        assert network <= set(table(model.modules(True), "").values())
    clips = {"sd15": {"clip_l"}, "sd2": {"clip_h"}}.get(name, {"clip_l", "clip_g"})
    assert {before.removeprefix("text_encoders.") for before, _ in texts} == clips
    assert {inner for _, inner in texts} <= clip(32)


@pytest.mark.filterwarnings("ignore")  # what diffusers and transformers say while they load
@pytest.mark.parametrize("name", [pytest.param("sd15", marks=pytest.mark.long), "sd35"])
def test_diffusers_adds_what_the_lora_adds(
    folder_of: Place, lora_of: Place, home: Models, tmp_path: Path, name: str
) -> None:
    """`load_lora_weights` of the file with diffusers' names: every alpha acts as it did.

    Of kohya's own names diffusers takes the same.
    """
    import diffusers

    pairs = random_pairs(targets(folder_of(name), home))
    made = tmp_path / "peft.safetensors"
    # By way of ComfyUI's names: so 3.5 has alphas that are not its ranks, too.
    between = tmp_path / "comfy.safetensors"
    convert(str(lora_of(name)), between, home, new_console(), form="comfy")
    convert(str(between), made, home, new_console(), form="peft")
    pipeline: Any = diffusers.DiffusionPipeline.from_pretrained(
        str(folder_of(name)), local_files_only=True
    )
    pipeline.load_lora_weights(str(made))
    before = all_of(folder_of(name), home)
    pipeline.fuse_lora(components=[*all_families()[name].encoders, all_families()[name].network])
    pipeline.unload_lora_weights()

    for module, pair in pairs.items():
        part, _, inner = module.partition(".")
        network = getattr(pipeline, part)
        found = dict(network.named_parameters())
        weight = found.get(f"{inner}.weight", found.get(f"text_model.{inner}.weight"))
        assert weight is not None
        wanted = before[f"{part}/{inner}.weight"].double() + delta(pair)
        torch.testing.assert_close(weight.double(), wanted, rtol=1e-5, atol=1e-5)


def test_alphas_of_diffusers_names_are_metadata(
    lora_of: Place, home: Models, tmp_path: Path
) -> None:
    """They stand where diffusers reads them, and the person is told where."""
    made, console = tmp_path / "peft.safetensors", new_console()
    convert(str(lora_of("sd15")), made, home, console, form="peft")
    found = json.loads(safetensors_file.header(made).metadata["lora_adapter_metadata"])

    count = len(lora_modules.opened(lora_of("sd15")).modules)
    assert said(console)[0].splitlines()[1] == (
        f"  a LoRA for sd15 by the names of peft, {count} modules; alphas are in its metadata, "
        "`lora_adapter_metadata`"
    )
    assert (found["unet.r"], found["text_encoder.r"]) == (4, 4)
    assert set(found["unet.alpha_pattern"].values()) | {found["unet.lora_alpha"]} == {1, 2, 3}
    assert not any(name.endswith(".alpha") for name in load_file(made))


def test_our_own_reader_takes_alphas_from_the_metadata(tmp_path: Path) -> None:
    """A LoRA of 3.5 with such an alpha acts as strongly where `train sample` draws it."""
    word = "transformer.transformer_blocks.0.attn.to_q"
    tensors = {f"{word}.lora_A.weight": torch.ones(2, 8), f"{word}.lora_B.weight": torch.ones(8, 2)}
    config = {"transformer.r": 2, "transformer.lora_alpha": 3}
    file = tmp_path / "a.safetensors"
    save_file(tensors, file, {"lora_adapter_metadata": json.dumps(config)})

    assert adapter_file.pairs(file, [word])[word][2] == 1.5


def test_stacks_are_parted_and_joined_to_the_same(tmp_path: Path) -> None:
    """A shared down weight, blocks on a diagonal, a zero part: parted and joined, bit for bit."""
    dice, names = torch.Generator().manual_seed(0), ("q", "k", "v")
    up, down = torch.randn(12, 6, generator=dice), torch.randn(6, 5, generator=dice)
    blocks = torch.block_diag(*(torch.randn(4, 2, generator=dice) for _ in names))
    part = torch.cat([up[:4], torch.zeros(8, 6)])
    two = torch.cat([torch.block_diag(up[:4, :3], up[4:8, :3]), torch.zeros(4, 6)])
    for whole, count in ((up, 3), (blocks, 3), (part, 1), (two, 2), (torch.zeros(12, 6), 3)):
        save_file({"d": down, "u": whole, "a": torch.tensor(3.0)}, tmp_path / "x.safetensors")
        stored = lora_modules.stored_tensors.stored_in(tmp_path / "x.safetensors")
        module = {"lora_down.weight": stored["d"], "lora_up.weight": stored["u"]}
        module |= {"alpha": stored["a"]}
        parts = stacked_pairs.parted(names, module)
        found = stacked_pairs.stacked(names, parts)
        assert len(parts) == count
        assert torch.equal(found["lora_up.weight"].read(), whole)
        assert torch.equal(found["lora_down.weight"].read(), down)
        assert found["alpha"].read() == 3.0
        for n, name in enumerate(names):
            if name in parts:
                one, two_, scale = lora_modules.pair_of(parts[name])
                rows = whole.chunk(3)[n] @ down * 0.5
                torch.testing.assert_close(two_ @ one * scale, rows)


def test_unlike_scales_become_part_of_a_stack(home: Models, tmp_path: Path) -> None:
    """Query, key and value of own ranks and alphas are one module that adds the same."""
    dice, before = torch.Generator().manual_seed(0), "transformer.transformer_blocks.0.attn.to_"
    found, wanted = {}, []
    for rank, name in ((1, "q"), (2, "k"), (4, "v")):
        down, up = (torch.randn(s, generator=dice) for s in ((rank, 6), (6, rank)))
        found |= {f"{before}{name}.lora_A.weight": down, f"{before}{name}.lora_B.weight": up}
        wanted.append(up @ down * (3 / rank))
    config = {"transformer.r": 1, "transformer.lora_alpha": 3}
    save_file(found, tmp_path / "a.safetensors", {"lora_adapter_metadata": json.dumps(config)})
    made = tmp_path / "b.safetensors"
    convert(str(tmp_path / "a.safetensors"), made, home, new_console(), form="kohya")

    one = load_file(made)
    word = "lora_unet_joint_blocks_0_x_block_attn_qkv"
    scale = one[f"{word}.alpha"] / 7
    product = one[f"{word}.lora_up.weight"] @ one[f"{word}.lora_down.weight"] * scale
    torch.testing.assert_close(product, torch.cat(wanted))


def test_other_kinds_keep_their_tensors_or_are_refused(
    folder_of: Place, home: Models, tmp_path: Path
) -> None:
    """A LoHa goes to ComfyUI's names and back; diffusers' names have no place for it."""
    word = "lora_unet_down_blocks_0_attentions_0_proj_in"
    dice = torch.Generator().manual_seed(0)
    shapes = {
        "hada_w1_a": (32, 2),
        "hada_w1_b": (2, 32),
        "hada_w2_a": (32, 2),
        "hada_w2_b": (2, 32),
    }
    found = {f"{word}.{end}": torch.randn(shape, generator=dice) for end, shape in shapes.items()}
    file, there = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file(
        found | {f"{word}.alpha": torch.tensor(1.0)}, file, {"ss_base_model_version": "sd_v1"}
    )
    convert(str(file), there, home, new_console(), form="comfy")
    convert(str(there), tmp_path / "c.safetensors", home, new_console(), form="kohya")

    assert equal(load_file(tmp_path / "c.safetensors"), load_file(file))
    assert "diffusion_model.input_blocks.1.1.proj_in.hada_w1_a" in load_file(there)
    told = error_of(
        convert, str(file), tmp_path / "d.safetensors", home, new_console(), form="peft"
    )
    assert told == (
        f"`{file}` is a LoHa, for which diffusers' names have no place",
        "give `--to kohya` or `--to comfy`, or put it into a model: `train merge`",
    )


def test_the_family_is_asked_for_where_nothing_tells_it(home: Models, tmp_path: Path) -> None:
    """Names and widths that several families have are no guess: `--family` says it."""
    word = "lora_unet_down_blocks_1_attentions_0_proj_in"
    found = {
        f"{word}.lora_down.weight": torch.ones(2, 8),
        f"{word}.lora_up.weight": torch.ones(8, 2),
    }
    file, out = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save_file(found, file)

    assert error_of(convert, str(file), out, home, new_console(), form="comfy") == (
        f"`{file}` does not say for which family of base models it is",
        "say it: `--family`, one of sd15, sd2, sd35, sdxl",
    )
    convert(str(file), out, home, new_console(), form="comfy", family="sdxl")
    assert "diffusion_model.input_blocks.4.1.proj_in.lora_up.weight" in load_file(out)
    assert error_of(convert, str(file), out, home, new_console(), form="comfy", family="xl") == (
        f"`{out}` is there already", "name another place: `--out`"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ("lora_A.default.weight", "lora_B.default.weight"),
        ("lora_linear_layer.down.weight", "lora_linear_layer.up.weight"),
    ],
)
def test_older_endings_of_diffusers_are_read(tmp_path: Path, down: str, up: str) -> None:
    """As `train inspect` reads them; those behind names of attention processors are told."""
    word = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"
    pair = {"lora_down.weight": torch.ones(2, 768), "lora_up.weight": torch.ones(32, 2)}
    path = tmp_path / "a.safetensors"
    save_file({f"{word}.{down}": pair["lora_down.weight"], f"{word}.{up}": pair["lora_up.weight"]},
              path)  # fmt: skip

    found = lora_modules.opened(path)

    assert found.family.name == "sd15"
    assert {name: one.read().tolist() for name, one in found.modules[word].items()} == {
        name: one.tolist() for name, one in pair.items()
    }
    odd = "unet.mid_block.attn2.processor.to_k_lora.down.weight"
    save_file({**load_file(path), odd: torch.ones(2, 768)}, path)
    with pytest.raises(ModelFileError) as caught:
        lora_modules.opened(path)
    assert str(caught.value) == f"`{path}` holds 1 tensor of no LoRA that is known: `{odd}`"
