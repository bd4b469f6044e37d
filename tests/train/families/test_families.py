from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.runtime.errors import ModelFileError
from train.adapters import lora_layers
from train.export import lora_file
from train.families import all_families
from train.families.family import Base, Family, PictureSizes
from train.families.sd15 import FAMILY as SD15
from train.loss_rows import LOSSES, errors

every_family = pytest.mark.parametrize("family", all_families().values(), ids=lambda f: f.name)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A tiny base model of every family."""
    top = tmp_path_factory.mktemp("families")
    return {name: one.tiny.write(top / name) for name, one in all_families().items()}


@pytest.fixture
def opened(folders: dict[str, Path], family: Family) -> Base:
    """The tiny base model of the family under test, with an adapter."""
    found = family.load(folders[family.name], "cpu")
    lora_layers.add(found.network, family.lora_targets, 4, 2.0)
    lora_layers.seed_weights(found.network, 0)
    return found


def _states(family: Family, base: Base, count: int) -> dict[str, torch.Tensor]:
    (state,) = family.encode(base, ["mascot, pose"])
    told = family.told([PictureSizes((80, 64), (8, 0), (64, 64))] * count)
    return {name: torch.stack([value] * count) for name, value in state.items()} | told


@every_family
@pytest.mark.parametrize("size", [(8, 8), (8, 4), (4, 8), (12, 6)])
def test_the_prediction_has_the_shape_of_the_latents(
    family: Family, opened: Base, size: tuple[int, int]
) -> None:
    """Whatever the bucket, network and latents agree in shape."""
    latents = torch.randn(2, family.space.channels, *size)

    answer = family.denoise(
        opened.network, latents, torch.tensor([1, 999]), _states(family, opened, 2)
    )

    assert answer.shape == latents.shape


@every_family
def test_a_new_adapter_changes_nothing(
    family: Family, opened: Base, folders: dict[str, Path]
) -> None:
    """Before the first step the network with its adapter is the base model, bit for bit."""
    plain = family.load(folders[family.name], "cpu")
    latents, when = torch.randn(1, family.space.channels, 8, 8), torch.tensor([500])
    states = _states(family, plain, 1)

    assert torch.equal(
        family.denoise(plain.network, latents, when, states),
        family.denoise(opened.network, latents, when, states),
    )


@every_family
def test_only_the_adapter_learns(family: Family, opened: Base) -> None:
    """Two weights per adapted module are trained, and nothing else of the network."""
    learning = [value for value in opened.network.parameters() if value.requires_grad]

    assert {id(value) for value in learning} == {
        id(w) for w in lora_layers.trainable(opened.network)
    }
    assert len(learning) == 2 * len(lora_layers.pairs(opened.network))


@every_family
def test_one_repeated_batch_is_learnt(family: Family, opened: Base) -> None:
    """The loss of a batch that is shown again and again falls by a quarter in 50 steps."""
    generator = torch.Generator().manual_seed(0)
    x0, noise = torch.randn(2, 2, family.space.channels, 8, 8, generator=generator)
    when = torch.tensor([100, 800])
    process = opened.process
    noisy, target = process.mixture(x0, noise, when), process.target(x0, noise, when)
    states = _states(family, opened, 2)
    optimizer = torch.optim.AdamW(lora_layers.trainable(opened.network), lr=0.02)
    seen = []
    for _ in range(50):
        total = errors(
            family.denoise(opened.network, noisy, when, states), target, LOSSES["l2"]
        ).mean()
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        seen.append(total.item())

    assert seen[-1] < 0.75 * seen[0]


@every_family
def test_a_text_is_encoded_alike_in_any_company(family: Family, opened: Base) -> None:
    """A text's conditioning has the same bits alone and among others."""
    alone = family.encode(opened, ["mascot"])[0]
    among = family.encode(opened, ["a longer text than that", "mascot", ""])[1]

    assert alone.keys() == among.keys()
    assert all(torch.equal(alone[name], among[name]) for name in alone)


def _forwards(base: Base) -> Counter[str]:
    """Return a count, by encoder, of the forwards that are yet to come."""
    found: Counter[str] = Counter()
    for name, encoder in (base.encoders | base.frozen).items():
        found[name] = 0
        encoder.register_forward_hook(lambda *_, name=name: found.update([name]))
    return found


@every_family
def test_texts_that_teach_are_read_at_once(family: Family, opened: Base) -> None:
    """Where an encoder learns each reads all texts and chunks in one forward, else one by one.

    States and gradients are those of the texts alone, but for rounding.
    """
    texts, chunks = ["a longer text than that", "mascot", "tree " * 80], 2 if family.chunked else 1
    alone = [family.encode(opened, [text], 1, chunks)[0] for text in texts]
    forwards = _forwards(opened)
    family.encode(opened, texts, 1, chunks)
    assert {forwards[name] for name in opened.encoders} == {len(texts) * chunks}
    assert {forwards[name] for name in opened.frozen} <= {len(texts)}

    for encoder in opened.encoders.values():
        lora_layers.add(encoder, family.text_targets, 4, 2.0)
    forwards.clear()
    together = family.encode(opened, texts, 1, chunks)

    assert set(forwards.values()) == {1}
    assert forwards.keys() == (opened.encoders | opened.frozen).keys()
    for one, other in zip(alone, together, strict=True):
        assert all(value.requires_grad for value in other.values())
        torch.testing.assert_close(dict(other), dict(one), rtol=1e-4, atol=1e-5)
    weights = [w for one in opened.encoders.values() for w in lora_layers.trainable(one)]
    whole = torch.autograd.grad(_sum(together), weights, allow_unused=True)
    each = (_sum(family.encode(opened, [text], 1, chunks)) for text in texts)
    grown = torch.autograd.grad(sum(each), weights, allow_unused=True)  # type: ignore[arg-type]
    torch.testing.assert_close(whole, grown, rtol=1e-3, atol=1e-4)


