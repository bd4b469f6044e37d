import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from train.adapters import lora_layers
from train.config import Config
from train.families.family import Base
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.methods.lora import attach
from train.run import decide, disk, start

ASKED: tuple[Mapping[str, Any], ...] = (
    {"targets": "attention"},
    {"targets": "transformer"},
    {"targets": "convolutions", "conv_rank": 2, "conv_alpha": 0.5},
    {"targets": "transformer", "text_encoder": True},
    {"targets": "attention", "alpha": 1.0},
)
asked = pytest.mark.parametrize(
    "given", ASKED, ids=lambda given: "-".join(map(str, given.values()))
)

PLACES = [f"down_blocks_{b}_attentions_{a}" for b in range(3) for a in range(2)]
PLACES += [f"up_blocks_{b}_attentions_{a}" for b in range(1, 4) for a in range(3)]
PLACES += ["mid_block_attentions_0"]


def _full_size(targets: str) -> set[str]:
    """Return the kohya names of what gets an adapter in the real U-Net; no weight is made."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet: Any = UNet2DConditionModel(
            sample_size=64, cross_attention_dim=768, attention_head_dim=8
        )
        lora_layers.add(unet, FAMILY.targets(targets), 4, 4.0)
    return {FAMILY.export_name(name) for name in lora_layers.pairs(unet)}


def _attention() -> set[str]:
    parts = [f"attn{n}_{part}" for n in (1, 2) for part in ("to_q", "to_k", "to_v", "to_out_0")]
    return {f"lora_unet_{p}_transformer_blocks_0_{part}" for p in PLACES for part in parts}


def _convolutions() -> set[str]:
    """Return what kohya's `conv_dim` adds, from the block structure alone."""
    resnets = [f"down_blocks_{b}_resnets_{n}" for b in range(4) for n in range(2)]
    resnets += [f"up_blocks_{b}_resnets_{n}" for b in range(4) for n in range(3)]
    resnets += [f"mid_block_resnets_{n}" for n in range(2)]
    found = {f"{r}_{part}" for r in resnets for part in ("conv1", "conv2", "time_emb_proj")}
    # A resnet has a shortcut where its width changes: going down twice, going up always.
    wider = ["down_blocks_1_resnets_0", "down_blocks_2_resnets_0"]
    wider += [name for name in resnets if name.startswith("up_blocks")]
    found |= {f"{name}_conv_shortcut" for name in wider}
    found |= {f"down_blocks_{b}_downsamplers_0_conv" for b in range(3)}
    found |= {f"up_blocks_{b}_upsamplers_0_conv" for b in range(3)}
    return {f"lora_unet_{name}" for name in found}


def test_attention_alone_is_128_modules() -> None:
    """With `--targets attention` the real U-Net has an adapter on every projection of attention."""
    found = _full_size("attention")

    assert len(found) == 128
    assert found == _attention()


def test_convolutions_are_the_incumbent_s_278() -> None:
    """With `--targets convolutions` the real U-Net has kohya's 278 modules and names."""
    usual, found = _full_size("transformer"), _full_size("convolutions")

    assert (len(usual), len(found)) == (192, 278)
    assert found - usual == _convolutions()


def test_the_text_encoder_has_the_incumbent_s_72() -> None:
    """The real CLIP text encoder gets kohya's 72 modules and names, `text_model_` included."""
    from transformers import CLIPTextConfig, CLIPTextModel

    config = CLIPTextConfig(
        hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12
    )
    with torch.device("meta"):
        encoder: Any = CLIPTextModel(config)
        lora_layers.add(encoder, FAMILY.text_targets, 4, 4.0)
    parts = [f"self_attn_{part}" for part in ("q_proj", "k_proj", "v_proj", "out_proj")]
    wanted = {
        f"lora_te_text_model_encoder_layers_{layer}_{part}"
        for layer in range(12)
        for part in (*parts, "mlp_fc1", "mlp_fc2")
    }

    found = [FAMILY.export_name(name) for name in lora_layers.pairs(encoder, "text_encoder")]

    assert len(found) == 72
    assert set(found) == wanted


def _trained(base: Path, saved: Mapping[str, torch.Tensor], config: Config) -> Base:
    """Return the base model with the adapter that the run trained, in our own layers."""
    opened = FAMILY.load(base, "cpu")
    attach(opened, FAMILY, config)
    for name, pair in lora_layers.of_base(opened).items():
        pair.down.data.copy_(saved[f"{FAMILY.export_name(name)}.lora_down.weight"])
        pair.up.data.copy_(saved[f"{FAMILY.export_name(name)}.lora_up.weight"])
    return opened


def _picture(pipeline: Any, strength: float | None) -> Any:
    if strength is not None:
        pipeline.set_adapters(pipeline.get_active_adapters(), strength)
    return pipeline(
        "mascot, pose 1", width=64, height=64, num_inference_steps=3, guidance_scale=2.0,
        generator=torch.Generator().manual_seed(0), output_type="np",
    ).images  # fmt: skip


