"""Options of kohya's training scripts as settings of ours, their defaults among them.

Source: kohya-ss/sd-scripts (commit 48d368fa): train_network.py, sdxl_train_network.py,
fine_tune.py, sdxl_train.py, train_db.py, train_textual_inversion.py, library/train_util.py.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from train import spellings
from train.export.model_files import FORMS
from train.kohya import kohya_losses
from train.kohya.kohya_losses import losses
from train.kohya.kohya_networks import network
from train.kohya.kohya_rates import optimizer, rates, schedule
from train.kohya.kohya_scripts import Script, Settings

_SAME = """
seed save_precision prior_loss_weight gradient_checkpointing full_fp16 full_bf16 caption_prefix
caption_suffix secondary_separator
"""
_PLAIN = """
pretrained_model_name_or_path max_grad_norm lr_scheduler_num_cycles mixed_precision
weighted_captions max_token_length shuffle_caption keep_tokens keep_tokens_separator
enable_wildcard caption_dropout_rate caption_dropout_every_n_epochs caption_tag_dropout_rate
torch_compile token_warmup_min token_warmup_step save_every_n_epochs save_every_n_steps
sample_prompts sample_sampler output_name output_dir validation_split validation_seed
"""
# Their name -> ours, where the value goes over as it is spelt.
PLAIN: Mapping[str, str] = MappingProxyType(
    {name: name for name in _SAME.split()}
    | {name: spellings.setting(name) or name for name in _PLAIN.split()}
)
_READ = """
network_module network_dim network_alpha network_args network_weights network_dropout
scale_weight_norms network_train_unet_only
learning_rate unet_lr text_encoder_lr learning_rate_te learning_rate_te1 learning_rate_te2
train_text_encoder block_lr max_train_epochs max_train_steps train_batch_size
gradient_accumulation_steps optimizer_type use_8bit_adam use_lion_optimizer optimizer_args
lr_scheduler lr_warmup_steps lr_scheduler_power lr_scheduler_timescale lr_scheduler_min_lr_ratio
lr_decay_steps lr_scheduler_args xformers sdpa mem_eff_attn diffusers_xformers clip_skip
v_parameterization save_model_as log_with
"""
# Of embeddings: their name -> what is so where it is not given.
_WORDS: Mapping[str, Any] = MappingProxyType(
    {"token_string": "", "num_vectors_per_token": 1, "init_word": ""}
)
_TEMPLATES: Mapping[str, str] = MappingProxyType(
    {"use_object_template": "object", "use_style_template": "style"}
)
# What is read below.
READ = frozenset(_READ.split()) | kohya_losses.READ | _WORDS.keys() | _TEMPLATES.keys()
# Where several are given the first one counts, as in train_util.replace_unet_modules.
_ATTENTIONS: Mapping[str, str] = MappingProxyType(
    {"mem_eff_attn": "memory-efficient", "xformers": "xformers", "sdpa": "sdpa"}
    | {"diffusers_xformers": "xformers"}
)


def settings_of(script: Script, given: Mapping[str, Any]) -> Settings:
    """Return the settings of the run that a script would do with these options."""
    found = Settings(script, given)
    for part in (_length, network, _words, rates, optimizer, schedule, losses, _form, _log, _rest):
        part(found)
    return found


def _length(found: Settings) -> None:
    found.values["batch"] = found.whole("train_batch_size", 1)
    found.values["accumulate"] = found.whole("gradient_accumulation_steps", 1)
    if "max_train_epochs" in found.given:
        found.values["epochs"] = found.whole("max_train_epochs", 1)
    else:
        found.values["steps"] = found.whole("max_train_steps", 1600)


def _words(found: Settings) -> None:
    """Gather what an embedding stands for; of two templates theirs take the one for objects."""
    given = found.given
    named = [name for name in (*_WORDS, *_TEMPLATES) if name in given]
    if found.script.method != "embedding":
        for name in named:
            found.wrong.append((f"`{name}` is given", "it is for `train_textual_inversion.py`"))
        return
    for name, usual in _WORDS.items():
        number = isinstance(usual, int)
        ours = spellings.setting(name) or name
        found.values[ours] = found.whole(name, usual) if number else str(given.get(name, usual))
    if not found.values["token"]:
        found.wrong.append(("`token_string` is not given", "name the word of the embedding"))
    named = [name for name in _TEMPLATES if name in given]
    if named:
        found.values["template"] = _TEMPLATES[named[0]]
    if len(named) > 1:
        found.notes.append(f"of `{named[0]}` and `{named[1]}` kohya's scripts take the first")


def _form(found: Settings) -> None:
    """Gather the form of the export; theirs is that of the base model unless it is given."""
    usual = "safetensors" if found.base_is_file() else "diffusers"
    form = str(found.given.get("save_model_as", usual))
    if found.script.method != "finetune":
        if "save_model_as" in found.given and form != "safetensors":
            told = "a LoRA or an embedding is a safetensors file"
            found.wrong.append((f"`save_model_as` is `{form}`", told))
        return
    own = spellings.ours("save_as", form, FORMS)
    if own not in FORMS:
        near = spellings.nearest("save_as", form) or "file"
        found.wrong.append((f"`save_model_as` is `{form}`", f"the nearest here is `{near}`"))
    found.values["save_as"] = own


def _log(found: Settings) -> None:
    trackers = str(found.given.get("log_with", "")).lower()
    if trackers in ("tensorboard", "all"):
        found.values["log"] = "tensorboard"
    if trackers and trackers != "tensorboard":
        found.notes.append(f"`log_with` is `{trackers}`: of the trackers TensorBoard alone is here")


def _rest(found: Settings) -> None:
    given = found.given
    found.values |= {"max_tokens": 75, "keep_tags": 0, "seed": 0, "precision": "fp32"}
    if "seed" not in given:
        found.notes.append("kohya's scripts draw a seed; it is 0 here unless you give another")
    named = [name for name in _ATTENTIONS if name in given]
    found.values |= {"attention": _ATTENTIONS[named[0]]} if named else {}
    if len(named) > 1:
        told = ", ".join(f"`{name}`" for name in named)
        found.notes.append(f"of {told} kohya's scripts take the first")
    if "v_parameterization" in given and found.base_is_file():  # a folder says it itself
        found.values["prediction"] = "v"
    skip = found.whole("clip_skip", 1)
    if skip > 1 and found.script.xl:
        found.notes.append("`clip_skip` is left out: kohya's scripts do not use it for XL")
    elif skip > 1:
        found.values["clip_skip"] = skip
    found.values |= {ours: given[name] for name, ours in PLAIN.items() if name in given}
    _validation(found)
    if "full_bf16" in given and not found.script.full_bf16:
        del found.values["full_bf16"]
        found.notes.append("`full_bf16` is left out: this script of kohya's does not use it")


def _validation(found: Settings) -> None:
    """Gather which share of the pictures is held out; the rest is not used without one."""
    share = found.number("validation_split", 0)
    if share >= 1:
        found.wrong.append((f"`validation_split` is {share:g}", "give a share below 1"))
    if not share:
        for name in ("validation_split", "validation_seed"):
            found.values.pop(PLAIN[name], None)
    if not share and "validation_seed" in found.given:
        told = "it is not used without `validation_split`"
        found.notes.append(f"`validation_seed` is left out: {told}")
