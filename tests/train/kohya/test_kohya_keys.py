import pytest

from prep.stages.bucket import Params as BucketParams
from train.config import Config
from train.kohya import kohya_folders, kohya_settings
from train.kohya.kohya_folders import PLACES
from train.kohya.kohya_keys import FLAGS, IDLE, REFUSED, SEVERAL, is_off
from train.kohya.kohya_settings import PLAIN
from train.methods import all_methods
from train.option_fields import described

# Every key of the dataset TOML, and every option of train_network.py, fine_tune.py,
# train_textual_inversion.py and sdxl_train*.py of kohya-ss/sd-scripts 48d368fa, one family of them
# a line.
TOML = """
resolution batch_size enable_bucket min_bucket_reso max_bucket_reso bucket_reso_steps
bucket_no_upscale network_multiplier validation_split validation_seed resize_interpolation
num_repeats shuffle_caption caption_separator keep_tokens keep_tokens_separator secondary_separator
enable_wildcard caption_prefix caption_suffix token_warmup_min token_warmup_step color_aug flip_aug
random_crop face_crop_aug_range custom_attributes caption_dropout_rate
caption_dropout_every_n_epochs caption_tag_dropout_rate caption_extension class_tokens cache_info
image_dir is_reg alpha_mask metadata_file conditioning_data_dir
"""
OPTIONS = """
pretrained_model_name_or_path v2 v_parameterization tokenizer_cache_dir vae
train_data_dir reg_data_dir in_json dataset_config config_file output_config dataset_repeats
max_token_length prior_loss_weight debug_dataset
loss_type huber_schedule huber_c huber_scale min_snr_gamma debiased_estimation_loss
scale_v_pred_loss_like_noise_pred v_pred_like_loss zero_terminal_snr masked_loss
min_timestep max_timestep
noise_offset noise_offset_random_strength adaptive_noise_scale multires_noise_iterations
multires_noise_discount ip_noise_gamma ip_noise_gamma_random_strength
optimizer_type optimizer_args use_8bit_adam use_lion_optimizer learning_rate max_grad_norm
lr_scheduler lr_scheduler_type lr_scheduler_args lr_warmup_steps lr_decay_steps
lr_scheduler_num_cycles lr_scheduler_power lr_scheduler_timescale lr_scheduler_min_lr_ratio
max_train_steps max_train_epochs gradient_accumulation_steps train_batch_size seed
network_module network_dim network_alpha network_args network_weights dim_from_weights base_weights
base_weights_multiplier network_train_unet_only network_train_text_encoder_only network_dropout
scale_weight_norms unet_lr text_encoder_lr block_lr learning_rate_te learning_rate_te1
learning_rate_te2 train_text_encoder fused_optimizer_groups
diffusers_xformers no_half_vae save_model_as stop_text_encoder_training no_token_padding
mixed_precision full_fp16 full_bf16 fp8_base fp8_base_unet gradient_checkpointing
cpu_offload_checkpointing fused_backward_pass blocks_to_swap xformers sdpa mem_eff_attn
torch_compile dynamo_backend cache_latents cache_latents_to_disk vae_batch_size skip_cache_check
cache_text_encoder_outputs cache_text_encoder_outputs_to_disk lowram highvram
disable_mmap_load_safetensors max_data_loader_n_workers persistent_data_loader_workers ddp_timeout
ddp_gradient_as_bucket_view ddp_static_graph deepspeed
save_every_n_epochs save_every_n_steps save_n_epoch_ratio save_last_n_epochs save_last_n_steps
save_last_n_epochs_state save_last_n_steps_state save_state save_state_on_train_end save_precision
no_metadata training_comment metadata_title metadata_author metadata_description metadata_license
metadata_tags output_name output_dir
resume initial_epoch initial_step skip_until_initial_step resume_from_huggingface
huggingface_repo_id huggingface_repo_type huggingface_path_in_repo huggingface_token
huggingface_repo_visibility save_state_to_huggingface async_upload
sample_prompts sample_every_n_steps sample_every_n_epochs sample_at_first sample_sampler
validate_every_n_steps validate_every_n_epochs max_validation_steps
logging_dir log_with log_prefix log_tracker_name log_tracker_config log_config wandb_run_name
wandb_api_key console_log_level console_log_file console_log_simple
clip_skip weighted_captions use_safetensors text_encoder_batch_size skip_image_resolution
zero_stage zero3_init_flag zero3_save_16bit_model offload_optimizer_device offload_param_device
fp16_master_weights_and_gradients dataset_class
token_string num_vectors_per_token init_word use_object_template use_style_template weights
"""


def test_every_option_is_taken_refused_or_told() -> None:
    """Each key is in exactly one table; none can be dropped without a word."""
    tables = [set(PLAIN), set(IDLE), set(REFUSED), set(kohya_settings.READ), kohya_folders.READ]
    both = [*tables, kohya_folders.OF_DATASETS]

    assert {name: sum(name in one for one in tables) for name in OPTIONS.split()} == dict.fromkeys(
        OPTIONS.split(), 1
    )
    assert {name: sum(name in one for one in both) for name in TOML.split()} == dict.fromkeys(
        TOML.split(), 1
    )
    assert frozenset().union(*both) >= FLAGS | SEVERAL


def test_every_key_of_a_dataset_file_has_its_places() -> None:
    """What may stand in a dataset file is what kohya's own check of it lets stand."""
    assert set(TOML.split()) == frozenset().union(*PLACES.values())
    assert "batch_size" not in PLACES["[[datasets.subsets]]"]
    assert "image_dir" not in PLACES["[general]"]


def test_what_is_taken_over_is_a_setting() -> None:
    """Our names in the table are fields of our settings."""
    kinds = [Config, *(method.options for method in all_methods().values())]
    ours = {item.name for kind in kinds for item in described(kind)}

    assert set(PLAIN.values()) <= ours
    assert {"resolution", "step", "min_side", "max_side", "max_crop", "upscale"} <= {
        *BucketParams.__dataclass_fields__
    }


@pytest.mark.parametrize(
    ("name", "off", "on"),
    [
        ("blocks_to_swap", (False, "0", 0.0, "0.0"), ("0.05", 1)),
        ("custom_attributes", ("none", "None"), ("x",)),
        ("flip_aug", (False,), (True, "true")),
    ],
)
def test_an_option_that_is_off_is_no_hindrance(
    name: str, off: tuple[object, ...], on: tuple[object, ...]
) -> None:
    """Values that mean nothing, however they are written, are let by; others are refused."""
    assert all(is_off(name, value) for value in off)
    assert not any(is_off(name, value) for value in on)
