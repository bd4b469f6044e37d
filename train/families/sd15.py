"""Stable Diffusion 1.x: a U-Net, one CLIP text encoder, a 4-channel VAE, epsilon prediction.

Letters: B batch, C channels, H and W height and width of latents, L tokens, D features.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.models import single_file
from prep.runtime.errors import ModelFileError
from prep.runtime.files import content
from train.families.family import Base, Family, Outline
from train.families.noise_process import Diffusion, Prediction

if TYPE_CHECKING:
    from torch import Tensor, nn

    from train.families.family import Conditioning


_PREDICTION = Prediction.EPSILON
_MARKS = 2  # the tokens at the beginning and the end of every text


def fits(folder: Path) -> bool:
    """Return whether a folder or file is Stable Diffusion 1.x; 2.x differs in its text's width."""
    if folder.is_file():
        return single_file.what(single_file.names(folder)) == "a Stable Diffusion 1.x model"
    try:
        index = json.loads(content(folder / "model_index.json"))
        unet = json.loads(content(folder / "unet" / "config.json"))
        return bool(
            index.get("_class_name") == "StableDiffusionPipeline"
            and unet.get("cross_attention_dim") != 1024
            and unet.get("in_channels", 4) == 4
        )
    except (OSError, ValueError, AttributeError):
        return False


def load(place: Path, device: str, dtype: str = "float32") -> Base:
    """Open a diffusers folder or a single file: everything frozen.

    Raises:
        ModelFileError: A part is missing or damaged, lacks weights, or has some that are NaN.
    """
    from train.families.loading import check_finite

    parts = _from_file(place, dtype) if place.is_file() else _from_folder(place, dtype)
    network, encoder, tokenizer, process = parts
    for module in (network, encoder):
        module.to(device).requires_grad_(False).eval()
    check_finite((("U-Net", network), ("text encoder", encoder)), place)
    # In training mode a U-Net without dropout computes the same; checkpointing will ask for it.
    network.train()
    text = {"tokenizer": tokenizer, "encoder": encoder}
    return Base(network, text, process, device, {"text_encoder": encoder})


def _from_file(place: Path, dtype: str) -> tuple[Any, Any, Any, Diffusion]:
    from prep.models.tokenizer import shipped_tokenizer
    from train.families import ldm_file as one

    encoder, network = one.text_encoder(place, dtype), one.network(place, dtype)
    return network, encoder, shipped_tokenizer(), one.noise_process()


def _from_folder(place: Path, dtype: str) -> tuple[Any, Any, Any, Diffusion]:
    import torch
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextModel

    from train.families.loading import opened
    from train.families.noise_process import diffusion_of

    wish: dict[str, Any] = {"use_safetensors": True, "dtype": getattr(torch, dtype)}
    network = opened(UNet2DConditionModel, place / "unet", wish)
    encoder = opened(CLIPTextModel, place / "text_encoder", wish)
    return network, encoder, _tokenizer(place), diffusion_of(place / "scheduler", _PREDICTION)


def _tokenizer(place: Path) -> Any:
    from transformers import CLIPTokenizer

    try:
        found = CLIPTokenizer.from_pretrained(str(place / "tokenizer"), local_files_only=True)
        found("a")
    except Exception as error:  # its files are checked by many hands, each with errors of its own
        raise ModelFileError(
            f"the tokenizer in `{place}` cannot be opened", "fetch its files again"
        ) from error
    return found


def outline(place: Path) -> Outline:
    """Look a base model through: all but its weights is opened, of those names and shapes.

    Raises:
        ModelFileError: A part is missing or damaged, or lacks weights.
    """
    if place.is_file():
        from prep.models.tokenizer import shipped_tokenizer
        from train.families import ldm_file as one

        one.network(place, None)
        encoder = one.text_encoder(place, None)
        return _outline(
            shipped_tokenizer(), encoder.config.max_position_embeddings, _strange(place)
        )
    from diffusers import UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel

    from train.families.loading import check_outline
    from train.families.noise_process import diffusion_of

    network: Any = UNet2DConditionModel  # its classes are typed only in part
    unread = check_outline(
        lambda folder: network.from_config(network.load_config(str(folder))),
        place / "unet" / "diffusion_pytorch_model.safetensors",
    )
    texts = place / "text_encoder"
    unread += check_outline(
        lambda folder: CLIPTextModel(CLIPTextConfig.from_pretrained(str(folder))),
        texts / "model.safetensors",
        lambda name: name.removeprefix("text_model."),
    )
    diffusion_of(place / "scheduler", _PREDICTION)
    facts: Any = CLIPTextConfig.from_pretrained(str(texts))
    strange = [name for name in unread if not name.endswith("position_ids")]
    return _outline(_tokenizer(place), facts.max_position_embeddings, strange)


