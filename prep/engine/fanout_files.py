"""What a fan-out makes: the files of derived pictures, their lineage, and the ledger's rows."""

import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from prep.engine import cutting
from prep.engine.committer import CommitBatch, Row
from prep.engine.decoding.outcome import Part, UnwrittenError
from prep.engine.plan import PlannedStage, StagePlan
from prep.engine.report import Report
from prep.engine.session import Session
from prep.engine.stage_call import Outcome
from prep.engine.state import artifacts, publish
from prep.engine.state.recipe import Made
from prep.images.pixel_steps import PixelStep, steps_of
from prep.runtime import files
from prep.runtime.files import digest_bytes
from prep.stage import DIGEST, KEY, LINEAGE, Derived

_Child = tuple[publish.Output, dict[str, Any]]  # a file, and its lineage


def _parts_of(session: Session, outcome: Outcome) -> list[Part]:
    """Return what is to be written of a picture, to files that wait for their names."""
    root, state = session.job.location.root, session.ledger.state
    parts = []
    for derived in outcome.value:
        name = name_of(outcome.key, derived.name)
        path = root / name
        publish.check_way(path, name)
        with files.disk_errors(path, state):
            path.parent.mkdir(parents=True, exist_ok=True)
        scratch = publish.scratch_for(path, state)
        parts.append(Part(scratch, _steps_of(derived)))
    return parts


def _steps_of(derived: Derived) -> tuple[PixelStep, ...] | None:
    """Return what makes a derived picture; None where the source's file is copied."""
    if derived.steps:
        return derived.steps
    return steps_of(derived.image.box, flip=derived.image.flip) if derived.image else None


def outcomes(
    session: Session, plan: StagePlan, note: Callable[[str], None]
) -> Generator[list[Outcome], None, None]:
    """Yield what becomes of each picture, its files written but for their names."""
    parts = partial(_parts_of, session)
    made = cutting.outcomes(plan, session.values, session.context.jobs, note, parts)
    try:
        with closing(made):  # the files of pictures under way are removed
            for outcome in made:
                yield [outcome]
    except UnwrittenError as error:
        with files.disk_errors(error.parts[0].to.parent, session.ledger.state):
            raise error.error from None


def batch(
    session: Session, step: PlannedStage, report: Report, done: Iterable[Outcome]
) -> CommitBatch:
    """Return the files of pictures that are done, and what the ledger is told of all.

    Nothing is told of a picture that could not be read just now: what was made of it stays.
    """
    rows: list[Row] = []
    ours: list[_Child] = []
    for outcome in (one for one in done if not one.passing):
        if outcome.state != "made":
            made = Made(step.base, outcome.inputs, "", outcome.state, outcome.why)
            rows.append((outcome.key, made, None))
            continue
        children, kept = _children(session, step, outcome, report)
        ours += kept
        body = artifacts.dumped(children)
        rows.append((outcome.key, Made(step.base, outcome.inputs, digest_bytes(body)), body))

    def tell() -> None:
        for output, lineage in ours:
            told = artifacts.dumped(lineage).decode()
            session.ledger.set_lineage(output.name, output.digest(), told)

    outputs = [output for output, _ in ours]
    there = {one.name: one.digest() for one in outputs if _is_there(session, one)}
    _remove_scratch(one for one in outputs if one.name in there)
    new = [one for one in outputs if one.name not in there]
    return CommitBatch(new, step.stage.name, (), rows, tell, there)


def _children(
    session: Session, step: PlannedStage, outcome: Outcome, report: Report
) -> tuple[list[dict[str, Any]], list[_Child]]:
    """Return what the ledger is told of each derived picture, and those that are written.

    A file that a person put in the place of one is kept, and ours goes.
    """
    told: list[dict[str, Any]] = []
    ours: list[_Child] = []
    for derived, scratch, digest in outcome.value:
        name = name_of(outcome.key, derived.name)
        output = publish.Output(session.job.location.root / name, name, digest, scratch)
        if _edited(session, output, report):
            _remove_scratch([output])
            told.append({"name": name})
            continue
        lineage = _lineage(session, step, outcome.key, derived)
        ours.append((output, lineage))
        told.append({"name": name, DIGEST: output.digest(), **lineage})
    return told, ours


def _remove_scratch(outputs: Iterable[publish.Output]) -> None:
    for output in outputs:
        if output.written:
            output.written.unlink(missing_ok=True)


def name_of(key: str, part: str) -> str:
    """Return the key of a picture's part; the picture itself has no name."""
    return f"{key}@{part}.png" if part else key


def _edited(session: Session, output: publish.Output, report: Report) -> bool:
    """Return whether a person's file stands where ours would go; it is kept and named."""
    found = session.digests.of(os.fspath(output.path.absolute())) if output.path.exists() else None
    if found is None or found in (session.written.outputs.get(output.name), output.digest()):
        return False
    report.edited.append(output.name)
    return True


def _is_there(session: Session, output: publish.Output) -> bool:
    """Return whether what would be written is there, though nothing is known of it."""
    lost = output.name not in session.written.outputs and output.path.exists()
    return lost and session.digests.of(os.fspath(output.path.absolute())) == output.digest()


def _lineage(session: Session, step: PlannedStage, key: str, derived: Derived) -> dict[str, Any]:
    source, location = session.inventory.location, session.job.location
    told: dict[str, Any] = {
        "root": relative(source.root, location.root),
        KEY: key,
        "kind": step.stage.name,
        "box": list(derived.box),
        "flip": derived.flip,
    }
    if derived.steps:
        told[DIGEST] = session.inventory.digests[key]
        told["steps"] = [list(one) for one in derived.steps]
    told |= derived.about
    known = session.values.source  # of a picture that was derived itself, the share goes on
    before = (known.value(LINEAGE, key) if known else None) or {}
    share = told.pop("share", 1.0) * before.get("share", 1.0)
    told |= {"share": share} if share != 1 else {}
    if source.state.absolute() != source.root.absolute() / ".prep":
        told["state"] = relative(source.state, location.root)
    return told


def relative(path: Path, start: Path) -> str:
    """Return a path as it is told from another folder: POSIX, both need not be there."""
    return Path(os.path.relpath(path.absolute(), start.absolute())).as_posix()
