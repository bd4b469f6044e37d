import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.runtime.errors import ConfigError
from train.cli.app import main
from train.data.order import steps_per_epoch
from train.kohya.import_files import pipelines_of
from train.kohya.kohya_sources import KohyaRun, read

TUTORIAL = """\
[model_arguments]
pretrained_model_name_or_path = "tiny"
v2 = false
[training_arguments]
output_dir = "./out"
output_name = "mychara"
max_train_epochs = 2
mixed_precision = "no"
save_every_n_epochs = 1
cache_latents = true
[network_arguments]
network_module = "networks.lora"
network_dim = 4
network_alpha = 1
network_train_unet_only = true
[optimizer_arguments]
optimizer_type = "AdamW"
learning_rate = 1e-4
"""
DATASET = """\
[general]
enable_bucket = true
caption_extension = ".txt"
shuffle_caption = true
keep_tokens = 1
[[datasets]]
resolution = 128
batch_size = 1
max_bucket_reso = 256
min_bucket_reso = 64
bucket_reso_steps = 32
  [[datasets.subsets]]
  image_dir = "pics"
  num_repeats = 2
  [[datasets.subsets]]
  image_dir = "class pics"
  is_reg = true
  class_tokens = "girl"
"""
COMMAND = "accelerate launch --num_cpu_threads_per_process 1 train_network.py "
COMMAND += "--config_file=config.toml --dataset_config=dataset.toml"


HERE = str(Path(__file__).parent)  # a folder without pictures and texts


def of_options(**options: Any) -> dict[str, Any]:
    """Return the train section of the file that a few options become."""
    given = {"pretrained_model_name_or_path": "tiny", "network_module": "networks.lora"} | options
    dataset = {"datasets": [{"subsets": [{"image_dir": HERE}]}]}
    found = pipelines_of(KohyaRun("train_network", given, dataset), Path(), [])
    lines = found.text.partition("    train:\n")[2].splitlines()
    pairs = (line.strip().partition(": ") for line in lines)
    return {
        name: value if name in ("base", "out", "start_from") else json.loads(value)
        for name, _, value in pairs
    }


def refused(**options: Any) -> tuple[str, str | None]:
    """Return message and hint of what some options end in."""
    with pytest.raises(ConfigError) as caught:
        of_options(**options)
    return str(caught.value), caught.value.hint


@pytest.fixture
def tutorial(draw: Callable[..., Path], home: Path) -> Path:
    """Pictures, a config file and a dataset file as in a tutorial."""
    for name in ("a", "b", "c"):
        draw(f"pics/{name}.png", (96, 64))
        (home / "pics" / f"{name}.txt").write_text("sks, hat, red")
    draw("class pics/d.png", (64, 96))
    (home / "config.toml").write_text(TUTORIAL)
    (home / "dataset.toml").write_text(DATASET)
    return home


