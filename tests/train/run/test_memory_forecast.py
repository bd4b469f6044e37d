"""The memory that is forecast is what torch allocates, and what was recorded at real sizes."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models import clip_tokens
from prep.models.locate import Models
from tests.rows import few_of
from tests.train.conftest import build_dataset
from tests.train.families.test_key_tables import ENCODERS, NETWORKS
from train.config import Config
from train.families import all_families
from train.families.family import Base
from train.families.loading import quiet
from train.methods import all_methods, config_of
from train.run import memory_question
from train.run.card_sizes import card_note, cards
from train.run.decide import decide
from train.run.execute import opened, trainer_of
from train.run.memory_forecast import PassShape, attached, forecast
from train.step.distributed import Processes
from train.step.loop import train

GIB = 1 << 30
CONFIGS = Path(clip_tokens.__file__).parent / "configs"
SETTINGS: tuple[Mapping[str, Any], ...] = (
    {"batch": 2},
    {"batch": 1, "precision": "bf16"},
    {"batch": 2, "gradient_checkpointing": True, "text_encoder": True, "prior_prediction": 1.0},
)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, tuple[Path, Path]]:
    """A small base model of each family, and a dataset for it."""
    top = tmp_path_factory.mktemp("memory")
    found = {}
    for name, family in all_families().items():
        base = family.tiny.write(top / name)
        found[name] = base, build_dataset(top / f"{name}-data", base, 2, ((128, 128),))
    return found


def _most(act: Callable[[], None]) -> int:
    """Return the most bytes that torch's allocator gave out at once, over those before."""
    with torch.autograd.profiler.profile(profile_memory=True) as seen:
        act()
    events = [one for one in seen.kineto_results.events() if one.name() == "[memory]"]
    now = most = 0
    for one in sorted(events, key=lambda event: event.start_ns()):
        now += one.nbytes()
        most = max(most, now)
    return most


def _rows() -> list[tuple[str, str, int]]:
    """Return each family with each of the settings, methods in turn."""
    found = []
    for f, family in enumerate(all_families().values()):
        methods = [name for name, one in all_methods().items() if one.trains(family)]
        found += [(family.name, methods[(f + s) % len(methods)], s) for s in range(len(SETTINGS))]
    return found


@pytest.mark.parametrize(("family", "method", "setting"), few_of(_rows(), every=2))
def test_the_forecast_is_what_torch_allocates(
    places: Mapping[str, tuple[Path, Path]],
    models: Models,
    tmp_path: Path,
    family: str,
    method: str,
    setting: int,
) -> None:
    """The most at once is within a tenth of what the allocator gives out in two steps."""
    base, meta = places[family]
    record, given = all_methods()[method], dict(SETTINGS[setting])
    if not record.of_parts:
        given.pop("text_encoder", None)
    if record.alone is None:
        given.pop("prior_prediction", None)
    config = config_of(method, steps=2, out=tmp_path, **given)
    run = decide([meta], config, models)
    training = opened(run, Processes())
    modules = [training.base.network, *training.base.encoders.values()]
    modules += training.base.frozen.values()
    before = sum(one.nbytes for part in modules for one in [*part.parameters(), *part.buffers()])
    trainer = trainer_of(run, training.base)
    real = before + _most(lambda: train(training, trainer, 0, 2, lambda step: None))

    outline = run.family.outline(base).base
    assert outline is not None
    asked = memory_question.question(run)
    found = memory_question.answer(asked, outline, run.family, None, "cpu")

    assert found["peak"] == pytest.approx(real, rel=0.1)
    assert found["cards"] == {"8": [], "12": [], "16": [], "24": []}


def _real_size() -> Base:
    """Return Stable Diffusion 1.5 at its real size, on the meta device."""
    import diffusers
    import transformers
    from transformers import CLIPTokenizer

    family = all_families()["sd15"]
    layers, width, heads = ENCODERS["sd15"]["text_encoder"]
    config = transformers.CLIPTextConfig(
        num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads,
        intermediate_size=4 * width,
    )  # fmt: skip
    with torch.device("meta"), quiet():
        network: Any = diffusers.UNet2DConditionModel(**NETWORKS["sd15"])
        encoder = transformers.CLIPTextModel(config)
    words = CLIPTokenizer(vocab=clip_tokens.vocabulary([]), merges=[], model_max_length=77)
    process = family.process.read(CONFIGS / "sd15" / "scheduler", family.prediction)
    return Base(network, {"tokenizer": words}, process, "meta", {"text_encoder": encoder})


@pytest.mark.parametrize(
    ("method", "given", "recorded"),
    [
        pytest.param("lora", {}, (3.23, 0.08, 1.72), marks=pytest.mark.long),
        ("lora", {"precision": "bf16", "gradient_checkpointing": True}, (1.63, 0.08, 0.19)),
        pytest.param("finetune", {"precision": "bf16"}, (3.20, 9.61, 2.44), marks=pytest.mark.long),
        ("finetune", {"gradient_checkpointing": True}, (3.20, 9.61, 0.29)),
    ],
)
def test_real_sizes_are_those_on_record(
    method: str, given: Mapping[str, Any], recorded: tuple[float, float, float]
) -> None:
    """Stable Diffusion 1.5 at 512 px, batch 1: weights, learning and activations, in GiB."""
    family, config = all_families()["sd15"], config_of(method, **given)
    base = attached(_real_size(), family, config, "cpu")

    found = forecast(base, family, config, PassShape(1, (512, 512)))

    told = (found.weights / GIB, found.learning / GIB, found.activations / GIB)
    assert told == pytest.approx(recorded, rel=0.1)
    assert found.peak >= sum(recorded) * 0.7 * GIB


@pytest.mark.parametrize(
    ("need", "found"),
    [
        (lambda config: 7 * GIB, {8: [], 12: [], 16: [], 24: []}),
        (
            lambda config: (10 if config.precision == "fp32" else 7) * GIB,
            {8: ["--precision bf16"], 12: [], 16: [], 24: []},
        ),
        (
            lambda config: (14 if config.batch > 1 else 8) * GIB,
            {
                8: None,
                12: ["--precision bf16", "--gradient-checkpointing", "--batch 1", "--accumulate 8"],
                16: [],
                24: [],
            },
        ),
        (lambda config: 90 * GIB, {8: None, 12: None, 16: None, 24: None}),
    ],
)
def test_the_mildest_change_that_fits_is_told(
    need: Callable[[Config], int], found: Mapping[int, list[str] | None]
) -> None:
    """Nothing where it fits; else what costs least, in the order of what it costs."""
    assert cards(config_of(batch=4, accumulate=2, precision="fp32"), need) == found


def test_a_card_that_is_too_small_is_told() -> None:
    """One line before the training, and no refusal; nothing where it fits or there is none."""
    assert card_note({"there": 8 * GIB, "peak": 9 * GIB}) == (
        "the training takes about 9.0 GiB, and the GPU has 8.0 GiB: see above what makes it fit"
    )
    assert card_note({"there": 8 * GIB, "peak": 7 * GIB}) is None
    assert card_note({"there": 0, "peak": 9 * GIB}) is None
    assert card_note({}) is None


def test_what_changes_no_memory_is_not_asked_anew(
    places: Mapping[str, tuple[Path, Path]], models: Models, tmp_path: Path
) -> None:
    """Another learning rate or seed gives the same question; another rank does not."""
    meta = places["sd15"][1]
    first, other, wider = (
        memory_question.question(decide([meta], config_of(out=tmp_path, **given), models))
        for given in ({}, {"learning_rate": 3e-5, "seed": 4}, {"rank": 8})
    )

    assert first == other
    assert first != wider
