"""What an import tells of what it leaves out or takes otherwise."""

from dataclasses import replace
from pathlib import Path

import pytest

from prep.runtime.errors import ConfigError
from train.kohya.import_files import pipelines_of
from train.kohya.kohya_sources import KohyaRun, read

HERE = str(Path(__file__).parent)  # a folder without pictures and texts


def notes(words: str, launcher: str = "") -> list[str]:
    """Return what is told of a pasted command with a few words more."""
    command = (
        f"accelerate launch {launcher} train_network.py --pretrained_model_name_or_path tiny "
        f"--network_module networks.lora --seed 1 --train_data_dir {HERE} {words}"
    )
    run = replace(read([command]), dataset={"datasets": [{"subsets": [{"image_dir": HERE}]}]})
    return pipelines_of(run, Path(), []).notes


def test_each_option_of_the_launcher_is_told() -> None:
    """In front of the script: what the script gives itself, what starts it, and all else."""
    launcher = "--mixed_precision=bf16 --num-cpu-threads-per-process 1 --use_deepspeed"

    assert notes("", f"{launcher} --num_processes 1") == [
        (
            "`--mixed_precision` in front of the script is left out: kohya's scripts take their "
            "own `--mixed_precision`, behind the script's name"
        ),
        (
            "`--num-cpu-threads-per-process` in front of the script is left out: it says how the "
            "scripts are started, not what they train"
        ),
        "`--use_deepspeed` in front of the script is left out: nothing of it is taken over",
    ]


def test_of_several_attentions_one_is_taken() -> None:
    """In the order of kohya's scripts, whatever the order in the command."""
    assert notes("--sdpa --xformers --mem_eff_attn") == [
        "of `mem_eff_attn`, `xformers`, `sdpa` kohya's scripts take the first"
    ]
    assert notes("--sdpa") == []


def test_samples_on_the_way_need_exports(home: Path) -> None:
    """Where nothing is saved on the way it is told what draws there; with exports, nothing."""
    (home / "p.txt").write_text("a girl\n")
    every = "--sample_prompts p.txt --sample_every_n_epochs 2"
    left = "`sample_every_n_epochs` is left out: samples are drawn with each export"

    assert notes(every) == [
        left,
        (
            "without `save_every_n_epochs` or `save_every_n_steps` nothing is drawn before the "
            "end: for samples on the way write `save_every_epochs: 2`"
        ),
    ]
    assert notes(f"{every} --save_every_n_steps 4") == [left]


def test_several_processes_multiply_nothing_here() -> None:
    """A command of two processes is told what stands for its batches, in numbers."""
    command = (
        "accelerate launch --num_processes 2 train_network.py --train_batch_size 4 "
        "--gradient_accumulation_steps 3 --pretrained_model_name_or_path tiny "
        f"--network_module networks.lora --seed 1 --train_data_dir {HERE}"
    )
    run = replace(read([command]), dataset={"datasets": [{"subsets": [{"image_dir": HERE}]}]})

    assert pipelines_of(run, Path(), []).notes == [
        (
            "kohya's scripts take a batch in each of 2 processes; here their number changes "
            "nothing: for up to 24 samples a step write `accumulate: 6`"
        )
    ]


def test_held_out_pictures_are_taken_over() -> None:
    """Their share and the seed of the draw are ours by other names; when is told."""
    command = (
        "train_network.py --pretrained_model_name_or_path tiny --network_module networks.lora "
        f"--seed 1 --train_data_dir {HERE} --validate_every_n_steps 50"
    )

    def told(**dataset: float) -> tuple[str, list[str]]:
        found = {"datasets": [{**dataset, "subsets": [{"image_dir": HERE}]}]}
        made = pipelines_of(replace(read([command]), dataset=found), Path(), [])
        return made.text, made.notes

    when = (
        "`validate_every_n_steps` is left out: pictures that are held out are measured with each "
        "export, all of them"
    )
    text, notes = told(validation_split=0.2, validation_seed=7)
    assert "\n      held_out: 0.2\n" in text
    assert "\n      held_out_seed: 7\n" in text
    assert notes == [when]
    text, notes = told(validation_seed=7)
    assert "held_out" not in text
    assert notes == [
        "`validation_seed` is left out: it is not used without `validation_split`", when
    ]  # fmt: skip


