import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from prep.dataset.dataset_file import Concept
from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.console import Console
from train.data import dataset
from train.data.order import step_order, times_seen
from train.export.metadata import CERTIFICATE, Facts, metadata, tag_frequency
from train.families import detect
from train.families.noise_process import Prediction
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.methods.lora import METHOD
from train.run import decide, start

UNUSED = [
    "ss_adaptive_noise_scale", "ss_clip_skip", "ss_color_aug", "ss_debiased_estimation",
    "ss_face_crop_aug_range", "ss_flip_aug", "ss_fp8_base", "ss_full_fp16",
    "ss_ip_noise_gamma", "ss_lowram", "ss_max_token_length", "ss_min_snr_gamma",
    "ss_multires_noise_iterations", "ss_network_dropout", "ss_noise_offset", "ss_random_crop",
    "ss_scale_weight_norms", "ss_shuffle_caption", "ss_text_encoder_lr",
    "ss_training_comment", "ss_v2", "ss_zero_terminal_snr",
]  # fmt: skip
# What three steps, rank 4, a rate of 0.01 and six samples are written as.
PLAIN = {
    "ss_batch_size_per_device": "1",
    "ss_bucket_info": '{"buckets": {"0": {"count": 2, "resolution": [32, 64]}, '
    '"1": {"count": 2, "resolution": [64, 32]}, "2": {"count": 2, "resolution": [64, 64]}}}',
    "ss_cache_latents": "True",
    "ss_caption_dropout_every_n_epochs": "0",
    "ss_caption_dropout_rate": "0.0",
    "ss_caption_tag_dropout_rate": "0.0",
    "ss_dataset_dirs": '{"toy": {"img_count": 6, "n_repeats": 1}}',
    "ss_enable_bucket": "True",
    "ss_epoch": "1",
    "ss_keep_tokens": "0",
    "ss_learning_rate": "0.01",
    "ss_loss_type": "l2",
    "ss_lr_scheduler": "constant",
    "ss_lr_warmup_steps": "0",
    "ss_max_bucket_reso": "64",
    "ss_max_grad_norm": "1.0",
    "ss_max_train_steps": "3",
    "ss_min_bucket_reso": "32",
    "ss_mixed_precision": "no",
    "ss_network_alpha": "2.0",
    "ss_network_args": "{}",
    "ss_network_dim": "4",
    "ss_network_module": "networks.lora",
    "ss_num_batches_per_epoch": "6",
    "ss_num_epochs": "1",
    "ss_num_reg_images": "0",
    "ss_num_train_images": "6",
    "ss_num_validation_images": "0",
    "ss_optimizer": "torch.optim.adamw.AdamW(weight_decay=0.01)",
    "ss_output_name": "toy",
    "ss_prior_loss_weight": "1.0",
    "ss_reg_dataset_dirs": "{}",
    "ss_resolution": "(64, 64)",
}
FACTS = Facts("toy", "r", "base", "d", {}, "0.1", Prediction.EPSILON)


def _metadata(meta: Path, facts: Facts = FACTS, **given: Any) -> dict[str, str]:
    config = config_of(**{"steps": 3} | given)
    own = replace(facts, of_method=METHOD.metadata(config), architecture=METHOD.architecture)
    return metadata(dataset.load([meta]), config, FAMILY, own)


