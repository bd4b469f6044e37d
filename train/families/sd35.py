"""Stable Diffusion 3.5 medium: a transformer, CLIP L, CLIP G and T5, a 16-channel VAE, a flow.

A base model may lack T5: its states are zeros then. T5 never learns. LoRA files have diffusers'
names, not kohya's (`lora_unet_joint_blocks_...`): those ask for one pair for query, key and value
together, which diffusers does not read; diffusers' names are read by ComfyUI, too.

Letters: B batch, C channels, H and W height and width of latents, L tokens, D features.

Source: Esser et al. 2024; diffusers 0.42.1, StableDiffusion3Pipeline.encode_prompt.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models.devices import moved
from prep.models.latent_space import SD3
from train.families import weighted_words
from train.families.clip_family import ClipFamily
from train.families.clip_text import TextReading
from train.families.family import Base, Outline
from train.families.flow_process import FLOW
from train.families.lora_layout import DIFFUSERS
from train.families.noise_process import Prediction
from train.families.tiny import CLIP, T5, TinyModel

if TYPE_CHECKING:
    from torch import Tensor, nn

    from train.families.family import Conditioning

_T5, _T5_TOKENS = "text_encoder_3", 256
KIND = ClipFamily(
    pipeline="StableDiffusion3Pipeline",
    marks=lambda network: bool(network.get("dual_attention_layers")),  # 3 and 3.5 large have none
    readings=(
        TextReading(layer=2, normed=False, pooled=True),
        TextReading("text_encoder_2", "tokenizer_2", layer=2, normed=False, pooled=True),
    ),
    encoders=dict.fromkeys(
        ("text_encoder", "text_encoder_2"), "transformers.CLIPTextModelWithProjection"
    ),
    prediction=Prediction.FLOW,
    process=FLOW,
    space=SD3,
    network=("transformer", "diffusers.SD3Transformer2DModel"),
    frozen={_T5: ("transformers.T5EncoderModel", "transformers.T5TokenizerFast")},
)


def outline(place: Path) -> Outline:
    """Look a base model through; tokens are counted as T5 reads them, where it is there."""
    found = KIND.outline(place)
    if not KIND.frozen_in(place):
        return replace(found, most_tokens=found.most_tokens // 3)
    tokenizer = KIND.tokenizer(place, "tokenizer_3")

    def tokens(texts: list[str]) -> list[int]:
        return [len(tokenizer(text, verbose=False).input_ids) - 1 for text in texts]

    return replace(found, tokens=tokens, most_tokens=_T5_TOKENS - 1)


def encode(
    base: Base, texts: list[str], clip_skip: int = 1, chunks: int = 1, *, weighted: bool = False
) -> "list[Conditioning]":
    """Return {"text": shape (77 + 256, D), "pooled": shape (D,)} of each text.

    The states of both CLIP encoders stand side by side, filled up with zeros to T5's width; T5's
    stand behind them.

    Args:
        chunks: Decides nothing: CLIP reads the first 75 tokens, T5 the first 255.
        weighted: The states of CLIP are multiplied; T5 reads the words without their weights.
    """
    from torch import cat
    from torch.nn.functional import pad

    found: list[Conditioning] = []
    with base.reading():  # once for all texts: to move T5 takes long
        states = KIND.encode(base, texts, clip_skip, weighted=weighted)
        pieces = [weighted_words.weighted(one) if weighted else [(one, 1.0)] for one in texts]
        plain = ["".join(words for words, _ in each) for each in pieces]
        for said_LD, state in zip(_t5_states(base, plain), states, strict=True):
            wide_LD = pad(state["text"], (0, said_LD.shape[-1] - state["text"].shape[-1]))
            found.append({**state, "text": cat([wide_LD, said_LD.to(wide_LD.device)])})
    return found


def _t5_states(base: Base, texts: list[str]) -> "Iterator[Tensor]":
    """Yield T5's state of each token of each text, float32; zeros where there is no T5."""
    import torch

    if _T5 not in base.frozen:
        network: Any = base.network
        yield from torch.zeros(len(texts), _T5_TOKENS, network.config.joint_attention_dim)
        return
    rows = base.tokenizers["tokenizer_3"](
        texts, padding="max_length", max_length=_T5_TOKENS, truncation=True, verbose=False
    ).input_ids
    size = len(rows) if base.text_learns() else 1  # else a batch's size would decide kept bits
    for first in range(0, len(rows), size):
        with torch.no_grad():
            answer = base.frozen[_T5](moved(torch.tensor(rows[first : first + size]), base.device))
        yield from answer.last_hidden_state.float()


