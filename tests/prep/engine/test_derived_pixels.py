"""Fan-outs that do more than cut: steps, lineage, masks alike, what their source knows."""

import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from prep.commands import plan
from prep.engine.decoding.outcome import DecodedPicture, Part
from prep.engine.decoding.pool import Decoders
from prep.engine.explain_sample import of_person
from prep.engine.opening import read_only_session
from prep.engine.report import Report
from prep.engine.runner import carry_out
from prep.engine.session import Context, Job
from prep.images import fitting, pixel_steps
from prep.images.pixel_steps import SIZE, TURN, PixelStep
from prep.models.locate import Models
from prep.pipeline.locations import location_of
from prep.runtime.console import Console
from prep.stage import Derived, Rejected, RequestedStage, Shape, Stage, param
from prep.stages import all_stages
from tests.prep.conftest import Draw

STEPS = (PixelStep(TURN, (10, 10, 74, 58, 4.0)), PixelStep(SIZE, (32, 24)))


@dataclass(frozen=True)
class Lean:
    degrees: float = param(4.0, "degrees", ge=-45, le=45)


def tilt(image: Any, words: str | None, lean: float | None, params: Lean) -> Any:
    """Turn each picture."""
    if words == "no":
        return Rejected("its caption says no")
    box = (10, 10, 74, 58)
    about = {"part": "corner", "detector": "nobody"}
    steps = (PixelStep(TURN, (*box, lean or params.degrees)), STEPS[1])
    return [Derived("tilted", None, box, steps=steps, about=about), Derived("", None, (0, 0, 9, 9))]


def lean(image: Any, params: Lean) -> float:
    """Say how much a picture leans."""
    return params.degrees


TILT = Stage(
    "tilt", 1, ("image", "caption?", "lean?"), "pictures", tilt, "Turn.", ("tilt",), Lean,
    shape=Shape.FAN_OUT,
)  # fmt: skip
LEAN = Stage("lean", 1, ("image",), "lean", lean, "Lean.", ("lean",), Lean)


@pytest.fixture
def context(home: Path) -> Context:
    """A run of the stages there are, and two more."""
    quiet = Console(out=io.StringIO(), err=io.StringIO())
    stages = {**all_stages(), "tilt": TILT, "lean": LEAN}
    return Context(stages, Models(home / "data", offline=True), quiet, 1)


@pytest.fixture
def tilted(home: Path, draw: Draw, context: Context) -> Callable[[], Report]:
    """Run the fan-out from `raw` to `out`; two pictures, the first with a mask."""
    draw("raw/a.png", (96, 72))
    draw("raw/b.png", (90, 70))
    Image.linear_gradient("L").resize((96, 72)).save(home / "raw" / "a.mask.png")
    return lambda: carry_out(_job(), context)


def _job() -> Job:
    asked = (RequestedStage(TILT, Lean(), "tilt"),)
    return Job(location_of(Path("out"), None, None), asked, source=_raw())


def _raw() -> Any:
    return location_of(Path("raw"), None, None)


def test_steps_are_done_by_the_decoder(home: Path, tilted: Callable[[], Report]) -> None:
    """A derived picture is what its steps make of the source; others are copied byte for byte."""
    assert tilted().made["tilt"] == 2
    assert tilted().made["tilt"] == 0

    source = Image.open(home / "raw" / "a.png")
    with Image.open(home / "out" / "a.png@tilted.png") as found:
        assert found.tobytes() == pixel_steps.done(source, STEPS).tobytes()
    assert (home / "out" / "a.png").read_bytes() == (home / "raw" / "a.png").read_bytes()


def test_the_lineage_says_all_of_it(tilted: Callable[[], Report], context: Context) -> None:
    """Source, its digest, box, part, detector and steps are kept, and told up the line."""
    tilted()
    out, more = (location_of(Path(name), None, None) for name in ("out", "more"))
    carry_out(replace(_job(), location=more, source=out), context)

    with read_only_session(Job(more, ()), context) as session:
        lineage = session.inventory.lineage["a.png@tilted.png@tilted.png"]
        told = list(of_person(session, "a.png@tilted.png@tilted.png"))

    assert lineage["steps"] == [[TURN, [10, 10, 74, 58, 4.0]], [SIZE, [32, 24]]]
    assert len(lineage["digest"]) == 64
    assert (lineage["kind"], lineage["key"]) == ("tilt", "a.png@tilted.png")
    each = (
        "by tilt: corner, found by nobody, turned by 4 degrees and cut to 10,10 to 74,58 px,"
        " resized to 32x24 px"
    )
    assert told == [
        f"made from a.png@tilted.png of `../out` {each}",
        f"which was made from a.png of `../raw` {each}",
    ]