def test_the_file_says_what_it_is(
    meta: Path, tmp_path: Path, models: Models, base: Path, changed: Callable[..., Path]
) -> None:
    """Metadata name network, base, settings, tags, trigger and recipe, as text, none by clock."""
    config = config_of(steps=3, rank=4, alpha=2.0, learning_rate=0.01, out=tmp_path, name="toy")
    made = start.start([meta], config, models, Console(level=0))
    chosen = json.loads((made.parent / "config.json").read_text())

    found = dict(safetensors_file.header(made).metadata)

    unused = {word: value for word, value in found.items() if value in ("None", "False")}
    assert sorted(unused) == UNUSED
    hidden = {CERTIFICATE, "sshs_model_hash", "sshs_legacy_hash"}
    assert {word: v for word, v in found.items() if word not in unused.keys() | hidden} == {
        "modelspec.architecture": "stable-diffusion-v1/lora",
        "modelspec.implementation": "diffusers",
        "modelspec.implementation_version": f"prep-and-train/{decide.program_version()}",
        "modelspec.prediction_type": "epsilon",
        "modelspec.resolution": "64x64",
        "modelspec.sai_model_spec": "1.0.1",
        "modelspec.title": "toy",
        "modelspec.trigger_phrase": "mascot",
        "prep_base_digest": chosen["base_digest"],
        "prep_version": decide.program_version(),
        "ss_base_model_version": "sd_v1",
        **PLAIN,
        "ss_sd_model_name": base.name,
        "ss_seed": "0",
        "ss_session_id": chosen["recipe"],
        "ss_steps": "3",
        "ss_tag_frequency": '{"toy": {"mascot": 6, "pose 0": 3, "pose 1": 3}}',
        "ss_total_batch_size": "1",
        "ss_unet_lr": "0.01",
    }


def test_the_file_says_how_it_learned(meta: Path) -> None:
    """Loss, weights and noise appear in kohya's words; without them nothing is there."""
    found = _metadata(
        meta, loss="smooth-l1", huber_c=0.2, min_snr=5.0, debiased_estimation_loss=True,
        noise_offset=0.05, multires_noise_iterations=6, ip_noise_gamma=0.1,
        ip_noise_gamma_random_strength=True, max_timestep=500,
    )  # fmt: skip
    plain = _metadata(meta)

    changed = {word: value for word, value in found.items() if plain.get(word) != value}
    del changed[CERTIFICATE]
    assert changed == {
        "modelspec.timestep_range": "0,500", "ss_ip_noise_gamma": "0.1",
        "ss_ip_noise_gamma_random_strength": "True", "ss_multires_noise_discount": "0.3",
        "ss_multires_noise_iterations": "6", "ss_noise_offset": "0.05",
        "ss_noise_offset_random_strength": "False",
        "ss_debiased_estimation": "True", "ss_huber_c": "0.2", "ss_huber_scale": "1.0",
        "ss_huber_schedule": "snr", "ss_loss_type": "smooth_l1", "ss_min_snr_gamma": "5.0",
    }  # fmt: skip


def test_the_certificate_names_every_picture(meta: Path) -> None:
    """Base, settings, program, and of every picture digest, text and how often it was shown."""
    found = json.loads(_metadata(meta, steps=8)[CERTIFICATE])

    assert (found["base"], found["base_digest"], found["recipe"]) == ("base", "d", "r")
    assert found["program"] == "prep-and-train 0.1"
    assert (found["config"]["rank"], found["config"]["steps"]) == (16, 8)
    assert len(found["samples"]) == 6
    assert sum(row["seen"] for row in found["samples"].values()) == 8
    one = found["samples"]["1.png"]
    assert (one["sha256"], one["text"]) == (f"{1:064x}", "mascot, pose 1")


@pytest.mark.parametrize("steps", [0, 3, 4, 11])
def test_times_seen_are_those_of_the_order(steps: int) -> None:
    """Counting epochs gives what counting every step gives, repeats and short batches included."""
    from itertools import chain, islice

    repeats = {(64, 64): {"a": 2, "b": 1}, (32, 64): {"c": 1, "d": 1, "e": 3}}
    wanted = dict.fromkeys("abcde", 0)
    for batches in islice(step_order(repeats, 2, 2, 7), steps):
        for key in chain(*batches):
            wanted[key] += 1

    assert times_seen(repeats, 2, 2, 7, steps) == wanted