def test_masks_are_taken_over_where_they_mean_the_same(home: Path) -> None:
    """Either option masks the loss, as there; masks in a folder of their own are refused."""
    command = "accelerate launch {}.py --pretrained_model_name_or_path tiny --seed 1 {}"
    lora, told = "--network_module networks.lora", {"image_dir": HERE, "alpha_mask": True}
    for script, words, subset, wanted in (
        ("train_network", f"{lora} --masked_loss", {}, ("{model: tiny}", True)),
        ("train_network", lora, told, ("{model: tiny, alpha_mask: true}", True)),
        ("sdxl_train", "--alpha_mask", {}, ("{model: tiny, alpha_mask: true}", True)),
        ("train_network", lora, told | {"alpha_mask": False}, ("{model: tiny}", False)),
        ("fine_tune", "--alpha_mask", {}, ("{model: tiny}", False)),
    ):
        run = read([command.format(script, words)])
        run = replace(run, dataset={"datasets": [{"subsets": [{"image_dir": HERE} | subset]}]})
        made = pipelines_of(run, Path(), [])

        assert f"- latents: {wanted[0]}\n" in made.text
        assert ("      masked_loss: true\n" in made.text) is wanted[1]
        left = "`masked_loss` is left out: this script of kohya's does not use it"
        assert (left in made.notes) is (script == "fine_tune")
        bare = pipelines_of(run, Path(), ["alpha_mask", "masked_loss"]).text
        assert "alpha_mask" not in bare
        assert "masked_loss" not in bare
    run = replace(run, dataset={"datasets": [{"subsets": [told | {"conditioning_data_dir": "m"}]}]})
    with pytest.raises(ConfigError) as caught:
        pipelines_of(run, Path(), [])
    assert (str(caught.value), caught.value.hint) == (
        (
            "`conditioning_data_dir` is `m`, and here a mask lies beside its picture: "
            "`x.mask.png` beside `x.jpg`"
        ),
        "train without it: `--without conditioning_data_dir`",
    )


@pytest.mark.parametrize(
    ("args", "kept", "method", "told"),
    [
        ("algo=lokr factor=8 use_tucker=True", "algo=lokr", "lokr", "factor=8 use_tucker=True"),
        ("dora_wd=True algo=locon rs_lora=True", "dora_wd=True algo=locon", "dora", "rs_lora=True"),
        ("algo=loha dora_wd=True", "algo=loha", "loha", "dora_wd=True"),
        ("algo=loha", "algo=loha", "loha", ""),
    ],
)
def test_a_kind_of_adapter_stays_what_it_is(args: str, kept: str, method: str, told: str) -> None:
    """`--without network_args` leaves out all words but those that decide what learns."""
    made = pipelines_of(_lycoris(args), Path(), ["network_args"])

    assert f'      method: "{method}"\n' in made.text
    left = [f"left out by `--without`: `network_args` is `{told}`"] if told else []
    keeps = f"`network_args` keeps `{kept}`, which decides what learns"
    assert made.notes[: len(left) + 1] == [*left, keeps]


def test_what_is_left_out_is_told_with_its_value() -> None:
    """Each option of command and dataset file; the one that makes it a LoRA cannot be left out."""
    run = _lycoris("algo=loha", "--network_dropout 0.1 --masked_loss --seed 7")
    subsets = [{"image_dir": HERE, "flip_aug": True, "conditioning_data_dir": "m"}]
    run = replace(run, dataset={"general": {"resolution": 640}, "datasets": [{"subsets": subsets}]})
    names = ["network_dropout", "flip_aug", "conditioning_data_dir", "resolution", "fp8_base"]
    made = pipelines_of(run, Path(), names)

    assert made.notes[:6] == [
        "left out by `--without`: `network_dropout` is `0.1`",
        "left out by `--without`: `flip_aug` is `true`",
        "left out by `--without`: `conditioning_data_dir` is `m`",
        (
            "`masked_loss` stays: of pictures without a mask beside them (`x.mask.png` beside "
            "`x.jpg`) everything trains"
        ),
        "left out by `--without`: `resolution` is `640`",
        "`--without fp8_base` leaves nothing out: it is not given",
    ]
    assert '"resolution": 512' in made.text
    with pytest.raises(ConfigError) as caught:
        pipelines_of(run, Path(), ["network_module"])
    assert (str(caught.value), caught.value.hint) == (
        "`network_module` is `lycoris.kohya`, and without it this would be another training",
        "leave it in, and leave out what belongs to it: `--without network_args`",
    )


def _lycoris(args: str, words: str = "") -> KohyaRun:
    """Return a run of LyCORIS with some words of `network_args`."""
    command = (
        "accelerate launch train_network.py --pretrained_model_name_or_path tiny --network_module "
        f"lycoris.kohya --network_args {args} --train_data_dir {HERE} {words}"
    )
    return replace(read([command]), dataset={"datasets": [{"subsets": [{"image_dir": HERE}]}]})
