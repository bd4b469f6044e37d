from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.engine.compute import Caller
from prep.engine.plan import Step
from prep.fitting import PAD, SQUARE, Fit
from prep.stage import Shape, Stage, param

NOTE = (
    "CUDAExecutionProvider could not be started: "
    "tagging runs on CPUExecutionProvider, which is much slower"
)


@dataclass(frozen=True)
class Params:
    batch: int = param(2, "pictures per call")


@dataclass(frozen=True)
class Model:
    """What a stage loads: a tagger that fell back to the CPU."""

    note: str | None


def step(model: Model, fit: Any = None) -> Step:
    """Return a step whose stage counts what it is given."""
    stage = Stage(
        name="count",
        version=1,
        shape=Shape.MAP,
        reads=("image",),
        writes="counts",
        params=Params,
        run=lambda images, params, loaded: [len(images)] * len(images),
        help="Count.",
        commands=("count",),
        load=lambda params, found: model,
        batch="batch",
        fit=fit,
    )
    return Step(stage, Params(), 0, (), "count")


def test_a_fall_to_the_cpu_is_said_before_the_work() -> None:
    """Row 58: the warning comes when the model is opened, once, and again at the end."""
    notes: list[str] = []
    warnings: list[str] = []
    call = Caller(step(Model(NOTE)), notes.append, warnings.append)

    assert call([(Image.new("RGB", (1, 1)),)]) == [2]
    call([(Image.new("RGB", (1, 1)),)])

    assert warnings == [f"warning: count: {NOTE}"]
    assert notes == [f"count: {NOTE}"]


def test_a_model_where_it_should_be_is_silent() -> None:
    """Nothing is said of a model that runs where a person expects it."""
    said: list[str] = []
    call = Caller(step(Model(None)), said.append, said.append)
    call([(Image.new("RGB", (1, 1)),)])

    assert said == []


@pytest.mark.parametrize("steps", [(), (Fit(PAD, colour=(1, 2, 3)), Fit(SQUARE, "BOX", size=4))])
def test_how_pictures_are_fitted_is_the_models_to_say(steps: tuple[Fit, ...]) -> None:
    """The steps are asked of the loaded model; a stage without them gets whole pictures."""
    model = Model(None)
    asked: list[Any] = []

    def fit(loaded: Any) -> tuple[Fit, ...]:
        asked.append(loaded)
        return steps

    assert Caller(step(model, fit), print).fit() == steps
    assert asked == [model]
    assert Caller(step(model), print).fit() == ()


def test_a_fitted_picture_is_small_when_it_arrives(tmp_path: Path) -> None:
    """What crosses the pipe is the square; the digest is still that of the whole file."""
    import hashlib

    from prep.engine.decoders import Decoders, Picture
    from prep.fitting import fitted

    path = tmp_path / "a.png"
    image = Image.effect_noise((60, 40), 80).convert("RGB")
    image.save(path)
    steps = (Fit(PAD, colour=(9, 8, 7)), Fit(SQUARE, "BICUBIC", size=16))

    with Decoders(1, fit=steps) as pool:
        [(_, found)] = pool.decoded([(0, path)])

    assert isinstance(found, Picture)
    assert found.size == (16, 16)
    assert found.rgb == fitted(image, steps).tobytes()
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