def test_batches_of_a_step_are_said(meta: Path) -> None:
    """Of several batches a step, batch, samples and epochs are those that kohya's scripts count."""
    found = _metadata(meta, steps=4, batch=2, accumulate=2)
    words = ("gradient_accumulation_steps", "batch_size_per_device", "total_batch_size",
             "num_batches_per_epoch", "num_epochs", "steps")  # fmt: skip

    assert [found[f"ss_{word}"] for word in words] == ["2", "2", "4", "3", "2", "4"]
    assert sum(row["seen"] for row in json.loads(found[CERTIFICATE])["samples"].values()) == 12
    assert "ss_gradient_accumulation_steps" not in _metadata(meta)  # as files of before


def test_what_differs_is_said(meta: Path) -> None:
    """Convolutions, text encoder, clip skip, schedule and precision appear in kohya's words."""
    found = _metadata(
        meta, targets="convolutions", text_encoder=True, clip_skip=2, precision="bf16",
        warmup=1, rank=4, shuffle_tags=True,
    )  # fmt: skip

    assert found["ss_network_args"] == '{"conv_alpha": "4.0", "conv_dim": "4"}'
    assert found["ss_text_encoder_lr"] == "0.0001"
    assert (found["ss_clip_skip"], found["modelspec.encoder_layer"]) == ("2", "2")
    assert found["ss_mixed_precision"] == "bf16"
    assert found["ss_lr_scheduler"] == "constant_with_warmup"
    assert (found["ss_shuffle_caption"], found["ss_keep_tokens"]) == ("True", "1")


def test_regularisation_is_counted_apart(meta: Path, changed: Callable[..., Path]) -> None:
    """Regularisation pictures have a count and a list of concepts of their own."""
    changed(meta, "0.png", concept="class")
    both = {"toy": Concept(repeats=2), "class": Concept(repeats=3, regularisation=True)}
    changed(meta, concepts=both)

    found = _metadata(meta, prior_loss_weight=0.5)

    assert (found["ss_num_train_images"], found["ss_num_reg_images"]) == ("10", "3")
    assert json.loads(found["ss_dataset_dirs"]) == {"toy": {"img_count": 5, "n_repeats": 2}}
    assert json.loads(found["ss_reg_dataset_dirs"]) == {"class": {"img_count": 1, "n_repeats": 3}}
    assert found["ss_prior_loss_weight"] == "0.5"


def test_a_v_model_is_marked(meta: Path) -> None:
    """A LoRA of a v_prediction base model says so in both vocabularies."""
    facts = Facts("toy", "r", "base", "d", {}, "0.1", Prediction.V_PREDICTION)

    found = _metadata(meta, facts)

    assert found["ss_base_model_version"] == "sd_v1_v"
    assert found["modelspec.prediction_type"] == "v"


def test_a_caption_is_counted_whole(meta: Path, changed: Callable[..., Path]) -> None:
    """Commas of a caption are never taken for tags; the trigger stands in front of it."""
    changed(meta, "0.png", text="caption", caption="a toy, red")
    changed(meta, "1.png", text="both", caption="blue")

    counts = tag_frequency(dataset.load([meta]), "n", config_of())

    assert counts == {"toy": {"a toy, red": 1, "blue": 1, "mascot": 6, "pose 0": 2, "pose 1": 3}}


def test_a_single_file_is_named_by_its_hashes(tmp_path: Path) -> None:
    """A base model in one file is known by its SHA-256 and by the old hash over 64 KiB at 1 MiB."""
    import hashlib

    from prep.models.locate import Ask, FoundModel

    file = tmp_path / "x.safetensors"
    file.write_bytes(bytes(range(256)) * 8192)
    found = FoundModel(Ask("base", str(file)), file, ())

    assert detect.hashes(found, Models(tmp_path / "home")) == {
        "ss_sd_model_hash": hashlib.sha256(bytes(range(256)) * 256).hexdigest()[:8],
        "ss_new_sd_model_hash": hashlib.sha256(file.read_bytes()).hexdigest(),
    }
