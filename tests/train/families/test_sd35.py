import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from prep.models import safetensors_file, vae, vae_files
from prep.models.latent_space import SD3
from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError, DatasetError, ModelFileError, UserError
from tests.train.conftest import build_dataset
from train.adapters import lora_layers
from train.export import lora_file, verify
from train.export.rounding import as_saved
from train.families.detect import opened_base
from train.families.family import Base
from train.families.sd35 import FAMILY
from train.methods import config_of
from train.run import start
from train.samples import sheet
from train.samples.prompts import Prompt
from train.samples.sampler import draw, opened_vae
from train.samples.subject import subject_of
from train.samples.wish import Wish
from train.weights import explain

TEXTS = [
    "", "mascot", "mascot, pose 1", "a photo of a cat", "1girl, solo", "!", "\u732b", "A b, C",
    "word " * 90, "word, " * 300,
]  # fmt: skip
_THIRD = ("text_encoder_3", "tokenizer_3")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Stable Diffusion 3.5."""
    return FAMILY.tiny.write(tmp_path_factory.mktemp("sd35"))


@pytest.fixture
def without_t5(base: Path, tmp_path: Path) -> Path:
    """The same as many people keep it: without T5."""
    folder = tmp_path / "small"
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("*_3"))
    path = folder / "model_index.json"
    absent = {name: [None, None] for name in _THIRD}
    path.write_text(json.dumps(json.loads(path.read_text()) | absent))
    return folder


def _pipeline(place: Path) -> Any:
    from diffusers import StableDiffusion3Pipeline

    absent = {} if (place / "text_encoder_3").is_dir() else dict.fromkeys(_THIRD)
    kind: Any = StableDiffusion3Pipeline
    found = kind.from_pretrained(str(place), local_files_only=True, **absent)
    found.set_progress_bar_config(disable=True)
    return found


def _made(made_for: Path, top: Path, models: Models, **given: Any) -> Path:
    meta = build_dataset(top / "data", made_for, count=2)
    config = config_of(**{"steps": 2, "rank": 2, "out": top / "runs", "name": "toy"} | given)
    return start.start([meta], config, models, Console(level=0))


def _check_states(place: Path, clip_skip: int) -> None:
    opened, pipeline = FAMILY.load(place, "cpu"), _pipeline(place)
    for text, state in zip(TEXTS, FAMILY.encode(opened, TEXTS, clip_skip), strict=True):
        with torch.no_grad():
            wanted, _, pooled, _ = pipeline.encode_prompt(
                text, None, None, device="cpu", do_classifier_free_guidance=False,
                clip_skip=clip_skip - 1 or None,
            )  # fmt: skip
        assert torch.equal(state["text"], wanted[0]), text
        assert torch.equal(state["pooled"], pooled[0]), text


def test_texts_are_read_as_the_pipeline_reads_them(base: Path) -> None:
    """For ten prompts, long ones too, states and pooled state are diffusers', bit for bit."""
    _check_states(base, 1)


def test_texts_are_read_without_t5(without_t5: Path) -> None:
    """Where T5 was left out its states are zeros, as diffusers has them."""
    assert FAMILY.outline(without_t5).most_tokens == 75
    _check_states(without_t5, 1)


def test_t5_in_shards_is_read_and_decides_the_recipe(
    base: Path, tmp_path: Path, models: Models
) -> None:
    """As it is published: cut into shards, each of them among the files of the base model."""
    from transformers import T5EncoderModel

    folder = tmp_path / "shards"
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("text_encoder_3"))
    whole: Any = T5EncoderModel.from_pretrained(str(base / "text_encoder_3"))
    whole.save_pretrained(str(folder / "text_encoder_3"), max_shard_size="100KB")
    one, two = (FAMILY.load(place, "cpu") for place in (base, folder))

    found, family = opened_base(str(folder), models)

    shards = sorted((folder / "text_encoder_3").glob("model-*.safetensors"))
    assert family is FAMILY
    assert len(shards) > 1
    assert {*shards} <= {file for file, _, _ in found.files}
    assert FAMILY.outline(folder).unread == ()
    same = (FAMILY.encode(opened, ["mascot"])[0]["text"] for opened in (one, two))
    assert torch.equal(*same)


def test_a_half_model_is_refused(base: Path, tmp_path: Path) -> None:
    """T5 that the index names and the folder lacks is told; it is never taken for zeros."""
    folder = tmp_path / "half"
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("text_encoder_3"))

    with pytest.raises(ModelFileError) as caught:
        FAMILY.load(folder, "cpu")

    assert str(caught.value) == (
        f"`{folder}` has no `text_encoder_3`, which its `model_index.json` names"
    )
    assert caught.value.hint == (
        "fetch it again; to do without, write `[null, null]` at `text_encoder_3` there"
    )


