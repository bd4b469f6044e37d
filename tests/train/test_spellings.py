"""What kohya's scripts call what we have."""

from pathlib import Path
from typing import Any

import pytest
import torch

from prep.pipeline.subcommands import all_commands
from prep.runtime.errors import ConfigError
from prep.stages import all_stages
from train import spellings
from train.cli.app import main
from train.config import Config
from train.families.sd15 import FAMILY
from train.methods import all_methods, config_of
from train.optimizers import OPTIMIZERS
from train.option_fields import described
from train.samples import schedulers
from train.samples.prompts import Prompt, parse
from train.samples.sampler import draw, opened_vae

_KNOWN = ", ".join(OPTIMIZERS)


@pytest.mark.parametrize(
    ("setting", "theirs", "ours"),
    [
        ("schedule", "cosine_with_restarts", "cosine-with-restarts"),
        ("schedule", "constant_with_warmup", "constant"),
        ("optimizer", "AdamW8bit", "adamw8bit"),
        ("optimizer", "AdamW", "adamw"),
        ("optimizer", "torch.optim.AdamW", "adamw"),
        ("optimizer", "Lion", "lion"),
        ("optimizer", "DAdaptAdam", "dadaptation"),
        ("optimizer", "AdamWScheduleFree", "adamw-schedulefree"),
        ("precision", "no", "fp32"),
        ("precision", "BF16", "bf16"),
        ("method", "networks.lora", "lora"),
        ("device", "CUDA", "cuda"),
        ("log", "TensorBoard", "tensorboard"),
    ],
)
def test_their_spelling_is_taken(setting: str, theirs: str, ours: str) -> None:
    """Case F9: what kohya's scripts call something that we have is that, in the recipe too."""
    found = config_of(**{setting: theirs})  # type: ignore[arg-type]

    assert getattr(found, setting) == ours
    assert found == config_of(**{setting: ours})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("setting", "theirs", "hint"),
    [
        ("schedule", "polynomial",
         "the nearest here is `cosine`; known: constant, cosine, cosine-with-restarts"),
        ("optimizer", "SGDNesterov", f"the nearest here is `adamw`; known: {_KNOWN}"),
        ("optimizer", "PagedAdamW8bit", f"the nearest here is `adamw8bit`; known: {_KNOWN}"),
        ("optimizer", "DAdaptLion", f"the nearest here is `dadaptation`; known: {_KNOWN}"),
        ("log", "wandb", "the nearest here is `tensorboard`; known: tensorboard"),
        ("method", "networks.oft", "the nearest here is `lora`; known: lora, finetune"),
        ("schedule", "cosin", "known: constant, cosine, cosine-with-restarts"),
    ],
)  # fmt: skip
def test_what_we_lack_is_refused_with_the_nearest(setting: str, theirs: str, hint: str) -> None:
    """Case F9: what only kohya's scripts have is refused in two lines that name what is near."""
    with pytest.raises(ConfigError) as caught:
        config_of(**{setting: theirs})  # type: ignore[arg-type]

    word = f"--{setting.replace('_', '-')}"
    assert (str(caught.value), caught.value.hint) == (f"`{word}` is `{theirs}`", hint)


