"""What kohya's scripts call what we have."""

import pytest

from prep.pipeline.subcommands import all_commands
from prep.runtime.errors import ConfigError
from prep.stages import all_stages
from train import spellings
from train.cli.app import main
from train.config import Config
from train.methods import all_methods, config_of
from train.optimizers import OPTIMIZERS
from train.option_fields import described
from train.schedule_rows import SCHEDULES

_KNOWN, _SCHEDULES = ", ".join(OPTIMIZERS), ", ".join(SCHEDULES)
_METHODS = ", ".join(all_methods())


@pytest.mark.parametrize(
    ("setting", "theirs", "ours"),
    [
        ("schedule", "cosine_with_restarts", "cosine-with-restarts"),
        ("schedule", "constant_with_warmup", "constant"),
        ("schedule", "polynomial", "polynomial"),
        ("schedule", "inverse_sqrt", "inverse-sqrt"),
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
        ("schedule", "adafactor", f"the nearest here is `constant`; known: {_SCHEDULES}"),
        ("optimizer", "SGDNesterov", f"the nearest here is `adamw`; known: {_KNOWN}"),
        ("optimizer", "PagedAdamW8bit", f"the nearest here is `adamw8bit`; known: {_KNOWN}"),
        ("optimizer", "DAdaptLion", f"the nearest here is `dadaptation`; known: {_KNOWN}"),
        ("log", "wandb", "the nearest here is `tensorboard`; known: tensorboard"),
        ("method", "networks.oft", f"the nearest here is `lora`; known: {_METHODS}"),
        ("schedule", "cosin", f"known: {_SCHEDULES}"),
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
        ("lora x --num_class_images 200",
         "leave it out: `train class-pictures` draws class pictures, see its `--help`"),
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
