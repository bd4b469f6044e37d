"""How kohya's scripts spell what we have: tables. Text only, knows no option by itself."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

# Setting -> their spelling, in small letters and with `_` -> ours.
_TAKEN: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "schedule": {"constant_with_warmup": "constant"},
        "precision": {"no": "fp32", "float": "fp32", "float32": "fp32", "float16": "fp16"}
        | {"bfloat16": "bf16"},
        "prediction": {"v_prediction": "v"},
        "save_precision": {"float": "fp32", "float32": "fp32", "float16": "fp16"}
        | {"bfloat16": "bf16"},
        "attention": {"torch": "sdpa"},
        "save_as": {"diffusers": "folder", "diffusers_safetensors": "folder"}
        | {"safetensors": "file"},
    }
)
_LIGHT = [
    "lion8bit",
    "pagedlion8bit",
    "pagedadamw",
    "pagedadamw8bit",
    "pagedadamw32bit",
    "sgdnesterov8bit",
]
_FREE = ["radamschedulefree", "sgdschedulefree"]
_ADAPTING = [
    "dadaptadampreprint",
    "dadaptadagrad",
    "dadaptadan",
    "dadaptadanip",
    "dadaptlion",
    "dadaptsgd",
]
# The same, of what we do not have -> what is nearest to it here.
_NEAREST: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "method": dict.fromkeys(("networks.dylora", "networks.lora_fa", "lycoris.kohya"), "lora")
        | {"networks.oft": "oft"},
        "optimizer": dict.fromkeys(_LIGHT, "adamw8bit")
        | dict.fromkeys(_FREE, "adamw-schedulefree")
        | dict.fromkeys(_ADAPTING, "dadaptation")
        | {"sgdnesterov": "adamw"},
        "schedule": {"adafactor": "constant", "reduce_lr_on_plateau": "constant"}
        | {"cosine_warmup_with_min_lr": "cosine-with-min-lr"},
        "save_as": {"ckpt": "file"},
        "sampler": dict.fromkeys(("dpm_fast", "dpm_adaptive", "deis"), "dpmsolver++")
        | dict.fromkeys(("dpm++_2s_a", "dpmpp_2s_a", "dpmpp_2s_ancestral"), "dpmsingle")
        | dict.fromkeys(("dpm++_3m_sde", "dpmpp_3m_sde"), "dpm++_2m_sde")
        | dict.fromkeys(("dpm++_3m_sde_karras", "dpmpp_3m_sde_karras"), "dpm++_2m_sde_karras")
        | {"dpm++_2s_a_karras": "dpm++_2m_karras", "restart": "heun", "heun++": "heun"},
        "log": {"wandb": "tensorboard", "all": "tensorboard"},
    }
)

# What their scripts call a setting -> what it is called here.
_SETTINGS: Mapping[str, str] = MappingProxyType(
    {
        "pretrained_model_name_or_path": "base",
        "network_module": "method",
        "network_dim": "rank",
        "network_alpha": "alpha",
        "network_weights": "start_from",
        "token_string": "token",
        "num_vectors_per_token": "vectors",
        "init_word": "initial_words",
        "use_object_template": "template",
        "use_style_template": "template",
        "v_parameterization": "prediction",
        "lr": "learning_rate",
        "unet_lr": "learning_rate",
        "text_encoder_lr": "text_encoder_learning_rate",
        "conv_dim": "conv_rank",
        "loraplus_lr_ratio": "lora_plus",
        "block_lr": "block_rates",
        "down_lr_weight": "block_rates",
        "mid_lr_weight": "block_rates",
        "up_lr_weight": "block_rates",
        "max_train_epochs": "epochs",
        "max_train_steps": "steps",
        "train_batch_size": "batch",
        "batch_size": "batch",
        "gradient_accumulation_steps": "accumulate",
        "optimizer_type": "optimizer",
        "use_8bit_adam": "optimizer",
        "max_grad_norm": "max_gradient_norm",
        "lr_scheduler": "schedule",
        "lr_warmup_steps": "warmup",
        "lr_scheduler_num_cycles": "cycles",
        "lr_scheduler_power": "schedule_power",
        "lr_scheduler_timescale": "timescale",
        "lr_scheduler_min_lr_ratio": "lowest_rate",
        "lr_decay_steps": "decay_steps",
        "step_rules": "rate_rules",
        "weighting_scheme": "timesteps",
        "timestep_sampling": "timesteps",
        "sigmoid_scale": "logit_std",
        "discrete_flow_shift": "timestep_shift",
        "training_shift": "timestep_shift",
        "loss_type": "loss",
        "min_snr_gamma": "min_snr",
        "mixed_precision": "precision",
        "xformers": "attention",
        "sdpa": "attention",
        "mem_eff_attn": "attention",
        "torch_compile": "compile",
        "shuffle_caption": "shuffle_tags",
        "keep_tokens": "keep_tags",
        "keep_tokens_separator": "keep_tags_separator",
        "token_warmup_step": "tag_warmup",
        "token_warmup_min": "tag_warmup_least",
        "caption_dropout_rate": "caption_dropout",
        "caption_dropout_every_n_epochs": "caption_dropout_every_epochs",
        "caption_tag_dropout_rate": "tag_dropout",
        "enable_wildcard": "wildcards",
        "weighted_captions": "weighted_words",
        "max_token_length": "max_tokens",
        "cache_text_encoder_outputs": "text_cache",
        "cache_text_encoder_outputs_to_disk": "text_cache",
        "save_every_n_epochs": "save_every_epochs",
        "save_every_n_steps": "save_every_steps",
        "log_with": "log",
        "save_last_n_epochs": "keep",
        "save_last_n_steps": "keep",
        "save_model_as": "save_as",
        "validation_split": "held_out",
        "validation_seed": "held_out_seed",
        "sample_prompts": "prompts",
        "sample_sampler": "sampler",
        "output_name": "name",
        "output_dir": "out",
    }
)
# What they set and `prep` does -> the command that does it.
_OF_PREP: Mapping[str, str] = MappingProxyType(
    {"resolution": "bucket", "enable_bucket": "bucket", "min_bucket_reso": "bucket"}
    | {"max_bucket_reso": "bucket", "bucket_reso_steps": "bucket", "bucket_no_upscale": "bucket"}
    | {"cache_latents": "latents", "cache_latents_to_disk": "latents", "vae": "latents"}
    | {"vae_batch_size": "latents", "flip_aug": "augment"}
    | {"dataset_repeats": "edit", "num_repeats": "edit", "class_tokens": "edit"}
)

# What diffusers' DreamBooth scripts set, and `train class-pictures` does.
_OF_CLASS = frozenset(
    ("with_prior_preservation", "class_data_dir", "class_prompt", "num_class_images")
)


def setting(theirs: str) -> str | None:
    """Return what a setting of kohya's scripts is called here; None where we have none like it."""
    return _SETTINGS.get(plain(theirs))


def of_prep(theirs: str) -> str | None:
    """Return the command of `prep` that does what a setting of theirs decides; None for none."""
    return _OF_PREP.get(plain(theirs))


def of_class(theirs: str) -> bool:
    """Return whether a setting of diffusers' DreamBooth scripts decides what the class shows."""
    return plain(theirs) in _OF_CLASS


def ours(setting: str, value: str, words: Iterable[str]) -> str:
    """Return our word for a value as kohya's scripts spell it; any other value as it is.

    Capitals, and `_` in place of `-`, make no difference.

    Args:
        words: The values that the setting has.
    """
    each = {plain(word): word for word in words}
    word = plain(value)
    return each.get(word) or _TAKEN.get(setting, {}).get(word, value)


def nearest(setting: str, value: str) -> str | None:
    """Return the nearest that we have to what only kohya's scripts have; None where unknown."""
    return _NEAREST.get(setting, {}).get(plain(value))


def plain(value: str) -> str:
    """Return a value in small letters, with `_` for `-` and spaces."""
    return value.strip().lower().replace("-", "_").replace(" ", "_")