def _sum(states: list[Any]) -> torch.Tensor:
    return torch.stack([value.square().sum() for one in states for value in one.values()]).sum()


@every_family
def test_chunks_hold_what_they_can(family: Family, opened: Base) -> None:
    """Row 28: 75 tokens fit a chunk, and no text has more than three; some families have one."""
    found = [family.chunks(opened, ["", "a " * count]) for count in (75, 76, 150, 151, 225, 999)]

    assert found == ([1, 2, 2, 3, 3, 3] if family.chunked else [1] * 6)


@every_family
def test_a_base_model_fits_its_own_family_alone(family: Family, folders: dict[str, Path]) -> None:
    """Of all small models each family knows its own."""
    assert [name for name, folder in folders.items() if family.fits(folder)] == [family.name]


@every_family
def test_a_folder_of_another_kind_does_not_fit(family: Family, tmp_path: Path) -> None:
    """A folder that is no base model fits no family."""
    (tmp_path / "model_index.json").write_text('{"_class_name": "OtherPipeline"}')

    assert not family.fits(tmp_path)


def test_clip_states_are_those_of_the_pipeline(base: Path) -> None:
    """The text's conditioning equals what StableDiffusionPipeline computes."""
    from diffusers import StableDiffusionPipeline

    pipeline = StableDiffusionPipeline.from_pretrained(str(base), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    with torch.no_grad():
        wanted, _ = pipeline.encode_prompt("mascot, pose 1", "cpu", 1, False)

    found = SD15.encode(SD15.load(base, "cpu"), ["mascot, pose 1"])

    assert torch.equal(found[0]["text"], wanted[0])


def test_the_targets_are_the_incumbent_s_192() -> None:
    """On the full Stable Diffusion 1.5 U-Net the adapter has kohya's 192 modules and names."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=768, attention_head_dim=8
        )
        lora_layers.add(unet, SD15.lora_targets, 4, 4.0)
    places = [f"down_blocks_{b}_attentions_{a}" for b in range(3) for a in range(2)]
    places += [f"up_blocks_{b}_attentions_{a}" for b in range(1, 4) for a in range(3)]
    places += ["mid_block_attentions_0"]
    parts = [f"attn{n}_{part}" for n in (1, 2) for part in ("to_q", "to_k", "to_v", "to_out_0")]
    inner = [f"transformer_blocks_0_{part}" for part in (*parts, "ff_net_0_proj", "ff_net_2")]
    wanted = {f"lora_unet_{p}_{m}" for p in places for m in (*inner, "proj_in", "proj_out")}

    found = [SD15.export_name(name) for name in lora_layers.pairs(unet)]

    assert len(found) == 192
    assert set(found) == wanted


def test_weights_that_are_missing_are_never_made_up(base: Path, tmp_path: Path) -> None:
    """A part that lacks a weight is refused; the libraries alone would fill in random numbers."""
    import shutil

    from safetensors.torch import load_file, save_file

    broken = shutil.copytree(base, tmp_path / "broken")
    path = broken / "text_encoder" / "model.safetensors"
    weights = load_file(path)
    gone = sorted(weights)[-1]
    save_file({name: weights[name] for name in weights if name != gone}, path, {"format": "pt"})

    with pytest.raises(ModelFileError) as caught:
        SD15.load(broken, "cpu")

    assert str(caught.value) == (
        f"`{broken / 'text_encoder'}` lacks 1 weight, the first is `{gone}`"
    )


def test_a_text_encoder_with_the_hub_s_names_loads(base: Path, tmp_path: Path) -> None:
    """Weights named `text_model.` as on the hub, position ids included, give the same states."""
    import shutil

    from safetensors.torch import load_file, save_file

    hub = shutil.copytree(base, tmp_path / "hub")
    path = hub / "text_encoder" / "model.safetensors"
    named = {f"text_model.{name}": value for name, value in load_file(path).items()}
    named["text_model.embeddings.position_ids"] = torch.arange(77)[None]
    save_file(named, path, {"format": "pt"})

    one, two = (SD15.encode(SD15.load(folder, "cpu"), ["mascot"]) for folder in (base, hub))

    assert torch.equal(one[0]["text"], two[0]["text"])


def test_a_v_prediction_base_is_known(built_base: Callable[..., Path], tmp_path: Path) -> None:
    """A Stable Diffusion 1.x whose scheduler says v_prediction is trained on v."""
    found = SD15.load(built_base(tmp_path / "v", "v_prediction"), "cpu")

    assert found.process.prediction == "v_prediction"
    assert lora_file.named(lora_layers.pairs(found.network), lambda module: 1.0, SD15) == {}