def test_a_tutorial_s_files_are_one_command(
    tutorial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command line finds both files; what is left out, or not known, is told."""
    with pytest.raises(SystemExit) as ended:
        main(["import", COMMAND, "--out", "told.yaml"])
    said = capsys.readouterr()

    assert ended.value.code == 0, said.err
    assert said.err.splitlines() == [
        "kohya's scripts draw a seed; it is 0 here unless you give another",
        (
            "`--num_cpu_threads_per_process` in front of the script is left out: it says how the "
            "scripts are started, not what they train"
        ),
        "`cache_latents` is left out: it is always so here",
    ]
    text = (tutorial / "told.yaml").read_text()
    assert text.count("images: ") == 2
    assert "balance_regularisation: true" in text  # one of its folders shows the class


def test_the_tutorial_s_number_of_steps() -> None:
    """61 pictures of one size, seen 10 times, for 20 epochs: 12,200 steps."""
    repeats = {(512, 512): {f"{number}.png": 10 for number in range(61)}}

    assert steps_per_epoch(repeats, 1) * 20 == 12_200


def test_defaults_are_kohya_s() -> None:
    """What is not given has the value that it has there, written down: alpha 1, 1,600 steps."""
    assert of_options() == {
        "method": "lora", "batch": 1, "accumulate": 1, "steps": 1600, "rank": 4, "alpha": 1.0,
        "learning_rate": 2e-6, "text_encoder": True, "optimizer": "adamw", "weight_decay": 0.01,
        "schedule": "constant", "warmup": 0, "max_tokens": 75, "keep_tags": 0, "seed": 0,
        "precision": "fp32", "base": "tiny",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"train_batch_size": "2", "gradient_accumulation_steps": "4"},
         {"batch": 2, "accumulate": 4}),
        ({"unet_lr": "1e-4", "text_encoder_lr": "5e-5"},
         {"learning_rate": 1e-4, "text_encoder_learning_rate": 5e-5, "text_encoder": True}),
        ({"learning_rate": "1e-4", "text_encoder_lr": "0"}, {"text_encoder": False}),
        ({"mem_eff_attn": True, "mixed_precision": "fp16", "full_fp16": True},
         {"attention": "memory-efficient", "precision": "fp16", "full_fp16": True}),
        ({"torch_compile": True}, {"compile": True}),
        ({"use_8bit_adam": True}, {"optimizer": "adamw8bit", "weight_decay": 0.01}),
        ({"optimizer_type": "Lion"}, {"optimizer": "lion", "weight_decay": 0.0}),
        ({"optimizer_type": "AdaFactor"}, {"optimizer": "adafactor-relative"}),
        ({"optimizer_type": "AdaFactor", "learning_rate": "4e-5",
          "optimizer_args": ["relative_step=False", "scale_parameter=False", "warmup_init=False"]},
         {"optimizer": "adafactor", "learning_rate": 4e-5}),
        ({"optimizer_type": "Prodigy", "optimizer_args": "weight_decay=0.02"},
         {"optimizer": "prodigy", "weight_decay": 0.02}),
        ({"lr_scheduler": "cosine", "lr_warmup_steps": "5%", "max_train_steps": "1000"},
         {"schedule": "cosine", "warmup": 50}),
        ({"lr_scheduler": "constant_with_warmup", "lr_warmup_steps": "100"},
         {"schedule": "constant", "warmup": 100}),
        ({"loss_type": "smooth_l1", "huber_schedule": "exponential", "huber_c": "0.2",
          "huber_scale": 2, "min_snr_gamma": "5", "debiased_estimation_loss": True},
         {"loss": "smooth-l1", "huber_schedule": "exponential", "huber_c": 0.2, "huber_scale": 2.0,
          "min_snr": 5.0, "debiased_estimation_loss": True}),
        ({"loss_type": "l2", "huber_c": "0.2", "huber_schedule": "snr", "v_pred_like_loss": "0.1"},
         {"loss": None, "huber_c": None, "huber_schedule": None, "v_pred_like_loss": 0.1}),
        ({"noise_offset": "0.05", "noise_offset_random_strength": True,
          "adaptive_noise_scale": "0.01", "scale_v_pred_loss_like_noise_pred": True},
         {"noise_offset": 0.05, "noise_offset_random_strength": True, "adaptive_noise_scale": 0.01,
          "scale_v_pred_loss_like_noise_pred": True}),
        ({"noise_offset": "0", "adaptive_noise_scale": "None", "multires_noise_discount": "0.5",
          "min_timestep": "0", "max_timestep": "1000"},
         dict.fromkeys(("noise_offset", "adaptive_noise_scale", "multires_noise_discount",
                        "min_timestep", "max_timestep"))),
        ({"multires_noise_iterations": "6", "multires_noise_discount": "0.3",
          "ip_noise_gamma": "0.1", "ip_noise_gamma_random_strength": True, "max_timestep": "900"},
         {"multires_noise_iterations": 6, "multires_noise_discount": None, "ip_noise_gamma": 0.1,
          "ip_noise_gamma_random_strength": True, "max_timestep": 900}),
        ({"lr_scheduler": "polynomial", "lr_scheduler_power": "2", "lr_decay_steps": "5"},
         {"schedule": "polynomial", "schedule_power": 2.0, "decay_steps": None}),
        ({"lr_scheduler": "warmup_stable_decay", "lr_warmup_steps": "0.1", "lr_decay_steps": "20%",
          "lr_scheduler_min_lr_ratio": "0.1", "max_train_steps": "1000"},
         {"schedule": "warmup-stable-decay", "warmup": 100, "decay_steps": 200,
          "lowest_rate": 0.1}),
        ({"lr_scheduler": "inverse_sqrt", "lr_scheduler_timescale": "50"},
         {"schedule": "inverse-sqrt", "timescale": 50}),
        ({"lr_scheduler": "piecewise_constant", "lr_scheduler_args": ["step_rules=1:10,0.1"],
          "lr_warmup_steps": "5"},
         {"schedule": "piecewise-constant", "rate_rules": "1:10,0.1", "warmup": None}),
        ({"network_dim": "8", "network_args": ["conv_dim=8", "conv_alpha=1"]},
         {"targets": "convolutions", "conv_rank": None}),
        ({"network_dim": "8", "network_alpha": "4", "network_args": ["conv_dim=2"]},
         {"targets": "convolutions", "conv_rank": 2, "conv_alpha": 1.0, "rank": 8, "alpha": 4.0}),
        ({"network_args": "loraplus_lr_ratio=16"}, {"lora_plus": 16.0}),
        ({"v_parameterization": True, "clip_skip": "2"}, {"prediction": None, "clip_skip": 2}),
        ({"v_parameterization": True, "pretrained_model_name_or_path": "x.safetensors"},
         {"prediction": "v"}),
        ({"save_model_as": "safetensors"}, {"save_as": None}),
        ({"optimizer_type": "AdamW", "optimizer_args": ["weight_decay=0.1"]},
         {"weight_decay": 0.1}),
        ({"xformers": True}, {"attention": "xformers"}),
        ({"caption_prefix": "5"}, {"caption_prefix": "5"}),
        ({"max_token_length": "225", "shuffle_caption": True, "keep_tokens": "2"},
         {"max_tokens": 225, "shuffle_tags": True, "keep_tags": 2}),
    ],
)  # fmt: skip
def test_options_become_settings(options: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Each by kohya's own rule; the words as we spell them."""
    found = of_options(**options)

    assert {name: found.get(name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"noise_offset_random_strength": True},
         "`noise_offset_random_strength` is left out: it is not used without `noise_offset`"),
        ({"huber_c": "0.2"}, "`huber_c` is left out: it is not used without `loss_type huber`"),
        ({"lr_scheduler": "cosine", "lr_decay_steps": "5"},
         "`lr_decay_steps` is left out: `cosine` does not use it"),
        ({"network_args": ["conv_alpha=2"]},
         "`conv_alpha` is left out: it is not used without `conv_dim`"),
        ({"optimizer_type": "AdaFactor", "lr_scheduler_power": "2"},
         "`lr_scheduler_power` is left out: Adafactor decides its steps"),
    ],
)  # fmt: skip
def test_what_their_scripts_would_not_use_is_told(options: dict[str, Any], told: str) -> None:
    """An option beside which another is missing trains nothing there, and is named here."""
    given = {"pretrained_model_name_or_path": "tiny", "network_module": "networks.lora"} | options
    dataset = {"datasets": [{"subsets": [{"image_dir": HERE}]}]}

    assert told in pipelines_of(KohyaRun("train_network", given, dataset), Path(), []).notes


