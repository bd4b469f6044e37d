"""What a LoRA file says of itself: kohya's `ss_*` fields, modelspec, and its birth certificate.

Source: kohya-ss/sd-scripts (commit 48d368fa), train_network.py and library/sai_model_spec.py;
modelspec 1.0.1. All values are text; what does not exist here is said as kohya's scripts say it.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from train.adapters.lora_metadata import CERTIFICATE
from train.config import CHUNK_TOKENS, Config
from train.data.captions import whole_texts
from train.data.dataset import Data, TrainingSample
from train.data.order import batches_per_epoch, steps_per_epoch, times_seen
from train.export.loss_metadata import of_loss
from train.families.family import Family
from train.families.noise_process import Prediction
from train.families.weighted_words import unweighted

# Readers refuse a header of 100 MB; a list of more text than this goes without the captions.
_MOST_TEXT = 48 << 20
# Features of kohya's scripts that are not used here, as those scripts write them.
_UNUSED = {
    "ss_adaptive_noise_scale": "None",
    "ss_color_aug": "False",
    "ss_debiased_estimation": "False",
    "ss_face_crop_aug_range": "None",
    "ss_flip_aug": "False",
    "ss_fp8_base": "False",
    "ss_ip_noise_gamma": "None",
    "ss_loss_type": "l2",
    "ss_lowram": "False",
    "ss_min_snr_gamma": "None",
    "ss_multires_noise_iterations": "None",
    "ss_network_dropout": "None",
    "ss_noise_offset": "None",
    "ss_random_crop": "False",
    "ss_scale_weight_norms": "None",
    "ss_training_comment": "None",
    "ss_v2": "False",
}
# Of a flow modelspec has no word, and kohya's scripts write none.
_PREDICTIONS = {Prediction.EPSILON: "epsilon", Prediction.V_PREDICTION: "v"}


@dataclass(frozen=True)
class Facts:
    """What is known of a run beside its data and settings.

    Attributes:
        recipe: SHA-256 of everything that decides the weights.
        base: Last part of the base model's name: no path of this machine.
        base_digest: SHA-256 over the base model's files.
        base_hashes: `ss_sd_model_hash` and `ss_new_sd_model_hash` of a single file; else empty.
        version: Of this program.
        prediction: What the base model was trained to output.
        of_method: The `ss_*` fields that are the method's own.
        architecture: What the method adds to `modelspec.architecture`.
        chunks: Into how many chunks of 75 tokens texts were cut.
        ends_in_noise: Whether nothing of the latents is left at the last timestep.
        made_with: See `made_with`.
        length: Steps of the whole run, where they decide the learning rate of each; else 0.
    """

    name: str
    recipe: str
    base: str
    base_digest: str
    base_hashes: Mapping[str, str]
    version: str
    prediction: Prediction
    of_method: Mapping[str, str] = field(default_factory=dict)
    architecture: str = ""
    chunks: int = 1
    ends_in_noise: bool = False
    made_with: Mapping[str, Any] = field(default_factory=dict)
    length: int = 0


def metadata(data: Data, config: Config, family: Family, facts: Facts) -> dict[str, str]:
    """Return everything but the hashes of the tensors; no clock is in it.

    Args:
        config: With the number of steps that were done.
    """
    made = {
        **_UNUSED,
        **of_loss(config),
        **_of_run(data, config, facts),
        **_of_network(config, family, facts),
        **_of_data(data, config, facts),
        **{f"modelspec.{word}": v for word, v in _spec(data, config, family, facts).items()},
        "prep_base_digest": facts.base_digest,
        "prep_version": facts.version,
    }
    return made | {CERTIFICATE: _text(certificate(data, config, facts))}


def certificate(data: Data, config: Config, facts: Facts) -> dict[str, Any]:
    """Return what a LoRA was made of: base model, settings, program, every picture.

    `seen` counts how often a picture was shown up to the last step; `text` is its whole text, or
    a list of one for each caption; `mask` is the digest of the mask that its loss had; `content`
    that of all that decides bytes of it.
    """
    seen = times_seen(
        data.repeats(), config.batch, config.accumulate, config.seed, config.steps or 0
    )
    texts = {key: whole_texts(one, config) for key, one in data.samples.items()}
    contents = data.contents()
    samples: dict[str, dict[str, Any]] = {
        key: {
            "sha256": one.digest,
            "text": texts[key] if one.each else texts[key][0],
            "seen": seen[key],
            "content": contents[key],
        }
        | ({"mask": one.mask_digest} if one.mask_digest else {})
        for key, one in data.samples.items()
    }
    if sum(len(key) + sum(map(len, each)) for key, each in texts.items()) > _MOST_TEXT:
        for row in samples.values():
            del row["text"]
    return {
        "base": facts.base,
        "base_digest": facts.base_digest,
        "recipe": facts.recipe,
        "program": f"prep-and-train {facts.version}",
        "config": config.deciding() | {"steps": config.steps},
        **({"length": facts.length} if facts.length else {}),
        **facts.made_with,
        "held_out": data.held_out,
        "samples": samples,
    }


def tag_frequency(data: Data, name: str, config: Config) -> dict[str, dict[str, int]]:
    """Return per concept in how many samples each tag (or whole caption) is trained on.

    What stands in front of every text or behind it is counted, too. The concept without a name
    goes by `name`.
    """
    found: dict[str, Counter[str]] = {}
    for sample in data.samples.values():
        found.setdefault(sample.concept or name, Counter()).update(_words(sample, config))
    return {concept: dict(sorted(counts.items())) for concept, counts in sorted(found.items())}


def _words(sample: TrainingSample, config: Config) -> set[str]:
    """Return the words of a sample as they train: without marks and weights."""
    found = {word for said in sample.wordings() for word in said.words}
    found |= {
        word.strip() for word in f"{config.caption_prefix},{config.caption_suffix}".split(",")
    }
    for mark in filter(None, (config.keep_tags_separator, config.secondary_separator)):
        found = {part.strip() for word in found for part in word.split(mark)}
    found.discard("")
    if not config.weighted_words:
        return found
    return {" ".join(unweighted(word).split()) for word in found}


def _of_run(data: Data, config: Config, facts: Facts) -> dict[str, str]:
    steps = config.steps or 0
    per_epoch = steps_per_epoch(data.repeats(), config.batch, config.accumulate)
    epochs = -(-steps // per_epoch)
    precisions, row = {"fp32": "no"}, config.row()
    text_rate = config.text_encoder_learning_rate or config.learning_rate
    return {
        "ss_session_id": facts.recipe,
        "ss_output_name": facts.name,
        "ss_learning_rate": str(config.learning_rate),
        "ss_unet_lr": str(config.learning_rate),
        "ss_text_encoder_lr": str(text_rate) if config.text_encoder else "None",
        "ss_steps": str(steps),
        "ss_max_train_steps": str(steps),
        "ss_epoch": str(epochs),
        "ss_num_epochs": str(epochs),
        "ss_num_batches_per_epoch": str(batches_per_epoch(data.repeats(), config.batch)),
        "ss_lr_scheduler": config.schedule_row().written_as(config.warmup),
        "ss_lr_warmup_steps": str(config.warmup),
        "ss_mixed_precision": precisions.get(config.precision, config.precision),
        "ss_full_fp16": str(config.full_fp16),
        "ss_seed": str(config.seed),
        "ss_optimizer": f"{row.written_as or row.path}(weight_decay={config.weight_decay})",
        "ss_max_grad_norm": str(config.max_gradient_norm),
        "ss_prior_loss_weight": str(config.prior_loss_weight),
        "ss_caption_dropout_rate": str(config.caption_dropout),
        "ss_caption_dropout_every_n_epochs": str(config.caption_dropout_every_epochs),
        "ss_caption_tag_dropout_rate": str(config.tag_dropout),
    }


def _of_network(config: Config, family: Family, facts: Facts) -> dict[str, str]:
    return {
        **facts.of_method,
        "ss_base_model_version": family.names_of(facts.prediction)[0],
        "ss_clip_skip": str(config.clip_skip) if config.clip_skip > 1 else "None",
        "ss_max_token_length": str(facts.chunks * CHUNK_TOKENS) if facts.chunks > 1 else "None",
        "ss_sd_model_name": facts.base,
        "ss_zero_terminal_snr": str(facts.ends_in_noise),
        **facts.base_hashes,
    }


def _of_data(data: Data, config: Config, facts: Facts) -> dict[str, str]:
    concepts: dict[bool, dict[str, dict[str, int]]] = {False: {}, True: {}}
    shown = {False: 0, True: 0}
    for sample in data.samples.values():
        kind, row = sample.regularisation, {"n_repeats": sample.repeats, "img_count": 0}
        concepts[kind].setdefault(sample.concept or facts.name, row)["img_count"] += 1
        shown[kind] += sample.repeats
    repeats, passes = data.repeats(), config.accumulate
    sides = [side for size in repeats for side in size]
    info = {
        str(n): {"resolution": list(size), "count": sum(repeats[size].values())}
        for n, size in enumerate(repeats)
    }
    return {
        "ss_num_train_images": str(shown[False]),
        "ss_num_validation_images": str(data.held_out),
        "ss_num_reg_images": str(shown[True]),
        "ss_batch_size_per_device": str(config.batch),
        "ss_total_batch_size": str(config.batch * config.accumulate),
        **({"ss_gradient_accumulation_steps": str(passes)} if passes > 1 else {}),
        "ss_resolution": str(usual_size(data)),
        "ss_cache_latents": "True",
        "ss_shuffle_caption": str(config.shuffle_tags),
        "ss_keep_tokens": str(_kept_tags(data, config)),
        "ss_enable_bucket": "True",
        "ss_min_bucket_reso": str(min(sides)),
        "ss_max_bucket_reso": str(max(sides)),
        "ss_bucket_info": _text({"buckets": info}),
        "ss_dataset_dirs": _text(concepts[False]),
        "ss_reg_dataset_dirs": _text(concepts[True]),
        "ss_tag_frequency": _text(tag_frequency(data, facts.name, config)),
    }


def _kept_tags(data: Data, config: Config) -> int:
    """Return how many words between commas kept their places: a trigger may have several."""
    if not (config.keep_tags and (config.shuffle_tags or config.tag_dropout)):
        return 0
    return config.keep_tags + max(0, *(one.lead - 1 for one in data.samples.values()))


def _spec(data: Data, config: Config, family: Family, facts: Facts) -> dict[str, str]:
    width, height = usual_size(data)
    found = {
        "sai_model_spec": "1.0.1",
        "architecture": family.names_of(facts.prediction)[1] + facts.architecture,
        "implementation": "diffusers",
        "implementation_version": f"prep-and-train/{facts.version}",
        "title": facts.name,
        "resolution": f"{width}x{height}",
    }
    if facts.prediction in _PREDICTIONS:
        found["prediction_type"] = _PREDICTIONS[facts.prediction]
    if config.clip_skip > 1:
        found["encoder_layer"] = str(config.clip_skip)
    if data.triggers:
        found["trigger_phrase"] = ", ".join(data.triggers)
    return found


def usual_size(data: Data) -> tuple[int, int]:
    """Return the (width, height) px that most samples have; of equals the largest."""
    buckets = Counter(sample.bucket for sample in data.samples.values())
    return max(buckets, key=lambda size: (buckets[size], size))


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