@pytest.mark.parametrize(
    ("theirs", "ours"), [("safetensors", "file"), ("diffusers_safetensors", "folder")]
)
def test_their_spelling_of_a_method_s_own_option_is_taken(theirs: str, ours: str) -> None:
    """Case F9: the same of an option that one method has; what only they have names the nearest."""
    found = config_of("finetune", save_as=theirs)
    with pytest.raises(ConfigError) as caught:
        config_of("finetune", save_as="ckpt")

    assert found == config_of("finetune", save_as=ours)
    assert caught.value.hint == "the nearest here is `file`; known: folder, file"


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("ddim", "ddim"), ("ddpm", "ddpm"), ("pndm", "pndm"), ("euler", "euler"),
        ("k_euler", "euler"), ("euler_a", "euler_a"), ("k_euler_a", "euler_a"),
        ("Euler a", "euler_a"), ("heun", "heun"), ("dpmsolver", "dpmsolver"),
        ("dpmsolver++", "dpmsolver++"), ("dpmsingle", "dpmsingle"), ("k_dpm_2", "dpm_2"),
        ("dpm_2", "dpm_2"), ("k_dpm_2_a", "dpm_2_a"), ("dpm_2_a", "dpm_2_a"),
    ],
)  # fmt: skip
def test_samplers_of_prompt_files_are_taken(theirs: str, ours: str) -> None:
    """Case F9: `--ss` takes every name that kohya's scripts know, but those that need SciPy."""
    assert parse(f"a cat --ss {theirs} --s 5", Prompt("")) == Prompt("a cat", sampler=ours, steps=5)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("lms", "the nearest here is `--ss euler`"),
        ("k_lms", "the nearest here is `--ss euler`"),
        ("eular", "did you mean `euler`?"),
    ],
)
def test_a_sampler_that_we_lack(name: str, hint: str) -> None:
    """Case F9: a sampler that is not here is refused with the nearest that is."""
    with pytest.raises(ConfigError) as caught:
        parse(f"a --ss {name}", Prompt(""))

    assert (str(caught.value), caught.value.hint) == (f"`--ss {name}` is not known", hint)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("euler", "EulerDiscreteScheduler"),
        ("euler_a", "EulerAncestralDiscreteScheduler"),
        ("dpmsolver++", "DPMSolverMultistepScheduler"),
        ("heun", "HeunDiscreteScheduler"),
    ],
)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_picture_is_the_pipeline_s(base: Path, name: str, kind: str) -> None:
    """Case F9: from the same noise each sampler draws what diffusers' own pipeline draws."""
    import diffusers

    pipeline: Any = diffusers.StableDiffusionPipeline.from_pretrained(
        str(base), local_files_only=True
    )
    scheduler: Any = getattr(diffusers, kind)
    pipeline.scheduler = scheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear"
    )
    pipeline.set_progress_bar_config(disable=True)
    wanted = pipeline(
        "mascot", negative_prompt="bad", width=64, height=32, num_inference_steps=4,
        guidance_scale=3.0, generator=torch.Generator("cpu").manual_seed(5),
    ).images[0]  # fmt: skip
    prompt = Prompt("mascot", "bad", 64, 32, 5, 4, 3.0, name)

    found = draw(FAMILY.load(base, "cpu"), FAMILY, opened_vae(base, "cpu"), prompt)

    one, two = (
        torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).float()
        for picture in (found, wanted)
    )
    assert abs(one - two).max() <= 1


@pytest.mark.parametrize("name", schedulers.names_for(FAMILY))
def test_every_sampler_draws(base: Path, name: str) -> None:
    """Case F9: each name ends in a picture of the size that was asked for, the same twice."""
    opened, coder = FAMILY.load(base, "cpu"), opened_vae(base, "cpu")
    prompt = Prompt("mascot", width=32, height=32, steps=3, sampler=name)

    one, two = (draw(opened, FAMILY, coder, prompt) for _ in range(2))

    assert one.size == (32, 32)
    assert one.tobytes() == two.tobytes()


def test_a_word_of_ours_is_never_changed() -> None:
    """Case F9: what is spelt as we spell it, and what nobody knows, stays as it is."""
    assert spellings.ours("schedule", "cosine", ("cosine",)) == "cosine"
    assert spellings.ours("schedule", "odd", ("cosine",)) == "odd"
    assert spellings.nearest("schedule", "odd") is None


def _error(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    assert stopped.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("lora x --network-dim 4", "did you mean `--rank`?"),
        ("lora x --network_alpha=4", "did you mean `--alpha`?"),
        ("check x --train_batch_size 4", "did you mean `--batch`?"),
        ("finetune x --max-train-epochs 4", "did you mean `--epochs`?"),
        ("check x --network_module networks.lora", "did you mean `--method`?"),
        ("lora x --rnk 4", "did you mean `--rank`?"),
        ("lora x --bucket_reso_steps 64",
         "leave it out: `prep bucket` does that, see `prep bucket --help`"),
        ("finetune x --network-dim 4", "see `train finetune --help`"),
        ("check x --method finetune --network-dim 4", "see `train check --help`"),
        ("check x --method=finetune --rnk 4", "see `train check --help`"),
        ("check x --save_model_as ckpt", "see `train check --help`"),
        ("lora x --network_module networks.lora", "see `train lora --help`"),
        ("sample x --network-dim 4", "see `train sample --help`"),
    ],
)  # fmt: skip
def test_their_names_of_settings_are_answered_with_ours(
    capsys: pytest.CaptureFixture[str], words: str, hint: str
) -> None:
    """Case F9: an option by kohya's name is refused with ours, where the method has it."""
    assert _error(capsys, *words.split()).splitlines()[1] == f"hint: {hint}"


def test_every_name_that_is_proposed_is_there() -> None:
    """Case F9: the tables name settings and commands that there are."""
    kinds = [Config, *(method.options for method in all_methods().values())]
    settings = {"method", *(item.name for kind in kinds for item in described(kind))}
    commands = all_commands(all_stages().values())

    assert set(spellings._SETTINGS.values()) <= settings
    assert not settings & set(spellings._SETTINGS)
    assert set(spellings._OF_PREP.values()) <= set(commands)
