from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from prep.engine import compute
from prep.engine.plan import PlannedStage
from prep.engine.stage_call import Caller, Outcome, called
from prep.images.fitting import PAD, SQUARE, Resize
from prep.runtime.errors import MachineError
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
    usual_batch: int = 1


def step(model: Model, fit: Any = None) -> PlannedStage:
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
    return PlannedStage(stage, Params(), 0, (), "count")


def test_a_fall_to_the_cpu_is_said_before_the_work() -> None:
    """Row 58: the warning comes when the model is opened, once, and again at the end."""
    notes: list[str] = []
    warnings: list[str] = []
    call = Caller(step(Model(NOTE)), notes.append, warnings.append)

    assert call([(Image.new("RGB", (1, 1)),)]) == [2]
    call([(Image.new("RGB", (1, 1)),)])

    assert warnings == [f"warning: count: {NOTE}"]
    assert notes == [f"count: {NOTE}"]


@pytest.mark.parametrize(("asked", "usual", "given"), [(2, 3, 2), (0, 3, 3), (0, 1, 1)])
def test_a_batch_that_was_left_open_is_as_the_model_would_have_it(
    asked: int, usual: int, given: int
) -> None:
    """0 lets the model choose, for the device that it runs on; another number is what is taken."""
    open_step = replace(step(Model(None, usual)), params=Params(asked))

    assert Caller(open_step, print)([(Image.new("RGB", (1, 1)),)]) == [given]


def test_a_model_where_it_should_be_is_silent() -> None:
    """Nothing is said of a model that runs where a person expects it."""
    said: list[str] = []
    call = Caller(step(Model(None)), said.append, said.append)
    call([(Image.new("RGB", (1, 1)),)])

    assert said == []


@pytest.mark.parametrize(
    "steps", [(), (Resize(PAD, colour=(1, 2, 3)), Resize(SQUARE, "BOX", size=4))]
)
def test_how_pictures_are_fitted_is_the_models_to_say(steps: tuple[Resize, ...]) -> None:
    """The steps are asked of the loaded model; a stage without them gets whole pictures."""
    model = Model(None)
    asked: list[Any] = []

    def fit(params: Any, loaded: Any, others: Any) -> tuple[Resize, ...]:
        asked.append(loaded)
        return steps

    assert Caller(step(model, fit), print).fit(lambda key: {})("a.png") == steps
    assert asked == [model]
    assert Caller(step(model), print).fit(lambda key: {})("a.png") == ()


def test_a_fitted_picture_is_small_when_it_arrives(tmp_path: Path) -> None:
    """What crosses the pipe is the square; the digest is still that of the whole file."""
    import hashlib

    from prep.engine.decoding.outcome import DecodedPicture
    from prep.engine.decoding.pool import Decoders
    from prep.images.fitting import fitted

    path = tmp_path / "a.png"
    image = Image.effect_noise((60, 40), 80).convert("RGB")
    image.save(path)
    steps = (Resize(PAD, colour=(9, 8, 7)), Resize(SQUARE, "BICUBIC", size=16))

    with Decoders(1, fit=steps) as pool:
        [(_, found)] = pool.decoded([(0, path)])

    assert isinstance(found, DecodedPicture)
    assert found.size == (16, 16)
    assert found.rgb == fitted(image, steps).tobytes()
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


CPU_FULL = (
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 4503599627370496 bytes. Error code 12 (Cannot allocate memory)"
)
SMALLER = "run again with a smaller `--batch`"
CLOSE = "close what else needs memory, then run the same command again"


class OutOfMemoryError(RuntimeError):
    """Named as torch names its own."""


@pytest.mark.parametrize(
    ("error", "batch", "message", "hint"),
    [
        (OutOfMemoryError("CUDA out of memory."), 2, "the device ran out of memory", SMALLER),
        (OutOfMemoryError("CUDA out of memory."), 1, "the device ran out of memory", CLOSE),
        (RuntimeError(CPU_FULL), 2, "the machine ran out of memory", SMALLER),
        (MemoryError(), 1, "the machine ran out of memory", CLOSE),
        (
            RuntimeError("CUDA error: unspecified launch failure\nCUDA kernel errors might be"),
            2,
            "the device failed: CUDA error: unspecified launch failure",
            "run the same command again; if that fails as well, add `--device cpu`",
        ),
    ],
)
def test_what_the_machine_lacks_is_no_pictures_fault(
    error: Exception, batch: int, message: str, hint: str
) -> None:
    """Full memory and a lost card end the run in two lines; no picture is remembered as failed."""

    def run(*_: Any) -> Any:
        raise error

    broken = step(Model(None))
    broken = replace(broken, stage=replace(broken.stage, run=run), params=Params(batch))

    with pytest.raises(MachineError) as caught:
        called(Caller(broken, print), [("a.png", "", (None,)), ("b.png", "", (None,))])
    assert (str(caught.value), caught.value.hint) == (message, hint)


def test_a_picture_that_a_model_does_not_take_costs_no_other() -> None:
    """Where a batch fails, each picture goes alone, and only the culprit fails."""

    def run(images: list[Any], *_: Any) -> list[Any]:
        if None in images:
            raise RuntimeError("shapes do not match")
        return [len(images)] * len(images)

    odd = step(Model(None))
    odd = replace(odd, stage=replace(odd.stage, run=run))

    found = called(Caller(odd, print), [("a.png", "1", (None,)), ("b.png", "2", (1,))])

    assert found == [
        Outcome("a.png", "1", None, "failed", "RuntimeError: shapes do not match"),
        Outcome("b.png", "2", 2),
    ]


def test_a_batch_of_whole_pictures_is_bound_by_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case D3: pictures that a model wants whole wait together only as far as memory reaches."""
    monkeypatch.setattr(compute, "_GROUP_BYTES", 4 * 30 * 10)
    image = Image.new("RGB", (20, 10))
    read = [(str(n), "", (image, "words")) for n in range(3)]
    plan: Any = SimpleNamespace(step=SimpleNamespace(stage=SimpleNamespace(group_by=None)))
    values: Any = SimpleNamespace(digest=None)
    groups = list(compute._groups(read, plan, values, 8))

    assert [[item[0] for item in group] for group in groups] == [["0"], ["1"], ["2"]]