def _strange(place: Path) -> list[str]:
    """Return the tensors of a single file that are of no part and no leftover of its training."""
    if place.suffix.lower() != ".safetensors":
        return []
    parts = ("model.diffusion_model.", "first_stage_model.", "cond_stage_model.")
    left = ("model_ema.", "alphas_cumprod", "betas", "sqrt_", "log_one_minus", "posterior_")
    others = (*left, "logvar", "lvlb_weights")
    return [name for name in single_file.names(place) if not name.startswith((*parts, *others))]


def _outline(tokenizer: Any, length: int, unread: list[str]) -> Outline:
    def tokens(texts: list[str]) -> list[int]:
        return [len(tokenizer(text, verbose=False).input_ids) - _MARKS for text in texts]

    return Outline(tokens, length - _MARKS, tuple(sorted(unread)))


def layers(place: Path) -> int:
    """Return how many layers the text encoder has, by its config or the names in a file."""
    if place.is_file():
        before = "cond_stage_model.transformer."
        names = [name.removeprefix(before) for name in single_file.names(place) if before in name]
        found = [name.removeprefix("text_model.").split(".") for name in names]
        return len({words[2] for words in found if words[:2] == ["encoder", "layers"]})
    try:
        facts = json.loads((place / "text_encoder" / "config.json").read_text(encoding="utf-8"))
        return int(facts["num_hidden_layers"])
    except (OSError, ValueError, LookupError, TypeError):
        return 0


def encode(base: Base, texts: list[str], clip_skip: int = 1) -> "list[Conditioning]":
    """Return a hidden state of each text, {"text": shape (77, D)}, cut at 77 tokens.

    Source:
        Clip skip as kohya-ss/sd-scripts (commit 48d368fa): an earlier layer's state, then the
        encoder's final normalisation.
    """
    import torch

    tokenizer, encoder = base.text["tokenizer"], base.text["encoder"]
    length = encoder.config.max_position_embeddings
    states: list[Conditioning] = []
    for text in texts:  # one at a time: a batch's size would decide the last bits
        ids_BL = tokenizer(
            text, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
        ).input_ids
        with torch.set_grad_enabled(base.text_learns()):
            answer = encoder(ids_BL.to(base.device), output_hidden_states=clip_skip > 1)
            state_BLD = answer.last_hidden_state
            if clip_skip > 1:
                state_BLD = encoder.final_layer_norm(answer.hidden_states[-clip_skip])
        state_LD = state_BLD[0].float()
        states.append({"text": state_LD if base.text_learns() else state_LD.cpu()})
    return states


def overlong(base: Base, texts: list[str]) -> list[str]:
    """Return the texts of which `encode` cuts something off."""
    limit = base.text["encoder"].config.max_position_embeddings
    tokenizer = base.text["tokenizer"]
    return [text for text in texts if len(tokenizer(text, verbose=False).input_ids) > limit]


def denoise(
    network: "nn.Module",
    noisy_BCHW: "Tensor",
    timestep_B: "Tensor",
    conditioning: "Conditioning",
) -> "Tensor":
    """Return the network's prediction, shape BCHW; `conditioning["text"]` has shape (B, L, D)."""
    predicted: Tensor = network(noisy_BCHW, timestep_B, conditioning["text"]).sample
    return predicted


def export_name(module: str) -> str:
    """Return kohya's name of a module: diffusers' name with underscores.

    transformers has dropped the `text_model` that every reader of these files expects.
    """
    inner = module.removeprefix("text_encoder.")
    before = "lora_unet_" if inner == module else "lora_te_text_model_"
    return before + inner.removeprefix("text_model.").replace(".", "_")


FAMILY = Family(
    name="sd15",
    prediction=_PREDICTION,
    latent_channels=4,
    patterns=(
        "model_index.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "text_encoder/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/*",
        "scheduler/*",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    ),
    base_version="sd_v1",
    architecture="stable-diffusion-v1",
    lora_targets=(
        "to_q",
        "to_k",
        "to_v",
        "to_out.0",
        "ff.net.0.proj",
        "ff.net.2",
        "proj_in",
        "proj_out",
    ),
    attention_targets=("to_q", "to_k", "to_v", "to_out.0"),
    convolution_targets=(
        "conv1",
        "conv2",
        "conv_shortcut",
        "time_emb_proj",
        "downsamplers.0.conv",
        "upsamplers.0.conv",
    ),
    text_targets=("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
    fits=fits,
    outline=outline,
    layers=layers,
    load=load,
    encode=encode,
    overlong=overlong,
    denoise=denoise,
    export_name=export_name,
)