def test_fine_tune_s_unused_weight_is_told() -> None:
    """fine_tune.py reads `v_pred_like_loss` and never uses it: nor is it used here, and told."""
    given = {"pretrained_model_name_or_path": "tiny", "v_pred_like_loss": "0.1"}
    dataset = {"datasets": [{"subsets": [{"image_dir": HERE}]}]}
    found = pipelines_of(KohyaRun("fine_tune", given, dataset), Path(), [])

    assert "`v_pred_like_loss` is left out: this script of kohya's does not use it" in found.notes
    assert "v_pred_like_loss" not in found.text


@pytest.mark.parametrize(
    ("options", "message", "hint"),
    [
        ({"network_dm": 4}, "kohya's scripts have no `network_dm`",
         "did you mean `network_dim`?"),
        ({"base_weights": "a.safetensors"},
         "`base_weights` is `a.safetensors`, and here a LoRA is not merged before the training",
         "train without it: `--without base_weights`"),
        ({"loss_type": "l3"}, "`loss_type` is `l3`", "known: l2, l1, huber, smooth-l1"),
        ({"noise_offset": "some"}, "`noise_offset` is `some`", "give a number"),
        ({"network_module": "networks.oft"}, "`network_module` is `networks.oft`",
         "`networks.lora` and `lycoris.kohya` are what there is"),
        ({"optimizer_type": "PagedLion8bit"}, "`optimizer_type` is `PagedLion8bit`",
         "the nearest here is `adamw8bit`"),
        ({"optimizer_args": "betas=(0.9,0.99)"},
         "`optimizer_args` has `betas=(0.9,0.99)`, and there is nothing like it",
         "leave it out, or all of them: `--without optimizer_args`"),
        ({"lr_scheduler": "reduce_lr_on_plateau"}, "`lr_scheduler` is `reduce_lr_on_plateau`",
         "the nearest here is `constant`"),
        ({"lr_scheduler": "linear", "lr_scheduler_args": ["eta_min=1"]},
         "`lr_scheduler_args` has `eta_min=1`, and there is nothing like it",
         "leave it out, or all of them: `--without lr_scheduler_args`"),
        ({"lr_decay_steps": "10%", "max_train_epochs": "3"},
         "`lr_decay_steps` is `10%`, a share of steps that epochs decide",
         "give a number of steps"),
        ({"lr_warmup_steps": "0.1", "max_train_epochs": "3"},
         "`lr_warmup_steps` is `0.1`, a share of steps that epochs decide",
         "give a number of steps"),
        ({"network_dim": "many"}, "`network_dim` is `many`", "give a number"),
        ({"max_train_steps": "1.5"}, "`max_train_steps` is `1.5`", "give a whole number"),
        ({"lr_warmup_steps": "a%"}, "`lr_warmup_steps` is `a`", "give a number"),
        ({"network_args": "loraplus_lr_ratio=x"}, "`loraplus_lr_ratio` is `x`", "give a number"),
        ({"optimizer_args": "weight_decay=nan"}, "`weight_decay` is `nan`", "give a number"),
        ({"optimizer_args": "relative_step=False"},
         "`optimizer_args` has `relative_step=False`, and there is nothing like it",
         "leave it out, or all of them: `--without optimizer_args`"),
        ({"shuffle_caption": "false"}, "`shuffle_caption` is `false`", "write true or false"),
        ({"network_dim": True}, "`network_dim` has no value", "give it one, or leave it out"),
        ({"num_repeats": "5"}, "kohya's scripts have no `num_repeats`",
         "did you mean `dataset_repeats`?"),
        ({"save_model_as": "ckpt"}, "`save_model_as` is `ckpt`",
         "a LoRA or an embedding is a safetensors file"),
        ({"init_word": "girl"}, "`init_word` is given", "it is for `train_textual_inversion.py`"),
        ({"network_dim": "5000"}, "`network_dim` is 5000", "give a whole number from 1 to 1024"),
        ({"network_args": ["conv_dim=2.5"]}, "`conv_dim` is `2.5`", "give a whole number"),
        ({"resolution": "512,768"}, "`resolution` is 512 by 768",
         "give one side: buckets are as large"),
        ({"caption_extension": ".cap"}, "`caption_extension` is `.cap`",
         "texts are read from `.txt` and `.caption`"),
        ({"sample_prompts": "none.txt"}, "the file of prompts `none.txt` is not there",
         "write it, or draw nothing: `--without sample_prompts`"),
        ({"network_weights": "old.safetensors"}, "there is no file `old.safetensors`",
         "name the one that `--network_weights` means, or train anew: `--without network_weights`"),
        ({"pretrained_model_name_or_path": ""}, "no base model is named",
         "add `--pretrained_model_name_or_path`"),
    ],
)  # fmt: skip
def test_what_cannot_be_taken_over_is_two_lines(
    options: dict[str, Any], message: str, hint: str
) -> None:
    """Unknown, not there, or out of its limits: nothing is dropped silently."""
    assert refused(**options) == (message, hint)


