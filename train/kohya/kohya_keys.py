"""The options of kohya-ss/sd-scripts (commit 48d368fa) that are not taken over, and why.

What is taken over stands in `kohya_settings` (training) and `kohya_folders` (pictures). An option
that is in none of the three is an error.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any


def _rows(reason: str, names: str) -> Iterable[tuple[str, str]]:
    return ((name, reason) for name in names.split())


_FLAGS = """
alpha_mask async_upload bucket_no_upscale cache_info cache_latents cache_latents_to_disk
cache_text_encoder_outputs cache_text_encoder_outputs_to_disk color_aug console_log_simple
cpu_offload_checkpointing ddp_gradient_as_bucket_view ddp_static_graph debiased_estimation_loss
debug_dataset deepspeed diffusers_xformers dim_from_weights disable_mmap_load_safetensors
enable_bucket enable_wildcard flip_aug fp16_master_weights_and_gradients fp8_base fp8_base_unet
full_bf16 full_fp16 fused_backward_pass gradient_checkpointing highvram
ip_noise_gamma_random_strength is_reg log_config lowram masked_loss mem_eff_attn
network_train_text_encoder_only network_train_unet_only no_half_vae no_metadata no_token_padding
noise_offset_random_strength output_config persistent_data_loader_workers random_crop
resume_from_huggingface sample_at_first save_state save_state_on_train_end save_state_to_huggingface
scale_v_pred_loss_like_noise_pred sdpa shuffle_caption skip_cache_check skip_until_initial_step
torch_compile train_text_encoder use_8bit_adam use_lion_optimizer use_object_template
use_safetensors use_style_template v2 v_parameterization weighted_captions xformers zero3_init_flag
zero3_save_16bit_model zero_terminal_snr
"""
FLAGS = frozenset(_FLAGS.split())  # have no value: they are there, or not
# Have several values, with spaces between them.
_SEVERAL = """
network_args optimizer_args lr_scheduler_args base_weights base_weights_multiplier text_encoder_lr
"""
SEVERAL = frozenset(_SEVERAL.split())
# The words that `network_args` of kohya's LoRA and of LyCORIS 4.1.3 may have.
_LORA = """
conv_dim conv_alpha rank_dropout module_dropout block_dims block_alphas conv_block_dims
conv_block_alphas down_lr_weight mid_lr_weight up_lr_weight block_lr_zero_threshold
loraplus_lr_ratio loraplus_unet_lr_ratio loraplus_text_encoder_lr_ratio
"""
LORA_ARGS = frozenset(_LORA.split())
_LYCORIS = """
algo block_size bypass_mode constraint conv_alpha conv_dim decompose_both disable_conv_cp dora_wd
dropout factor full_matrix loraplus_lr_ratio loraplus_text_encoder_lr_ratio loraplus_unet_lr_ratio
module_dropout preset rank_dropout rescaled rs_lora train_llm_adapter train_norm train_t5xxl
unbalanced_factorization use_conv_cp use_cp use_scalar use_tucker wd_on_output
"""
LYCORIS_ARGS = frozenset(_LYCORIS.split())
# Those that optimizers know: which of them, their classes say.
_OPTIMIZERS = """
weight_decay betas eps amsgrad momentum relative_step scale_parameter warmup_init decouple d_coef d0
use_bias_correction safeguard_warmup growth_rate decay_rate clip_threshold beta1 beta3
"""
OPTIMIZER_ARGS = frozenset(_OPTIMIZERS.split())

# Decide where things are kept, how fast it goes or what is printed; not what is trained.
IDLE: Mapping[str, str] = MappingProxyType(
    dict(
        [
            *_rows("it is always so here", "cache_latents cache_latents_to_disk cache_info"),
            *_rows(
                "every checkpoint holds the whole state, and two are kept",
                "save_state save_state_on_train_end save_last_n_epochs_state "
                "save_last_n_steps_state",
            ),
            *_rows(
                "it decides speed or memory alone",
                "vae_batch_size skip_cache_check lowram highvram max_data_loader_n_workers "
                "persistent_data_loader_workers dynamo_backend no_half_vae "
                "disable_mmap_load_safetensors ddp_timeout ddp_gradient_as_bucket_view "
                "ddp_static_graph cpu_offload_checkpointing cache_text_encoder_outputs "
                "cache_text_encoder_outputs_to_disk text_encoder_batch_size skip_image_resolution",
            ),
            *_rows(
                "`metrics.jsonl` has every step, and `log: tensorboard` shows them elsewhere",
                "logging_dir log_prefix log_tracker_name log_tracker_config log_config "
                "wandb_run_name wandb_api_key console_log_level console_log_file "
                "console_log_simple",
            ),
            *_rows(
                "nothing is uploaded",
                "huggingface_repo_id huggingface_repo_type huggingface_path_in_repo "
                "huggingface_token huggingface_repo_visibility save_state_to_huggingface "
                "async_upload",
            ),
            *_rows(
                "an export says what it was made of, and no more",
                "no_metadata training_comment metadata_title metadata_author "
                "metadata_description metadata_license metadata_tags",
            ),
            *_rows(
                "samples are drawn with each export",
                "sample_every_n_steps sample_every_n_epochs sample_at_first",
            ),
            *_rows(
                "pictures that are held out are measured with each export, all of them",
                "validate_every_n_steps validate_every_n_epochs max_validation_steps",
            ),
            *_rows("every export is kept", "save_last_n_epochs save_last_n_steps"),
            *_rows(
                "a stopped run goes on by the same command",
                "initial_epoch initial_step skip_until_initial_step",
            ),
            ("debug_dataset", "`train check` tells what would train"),
            ("network_multiplier", "kohya's scripts read it and never use it"),
            ("use_safetensors", "what is written is a safetensors file"),
            ("output_config", "`train import` is what writes files"),
            ("v2", "the base model's files say it"),
            ("tokenizer_cache_dir", "tokenizers come with the base model"),
            ("resize_interpolation", "pictures are made smaller by one rule: docs/pictures.md"),
            ("caption_separator", "tags have commas between them"),
        ]
    )
)

# Would change what is trained, and are not there: names, the values that mean nothing (an option
# that is off means nothing anyway), and what is so here.
_REFUSED: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("zero_terminal_snr", (), "the base model's files say it"),
    ("conditioning_data_dir", (), "a mask lies beside its picture: `x.mask.png` beside `x.jpg`"),
    ("color_aug random_crop face_crop_aug_range", (), "pictures train as they are"),
    ("flip_aug", (), "`augment` in pipelines.yaml makes mirrored copies"),
    ("dim_from_weights", (), "`network_dim` is given, and compared with the file"),
    ("base_weights base_weights_multiplier", (), "a LoRA is not merged before the training"),
    ("weights", (), "vectors begin as `init_word`"),
    ("hypernetwork_module hypernetwork_weights", (), "`train hypernetwork` makes one of its own"),
    ("network_train_text_encoder_only", (), "the network always learns"),
    ("fused_backward_pass fused_optimizer_groups", (), "gradients are kept until the step"),
    ("fp8_base fp8_base_unet blocks_to_swap deepspeed", (), "the base model stays on the card"),
    ("zero_stage zero3_init_flag zero3_save_16bit_model", (), "the base model stays on the card"),
    ("offload_optimizer_device offload_param_device", (), "the base model stays on the card"),
    ("fp16_master_weights_and_gradients", (), "weights are float32"),
    ("dataset_class", (), "datasets are made by `prep`"),
    ("lr_scheduler_type", (), "schedules have names"),
    ("stop_text_encoder_training", (), "a text encoder learns to the end"),
    ("no_token_padding", (), "texts are filled up"),
    (
        "custom_attributes",
        (),
        "`prior_prediction` keeps the base model's answers, for all pictures",
    ),
    ("resume resume_from_huggingface", (), "states of other programs are not read"),
    ("save_n_epoch_ratio", (), "name epochs or steps: `save_every_n_epochs`"),
)
REFUSED: Mapping[str, tuple[tuple[str, ...], str]] = MappingProxyType(
    {name: (off, why) for names, off, why in _REFUSED for name in names.split()}
)
_OFF = ("", "0", "none", "false")


def is_off(name: str, value: Any) -> bool:
    """Return whether a value of an option in `REFUSED` changes nothing."""
    return _plain(value) in {_plain(one) for one in (*_OFF, *REFUSED[name][0])}


def _plain(value: Any) -> str:
    """Return a value as text; numbers as they are, however they are written."""
    told = str(value).strip().lower()
    try:
        return f"{float(told):g}"
    except ValueError:
        return told