def test_blocks_have_names() -> None:
    """Of the full-size transformer every weight is in a named block, and no name is empty."""
    from diffusers import SD3Transformer2DModel

    with torch.device("meta"):
        network: Any = SD3Transformer2DModel(
            num_layers=24, pos_embed_max_size=4, dual_attention_layers=tuple(range(13)),
            qk_norm="rms_norm",
        )  # fmt: skip

    found = [FAMILY.block(name) for name, _ in network.named_parameters()]

    assert set(found) == {"TIME", *(f"JOINT{number:02}" for number in range(24)), "END"}
    assert set(found) == set(FAMILY.blocks)
    assert FAMILY.block("transformer_blocks.7.attn.to_q.lora_A.lora.weight") == "JOINT07"
    assert FAMILY.block("text_encoder_2.text_model.x") == "TE2"


def test_a_lora_says_what_it_is(base: Path, tmp_path: Path, models: Models) -> None:
    """Names as diffusers has them, no alpha, the words of modelspec; explained and drawn again."""
    made = _made(base, tmp_path, models, text_encoder=True, learning_rate=0.01)
    head = safetensors_file.header(made)
    console = Console(level=0)
    wish = Wish([Prompt("mascot", width=32, height=32, steps=2)], [1.0], [], str(base))

    explain.explain(made, console)
    drawn = sheet.sample(subject_of([str(made)]), wish, tmp_path / "s.png", models, console)

    words = {name.partition(".")[0] for name in head.tensors}
    assert words == {"transformer", "text_encoder", "text_encoder_2"}
    assert all(name.endswith((".lora_A.weight", ".lora_B.weight")) for name in head.tensors)
    assert head.metadata["modelspec.architecture"] == "stable-diffusion-v3.5-medium/lora"
    assert head.metadata["ss_base_model_version"] == "sd3.5_medium"
    assert "modelspec.prediction_type" not in head.metadata
    assert drawn.code == 0


def test_an_odd_scale_is_in_the_up_weights(base: Path, tmp_path: Path) -> None:
    """Readers that know no alpha add what was trained: scale times up; diffusers answers alike."""
    trained = FAMILY.load(base, "cpu")
    lora_layers.add(trained.network, FAMILY.lora_targets, 3, 0.9)
    lora_layers.seed_weights(trained.network, 0)
    pairs = lora_layers.pairs(trained.network)
    for number, pair in enumerate(pairs.values()):
        pair.up.data.normal_(generator=torch.Generator().manual_seed(number))
    path = tmp_path / "odd.safetensors"

    tensors = lora_file.named(pairs, lambda module: 0.9, FAMILY)
    lora_file.write(path, tensors, {}, lambda made: verify.check_applied(made, trained, FAMILY))

    name = "transformer_blocks.0.attn.to_q"
    assert torch.equal(tensors[f"transformer.{name}.lora_B.weight"], pairs[name].up * (0.9 / 3))
    pipeline = _pipeline(base)
    plain = _answer(pipeline.transformer, trained)
    pipeline.load_lora_weights(str(path))
    wanted = _answer(trained.network, trained)
    torch.testing.assert_close(_answer(pipeline.transformer, trained), wanted)
    assert (wanted - plain).abs().max() > 0.1


@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_a_strong_lora_is_proved_in_half_precision(
    base: Path, tmp_path: Path, precision: str
) -> None:
    """What is rounded is the product of scale and up: the proof knows it for what was trained."""
    trained = FAMILY.load(base, "cpu")
    lora_layers.add(trained.network, FAMILY.lora_targets, 3, 0.9)
    lora_layers.seed_weights(trained.network, 0)
    pairs = lora_layers.pairs(trained.network)
    for number, pair in enumerate(pairs.values()):
        pair.up.data.normal_(std=5.0, generator=torch.Generator().manual_seed(number))
    before = {name: pair.up.clone() for name, pair in pairs.items()}
    path = tmp_path / "half.safetensors"

    tensors = as_saved(lora_file.named(pairs, lambda module: 0.9, FAMILY), precision)
    lora_file.write(
        path, tensors, {}, lambda made: verify.check_applied(made, trained, FAMILY, precision)
    )

    assert path.is_file()
    assert all(torch.equal(pair.up, before[name]) for name, pair in pairs.items())


def _answer(network: Any, opened: Base) -> torch.Tensor:
    (state,) = FAMILY.encode(opened, ["mascot"])
    given = {name: value[None] for name, value in state.items()}
    noisy = torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return FAMILY.denoise(network, noisy, torch.tensor([500.0]), given)


def test_latents_have_sixteen_channels(base: Path) -> None:
    """Of an SD 3.5 VAE latents are as diffusers has them, and it is recorded whose they are."""
    opened = vae.open_vae(base, "cpu")
    picture = Image.effect_mandelbrot((64, 32), (-2, -1, 1, 1), 40).convert("RGB")

    (found,) = vae.encode(opened, [picture])

    pipeline = _pipeline(base)
    with torch.no_grad():
        pixels = pipeline.image_processor.preprocess(picture)
        wanted = pipeline.vae.encode(pixels).latent_dist
    assert found is not None
    assert found.mean.shape == (16, 4, 8)
    assert torch.equal(found.mean, wanted.mean[0])
    assert torch.equal(found.logvar, wanted.logvar[0])
    assert vae_files.numbers(base, "x").space() == SD3