def test_a_file_to_go_on_from_is_taken_over(home: Path) -> None:
    """It has to be there, from where the command was typed."""
    (home / "x").mkdir()
    (home / "x" / "a.safetensors").write_text("x")
    given = {
        "pretrained_model_name_or_path": "tiny", "network_module": "networks.lora",
        "network_weights": "x/a.safetensors",
    }  # fmt: skip
    dataset = {"datasets": [{"subsets": [{"image_dir": HERE}]}]}
    found = pipelines_of(KohyaRun("train_network", given, dataset, home), home, [])

    assert "      start_from: ./x/a.safetensors\n" in found.text


@pytest.mark.parametrize(
    ("trackers", "log", "told"),
    [
        ("tensorboard", "tensorboard", []),
        ("all", "tensorboard", ["all"]),
        ("wandb", None, ["wandb"]),
    ],
)
def test_trackers(trackers: str, log: str | None, told: list[str]) -> None:
    """TensorBoard is written where it is asked for by name; another tracker is named."""
    given = {"pretrained_model_name_or_path": "tiny", "seed": 1, "log_with": trackers}
    dataset = {"datasets": [{"subsets": [{"image_dir": HERE}]}]}
    found = pipelines_of(KohyaRun("fine_tune", given, dataset), Path(), [])

    assert ('log: "tensorboard"' in found.text) == (log is not None)
    assert found.notes == [
        f"`log_with` is `{one}`: of the trackers TensorBoard alone is here" for one in told
    ]