def denoise(
    network: "nn.Module",
    noisy_BCHW: "Tensor",
    time_B: "Tensor",
    conditioning: "Conditioning",
) -> "Tensor":
    """Return the network's prediction, shape BCHW.

    Args:
        conditioning: `text` of shape (B, L, D) and `pooled` of shape (B, D).
    """
    predicted: Tensor = network(
        hidden_states=noisy_BCHW,
        timestep=time_B,
        encoder_hidden_states=conditioning["text"],
        pooled_projections=conditioning["pooled"],
    ).sample
    return predicted


def export_name(module: str) -> str:
    """Return diffusers' name of a module: with the folder that it is in."""
    return module if module.startswith(tuple(KIND.encoders)) else f"transformer.{module}"


_BLOCKS = 24
_BEFORE = "transformer_blocks."


def block_of(module: str) -> str:
    """Return the block of a module or weight.

    It is `TIME` for what reads latents, timestep and texts, `END` for what makes the prediction.
    """
    if module.startswith(_BEFORE):
        return f"JOINT{int(module.removeprefix(_BEFORE).partition('.')[0]):02}"
    return "END" if module.startswith(("norm_out.", "proj_out.")) else "TIME"


_ATTENTION = (
    "to_q", "to_k", "to_v", "to_out.0",
    "add_q_proj", "add_k_proj", "add_v_proj", "to_add_out",
)  # fmt: skip
_FEED_FORWARD = ("net.0.proj", "net.2")
_TINY = TinyModel(
    pipeline="StableDiffusion3Pipeline",
    network={
        "sample_size": 8,
        "num_layers": 2,
        "attention_head_dim": 8,
        "num_attention_heads": 8,
        "joint_attention_dim": T5["d_model"],
        "caption_projection_dim": 64,
        "pooled_projection_dim": 32 + 48,
        "pos_embed_max_size": 32,
        "dual_attention_layers": (0,),
        "qk_norm": "rms_norm",
    },
    encoders={
        "text_encoder": ("CLIPTextModelWithProjection", {**CLIP, "projection_dim": 32}),
        "text_encoder_2": (
            "CLIPTextModelWithProjection",
            {**CLIP, "hidden_size": 48, "projection_dim": 48, "hidden_act": "gelu"},
        ),
        _T5: ("T5EncoderModel", T5),
    },
    padding={"tokenizer_2": "!"},
    vae={
        "latent_channels": SD3.channels,
        "scaling_factor": SD3.scale,
        "shift_factor": SD3.shift,
        "use_quant_conv": False,
        "use_post_quant_conv": False,
    },
    scheduler=("FlowMatchEulerDiscreteScheduler", {"shift": 3.0}),
    absent={"feature_extractor": [None, None], "image_encoder": [None, None]},
    part="transformer",
    kind="SD3Transformer2DModel",
)

FAMILY = KIND.family(
    name="sd35",
    base_version="sd3.5_medium",
    architecture="stable-diffusion-v3.5-medium",
    attention_targets=_ATTENTION,
    lora_targets=(*_ATTENTION, *_FEED_FORWARD),
    convolution_targets=(),
    outline=outline,
    chunked=False,
    chunks=lambda base, texts: 1,
    chunks_at=lambda place, texts: 1,
    encode=encode,
    denoise=denoise,
    export_name=export_name,
    blocks=("TIME", *(f"JOINT{number:02}" for number in range(_BLOCKS)), "END"),
    block_of=block_of,
    lora_layout=DIFFUSERS,
    side_step=16,  # a token is 2x2 latents
    tiny=_TINY,
)