def test_it_sees_a_small_picture_and_writes_from_the_large_one(home: Path, draw: Draw) -> None:
    """What `fit` makes of a picture is seen with its outline; the parts are of all its pixels."""
    path = draw("a.png", (96, 72))
    seen: list[Any] = []

    def parts(key: int, picture: DecodedPicture) -> list[Part]:
        seen.append((picture.size, picture.small_image()))
        return [Part(home / "part.png", STEPS)]

    fit = (fitting.Resize(fitting.AT_MOST, "BOX", size=24),)
    with Decoders(1, fit=fit, parts=parts) as pool:
        [(_, found)] = pool.decoded([(0, path)])

    source = Image.open(path)
    assert seen[0][0] == (96, 72)
    assert seen[0][1].tobytes() == fitting.fitted(source, fit).tobytes()
    assert isinstance(found, DecodedPicture)
    assert (found.rgb, found.small, len(found.files)) == (b"", (0, 0), 1)
    with Image.open(home / "part.png") as part:
        assert part.tobytes() == pixel_steps.done(source, STEPS).tobytes()
    source.close()


def test_the_mask_goes_through_the_same_steps(
    home: Path, tilted: Callable[[], Report], context: Context
) -> None:
    """What lies over the source lies over the derived picture, turned and resized alike."""
    tilted()
    with read_only_session(Job(location_of(Path("out"), None, None), ()), context) as session:
        session.values.digests("mask_file")
        plane = session.values.plane("mask_file", "a.png@tilted.png")
    mask = Image.open(home / "raw" / "a.mask.png").convert("RGB")

    found = fitting.fitted(mask, plane.steps)

    wanted = pixel_steps.done(mask, STEPS, pixel_steps.BLACK)
    assert np.array_equal(np.asarray(found), np.asarray(wanted))


def test_it_reads_what_its_source_folder_knows(
    home: Path, tilted: Callable[[], Report], context: Context
) -> None:
    """Words of a person and results of maps reach a fan-out; those of other pixels do not."""
    tilted()
    (home / "raw" / "b.caption").write_text("no\n")
    lean_of = (RequestedStage(LEAN, Lean(degrees=9.0), "lean"),)
    carry_out(Job(_raw(), lean_of), context)

    assert tilted().rejected == {"b.png": "its caption says no"}
    source = Image.open(home / "raw" / "a.png")
    steps = (PixelStep(TURN, (10, 10, 74, 58, 9.0)), STEPS[1])
    with Image.open(home / "out" / "a.png@tilted.png") as found:
        assert found.tobytes() == pixel_steps.done(source, steps).tobytes()
    assert not (home / "out" / "b.png").exists()

    source.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(home / "raw" / "a.png")
    tilted()  # how the other picture leant says nothing of this one
    with Image.open(home / "out" / "a.png@tilted.png") as found:
        source = Image.open(home / "raw" / "a.png")
        assert found.tobytes() == pixel_steps.done(source, STEPS).tobytes()


def test_a_plan_waits_for_what_is_yet_to_be_made(
    tilted: Callable[[], Report], context: Context
) -> None:
    """What an earlier command will say of the source is waited for; nothing is planned twice."""
    tilted()
    out = io.StringIO()
    said = replace(context, console=Console(out=out, err=out))
    maps = Job(_raw(), (RequestedStage(LEAN, Lean(), "lean"),))

    upcoming, _ = plan._print_plan(maps, said, plan.Upcoming())
    plan._print_plan(_job(), said, upcoming)

    assert out.getvalue() == (
        "raw:\n  lean          2 to do: new\nout:\n  tilt          2 waiting for lean\n"
    )