def test_keys_of_a_dataset_file_are_checked(home: Path) -> None:
    """A key at the wrong place, and one that there is not, are told with all others at once."""
    (home / "x").mkdir()
    (home / "d.toml").write_text(
        "[[datasets]]\nimage_dir = 'x'\n[[datasets.subsets]]\nimage_dir = 'x'\nbatch_size = 2\n"
        "num_repeat = 3\n"
    )
    found = read(["d.toml"])
    with pytest.raises(ConfigError) as caught:
        pipelines_of(found, home, [])

    told = [(str(caught.value), caught.value.hint), *caught.value.others]
    assert told[:3] == [
        ("`[[datasets]]` has no key `image_dir`", "it stands in [[datasets.subsets]]"),
        ("`[[datasets.subsets]]` has no key `batch_size`",
         "it stands in [general] or [[datasets]]"),
        ("`[[datasets.subsets]]` has no key `num_repeat`", "did you mean `num_repeats`?"),
    ]  # fmt: skip


def test_folders_that_differ_in_what_trains_are_refused(home: Path) -> None:
    """Our settings hold for all pictures of a training."""
    for name in ("x", "y"):
        (home / name).mkdir()
    (home / "d.toml").write_text(
        "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'x'\nkeep_tokens = 1\n"
        "[[datasets.subsets]]\nimage_dir = 'y'\nkeep_tokens = 2\n"
    )
    with pytest.raises(ConfigError) as caught:
        pipelines_of(read(["d.toml"]), home, [])

    told = [(str(caught.value), caught.value.hint), *caught.value.others]
    assert (
        "`keep_tokens` is `1` of one folder and `2` of `y`",
        "give all folders the same",
    ) in told