@asked
def test_diffusers_computes_what_the_trained_model_computes(
    given: Mapping[str, Any], meta: Path, base: Path, tmp_path: Path, models: Models
) -> None:
    """Our file in diffusers: same tensors, text states and prediction bit for bit; it shows."""
    from diffusers import StableDiffusionPipeline

    config = config_of(steps=12, rank=4, learning_rate=0.02, out=tmp_path, batch=2, **given)
    made = start.start([meta], config, models, Console(level=0))
    saved = load_file(made)
    pipeline: Any = StableDiffusionPipeline.from_pretrained(str(base), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    plain = _picture(pipeline, None)
    pipeline.load_lora_weights(str(made))
    parts = (pipeline.unet, pipeline.text_encoder)
    held = [p for part in parts for name, p in part.named_parameters() if ".lora_" in name]
    trained = _trained(base, saved, config)
    state = FAMILY.encode(trained, ["mascot"])[0]["text"].detach()
    ids = pipeline.tokenizer(
        "mascot", padding="max_length", max_length=77, return_tensors="pt"
    ).input_ids
    inputs = (torch.ones(1, 4, 8, 8), torch.tensor([500]))

    with torch.no_grad():
        text = pipeline.text_encoder(ids).last_hidden_state
        wanted = FAMILY.denoise(trained.network, *inputs, {"text": state[None]})
        found = FAMILY.denoise(pipeline.unet, *inputs, {"text": text})

    kernel = saved.get("lora_unet_down_blocks_0_resnets_0_conv1.lora_down.weight")
    assert kernel is None or tuple(kernel.shape) == (2, 32, 3, 3)
    assert len(held) == sum(not name.endswith(".alpha") for name in saved) > 0
    assert any(name.startswith("lora_te_") for name in saved) == config.text_encoder
    assert torch.equal(text[0], state)
    assert torch.equal(found, wanted)
    assert abs(_picture(pipeline, 1.0) - plain).mean() > 1 / 255
    assert (_picture(pipeline, 0.0) == plain).all()


def test_convolutions_may_have_their_own_rank_and_alpha(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """What is foretold of the disk is the file; a kernel of one pixel counts as a matrix."""
    given = {"targets": "convolutions", "rank": 4, "conv_rank": 1}
    config = config_of(steps=1, out=tmp_path, alpha=2.0, **given)  # type: ignore[arg-type]
    run = decide.decide([meta], config, models)

    made = start.start([meta], config, models, Console(level=0))

    head = safetensors_file.header(made)
    sizes = [at.end - at.start for at in head.tensors.values() if at.shape]
    assert disk.disk(run)["export"] == sum(sizes)
    alphas = load_file(made)
    place = "lora_unet_down_blocks_0"
    assert alphas[f"{place}_resnets_0_conv1.alpha"] == 1.0
    assert alphas[f"{place}_attentions_0_proj_in.alpha"] == 2.0
    said = json.loads(head.metadata["ss_network_args"])
    assert said == {"conv_dim": "1", "conv_alpha": "1.0"}
    with pytest.raises(ConfigError) as caught:
        config_of(conv_rank=2)
    assert (str(caught.value), caught.value.hint) == (
        "`--conv-rank` is given, and convolutions get no adapter",
        "let them have one: `--targets convolutions`, or leave it out",
    )
    assert (
        config_of(targets="convolutions").deciding().keys() & {"conv_rank", "conv_alpha"} == set()
    )


def test_the_text_encoder_learns(meta: Path, tmp_path: Path, models: Models) -> None:
    """With `--text-encoder` every module of the encoder has moved away from its first weights."""
    config = config_of(steps=2, rank=2, out=tmp_path, text_encoder=True)

    saved = load_file(start.start([meta], config, models, Console(level=0)))

    ups = [name for name in saved if name.startswith("lora_te_") and name.endswith("up.weight")]
    assert len(ups) == 12  # two layers of six
    assert all(saved[name].any() for name in ups)


def test_clip_skip_is_an_earlier_layer_and_the_last_norm(base: Path) -> None:
    """Clip skip 2 is the state before the last layer, normalised as the last one is."""
    opened = FAMILY.load(base, "cpu")
    encoder = opened.encoders["text_encoder"]
    ids = opened.tokenizers["tokenizer"](
        "mascot", padding="max_length", max_length=77, return_tensors="pt"
    ).input_ids
    short = type(encoder)(encoder.config)
    short.load_state_dict(encoder.state_dict())
    del short.encoder.layers[-1]

    found = FAMILY.encode(opened, ["mascot"], 2)[0]["text"]

    with torch.no_grad():
        assert torch.equal(found, short.eval()(ids).last_hidden_state[0])


def test_unknown_targets_are_told() -> None:
    """A scope that is not known is one mistake with the known ones in its hint."""
    with pytest.raises(ConfigError) as caught:
        config_of(targets="everything")

    assert (str(caught.value), caught.value.hint) == (
        "`--targets` is `everything`", "known: attention, transformer, convolutions"
    )  # fmt: skip