def _refused(kind: type[UserError], *given: Any, **more: Any) -> tuple[str, str | None]:
    with pytest.raises(kind) as caught:
        _made(*given, **more)
    return str(caught.value), caught.value.hint


def test_latents_of_another_model_are_refused(base: Path, tmp_path: Path, models: Models) -> None:
    """A dataset for Stable Diffusion 1.x is not trained on; both latent spaces are named."""
    from train.families.sd15 import FAMILY as SD15

    other = SD15.tiny.write(tmp_path / "sd15")

    assert _refused(DatasetError, other, tmp_path, models, base=str(base)) == (
        (
            f"the latents of `meta_lat.json` are of another latent space than that of `{base}`: "
            "that of Stable Diffusion 1.x and 2.x (4 channels, 1/8, scale 0.18215), not that of "
            "Stable Diffusion 3 (16 channels, 1/8, scale 1.5305, shift 0.0609)"
        ),
        f"make them with its own VAE: `prep latents META --model {base}`",
    )


def test_a_vae_of_another_model_is_refused(base: Path, tmp_path: Path, models: Models) -> None:
    """A base model whose own VAE does not fit its network is told before the training."""
    mixed = tmp_path / "mixed"
    shutil.copytree(base, mixed)
    config = mixed / "vae" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"latent_channels": 4}))

    assert _refused(ModelFileError, base, tmp_path, models, base=str(mixed)) == (
        f"the VAE of `{mixed}` gives 4 channels, its network takes 16",
        "fetch its files again",
    )


def test_sides_are_multiples_of_16(base: Path, tmp_path: Path, models: Models) -> None:
    """Buckets and prompts that cannot be cut into tokens are refused, and what to do instead."""
    meta = build_dataset(tmp_path / "odd", base, count=1, buckets=((64, 40),))
    config = config_of(steps=1, out=tmp_path / "runs")
    file = tmp_path / "p.txt"
    told = []
    for line in ("a --w 40", "a --ss pndm"):
        file.write_text(line)
        told.append(_refused(ConfigError, base, tmp_path, models, prompts=file))

    with pytest.raises(DatasetError) as caught:
        start.start([meta], config, models, Console(level=0))

    assert (str(caught.value), caught.value.hint) == (
        "the bucket of `0.png` is 64x40 px; models of the kind `sd35` take multiples of 16 px",
        "make the buckets again with `--step 16`, then the latents",
    )
    assert told == [
        ("`--w 40` is wrong for a model of the kind `sd35`", "give a multiple of 16"),
        (
            "`pndm` is no way to draw with a model of the kind `sd35`",
            "known: ddim, euler, heun, dpmsolver++, unipc",
        ),
    ]


def test_a_single_file_is_refused(tmp_path: Path, models: Models) -> None:
    """A model in one file is named, and what to give in its place."""
    one = safetensors_file.Packed("F32", (1,), bytes(4))
    path = tmp_path / "sd3.5_medium.safetensors"
    name = "model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight"
    path.write_bytes(safetensors_file.dump({name: one}))

    with pytest.raises(ModelFileError) as caught:
        opened_base(str(path), models)

    assert (str(caught.value), caught.value.hint) == (
        f"`{path}` is a Stable Diffusion 3 model, which is not read from one file yet",
        "name a diffusers folder of it, or its hub id",
    )


def test_other_models_of_its_kind_are_none(base: Path, tmp_path: Path) -> None:
    """Stable Diffusion 3 medium and 3.5 large, which have no double attention, do not fit."""
    other = tmp_path / "large"
    shutil.copytree(base, other)
    config = other / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"dual_attention_layers": []}))

    assert FAMILY.fits(base)
    assert not FAMILY.fits(other)


def test_a_fine_tune_keeps_what_the_base_lacks_or_has(
    without_t5: Path, tmp_path: Path, models: Models
) -> None:
    """Without T5 a fine-tune is a folder without T5, which diffusers opens and draws with."""
    meta = build_dataset(tmp_path / "data", without_t5, count=1)
    config = config_of("finetune", steps=1, out=tmp_path / "runs", name="toy")

    made = start.start([meta], config, models, Console(level=0))

    assert not (made / "text_encoder_3").exists()
    pipeline = _pipeline(made)
    opened = FAMILY.load(made, "cpu")
    prompt = Prompt("mascot", "", 32, 32, 5, 2, 3.0)
    wanted = pipeline(
        "mascot", width=32, height=32, num_inference_steps=2, guidance_scale=3.0,
        generator=torch.Generator("cpu").manual_seed(5),
    ).images[0]  # fmt: skip
    found = draw(opened, FAMILY, opened_vae(made, "cpu"), prompt)
    one, two = (
        torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).int()
        for picture in (found, wanted)
    )
    assert (one - two).abs().max() <= 1