def test_a_file_that_is_there_is_left_alone(
    tutorial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An earlier pipelines.yaml is not written over; what is wrong with a source is told first."""
    (tutorial / "pipelines.yaml").write_text("mine")
    for words, error in (
        (["config.toml", "dataset.toml"], "error: `pipelines.yaml` is there already"),
        (["flux_train.py --x 1"],
         "error: `flux_train.py` is none of kohya's scripts that can be taken over"),
        (["none.toml"],
         "error: `none.toml` cannot be read: No such file or directory"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(["import", *words])
        assert ended.value.code == 1
        assert capsys.readouterr().err.splitlines()[0] == error
    assert (tutorial / "pipelines.yaml").read_text() == "mine"


def test_a_config_file_trains_directly(tutorial: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prepared and trained by one command: the steps, repeats and texts that kohya's scripts count.

    Options beside it, and another file in its place, are refused.
    """

    def typed(*more: str) -> tuple[int, str]:
        with pytest.raises(SystemExit) as ended:
            main(["lora", "config.toml", "dataset.toml", *more])
        return int(ended.value.code or 0), capsys.readouterr().err

    code, said = typed()
    assert code == 0, said
    (run,) = (tutorial / "out").glob("mychara-*")
    steps = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert len(steps) == (3 * 2 + 6) * 2  # the class picture is seen as often as the others
    config = json.loads((run / "config.json").read_text())
    assert (config["alpha"], config["rank"], config["text_encoder"]) == (1.0, 4, False)
    meta = (tutorial / "class-pics.json").read_text()
    assert '"class_prompt": "girl"' in meta
    assert '"tags": ["girl"]' in meta
    assert sorted(path.name for path in run.glob("*.safetensors")) == [
        "mychara-000001.safetensors", "mychara.safetensors",
    ]  # fmt: skip
    assert typed("--rank", "8")[1].splitlines() == [
        "error: options stand beside `config.toml dataset.toml`, which says all there is to say",
        "hint: import it, and change what comes of it: `train import config.toml dataset.toml`",
    ]
    (tutorial / "config.yaml").write_text("mine")
    assert typed()[1].splitlines() == [
        "error: `config.yaml` is there already, and says something else",
        "hint: move it away, or carry it out: `prep run --pipelines config.yaml`",
    ]


def test_what_was_written_beside_a_config_file_is_written_anew(
    tutorial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A changed TOML trains, though a run of before failed; a line that a person adds stays."""
    written, config = tutorial / "config.yaml", tutorial / "config.toml"
    config.write_text(config.read_text().replace('"tiny"', '"./none"'))

    def typed() -> list[str]:
        with pytest.raises(SystemExit) as ended:
            main(["lora", "config.toml", "dataset.toml"])
        assert ended.value.code == 1
        return capsys.readouterr().err.splitlines()

    typed()
    one = written.read_text()
    config.write_text(config.read_text().replace("network_dim = 4", "network_dim = 8"))
    typed()
    assert [line for line in one.splitlines() if "rank" in line] == ["      rank: 4"]
    assert "      rank: 8\n" in written.read_text()
    written.write_text(written.read_text() + "# mine\n")
    assert typed()[0] == "error: `config.yaml` is there already, and says something else"
    assert written.read_text().endswith("# mine\n")


@pytest.mark.long  # test_recipes trains from metadata, too
def test_a_fine_tune_of_metadata_is_one_command(
    draw: Callable[..., Path],
    home: Path,
    prep: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The words of `meta_lat.json` are taken over: what trains is the caption, then the tags."""
    for name in ("a", "b"):
        draw(f"pics/{name}.png", (96, 64))
    rows = {"a": {"caption": "a girl", "tags": "hat, red"}, "b": {"tags": "tree"}}
    (home / "meta_lat.json").write_text(json.dumps(rows))
    command = (
        "accelerate launch fine_tune.py --pretrained_model_name_or_path=tiny "
        "--in_json meta_lat.json --train_data_dir=pics --output_dir=out --output_name=tuned "
        "--resolution=128 --enable_bucket --min_bucket_reso=64 --max_token_length=225 "
        "--max_train_steps=2 --learning_rate=5e-6 --seed=1"
    )
    with pytest.raises(SystemExit) as ended:
        main(["import", command])
    assert ended.value.code == 0, capsys.readouterr().err
    assert prep("run").code == 0

    (run,) = (home / "out").glob("tuned-*")
    config = json.loads((run / "config.json").read_text())
    assert (config["method"], config["learning_rate"]) == ("finetune", 5e-6)
    assert (run / "tuned" / "unet" / "config.json").is_file()
    meta = (home / "pics.json").read_text()
    assert '"tags": ["a girl", "hat", "red"]' in meta
    assert '"tags": ["tree"]' in meta


@pytest.mark.parametrize(
    ("base", "form", "wanted"),
    [
        ("tiny", None, "folder"), ("x.ckpt", None, "file"), ("tiny", "safetensors", "file"),
        ("x.safetensors", "diffusers", "folder"),
    ],
)  # fmt: skip
def test_a_model_is_written_in_the_form_of_its_base(
    base: str, form: str | None, wanted: str
) -> None:
    """As kohya's fine_tune.py does where no form is given."""
    given = {"pretrained_model_name_or_path": base} | ({"save_model_as": form} if form else {})
    dataset = {"datasets": [{"subsets": [{"image_dir": HERE}]}]}
    found = pipelines_of(KohyaRun("fine_tune", given, dataset), Path(), [])

    assert f'      save_as: "{wanted}"\n' in found.text


def test_an_embedding_is_taken_over(home: Path) -> None:
    """Its word, vectors and sentences by our names; what kohya's script has otherwise is told."""
    (home / "pics" / "1_x").mkdir(parents=True)
    (home / "pics" / "1_x" / "a.png").write_text("x")
    command = (
        "accelerate launch sdxl_train_textual_inversion.py --token_string=mychar --init_word "
        "'a girl' --num_vectors_per_token=4 --use_style_template --use_object_template "
        "--pretrained_model_name_or_path=tiny --train_data_dir=pics --learning_rate=1e-3"
    )
    found = pipelines_of(read([command]), home, [])

    for line in (
        'method: "embedding"', 'token: "mychar"', "vectors: 4", 'initial_words: "a girl"',
        'template: "object"', "learning_rate: 0.001", "text_encoder: false",
    ):  # fmt: skip
        assert f"      {line}\n" in found.text
    told = "of `use_object_template` and `use_style_template` kohya's scripts take the first"
    assert told in found.notes


def test_what_a_script_does_not_use_is_left_out() -> None:
    """fine_tune.py reads `--full_bf16` and never uses it: nor is it used here, and told."""
    given = {"pretrained_model_name_or_path": "tiny", "mixed_precision": "bf16", "full_bf16": True}
    dataset = {"datasets": [{"subsets": [{"image_dir": HERE}]}]}
    found = pipelines_of(KohyaRun("fine_tune", given, dataset), Path(), [])

    assert "full_bf16" not in found.text
    assert "`full_bf16` is left out: this script of kohya's does not use it" in found.notes


def test_words_that_cannot_be_taken_leave_nothing_behind(
    home: Path, draw: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """Where `prep import` fails there is no pipelines.yaml to run without the words."""
    draw("pics/a.png")
    command = "fine_tune.py --pretrained_model_name_or_path=tiny --in_json=nix.json "
    (home / "c.toml").write_text(
        'pretrained_model_name_or_path = "tiny"\nin_json = "nix.json"\ntrain_data_dir = "pics"\n'
    )
    for words in (["import", command + "--train_data_dir=pics"], ["finetune", "c.toml"]):
        with pytest.raises(SystemExit) as ended:
            main(words)

        assert ended.value.code == 1
        assert "`nix.json` cannot be read" in capfd.readouterr().err
    assert not (home / "pipelines.yaml").exists()
    assert not (home / "c.yaml").exists()


def test_the_kind_of_training_has_to_be_the_one_that_is_typed(
    tutorial: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`train finetune` with the options of a LoRA, and a `--without` that names nothing.

    A dataset file alone is a training of no kind, and one in other brackets is none.
    """
    (tutorial / "x.toml").write_text(DATASET.replace("[[datasets]]", "[datasets]"))
    for words, error, hint in (
        (["finetune", "config.toml", "dataset.toml"],
         "error: this is a training by `train lora`, not by `train finetune`",
         "hint: a LoRA has `network_module`, a fine-tune has none"),
        (["lora", "dataset.toml"],
         "error: only a dataset file is named: it says which pictures train, not how",
         "hint: name the config file or the command line in front of it, too"),
        (["import", "x.toml"],
         "error: `x.toml` has its tables otherwise than a dataset file",
         "hint: write `[general]`, `[[datasets]]` and `[[datasets.subsets]]`, in such brackets"),
        (["import", "config.toml", "--without", "noise_ofset"],
         "error: `--without noise_ofset` names no option of kohya's scripts",
         "hint: did you mean `noise_offset`?"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 1
        assert capsys.readouterr().err.splitlines() == [error, hint]
    assert tutorial.is_dir()
