"""All that is known of one picture: what a person wrote, what each step made of it and would do."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from prep.dataset import dataset_file
from prep.dataset.account import account
from prep.engine import fanout
from prep.engine.accounting import accounts
from prep.engine.decoding.outcome import Failure
from prep.engine.decoding.pool import Decoders
from prep.engine.preview import Coming, StagePreview
from prep.engine.session import Session
from prep.engine.sidecars import as_written
from prep.engine.state.file_stat import path_in
from prep.engine.state.recipe import WAITS, Made, Why, changed_params
from prep.stage import KEY, Shape, Stage


def knows(session: Session) -> set[str]:
    """Return the keys of all pictures that a session can say something of."""
    inventory = session.inventory
    renamed = {old for old, _ in inventory.renamed}
    return {*inventory.digests, *inventory.faulty, *inventory.gone, *renamed}


def said(session: Session, key: str) -> Iterator[str]:
    """Yield where a picture comes from, what is wrong with it and what a person wrote for it."""
    inventory = session.inventory
    yield from _history(session, key)
    for listed in (inventory.faulty, inventory.clashing, inventory.dropped):
        if key in listed:
            yield listed[key]
    for (at, field), edit in sorted(inventory.edits.items()):
        if at == key:
            yours = f"yours, from {edit.source}"
            open_ = f"in {edit.source}; yours unless the machine says the same"
            certain = edit.proven or not session.values.lost
            yield f"{field}: {yours if certain else open_}: {str(edit.value).strip()}"
    for (at, field), text in sorted(inventory.conflicts.items()):
        if at == key:
            yield f"{field}: conflict: {text}"


def noticed(session: Session, key: str) -> Iterator[str]:
    """Yield what a person should know of the picture itself, such as frames that are not used.

    It is decoded for that, by a process of its own: what a run says once is told here every time.
    """
    folder = session.inventory.folder
    if key not in folder.pictures or key in session.inventory.faulty:
        return
    with Decoders(1) as decoders:
        for _, found in decoders.decoded([(key, Path(path_in(folder.root, folder.pictures[key])))]):
            if not isinstance(found, Failure):
                yield from found.warnings


def words(session: Session, key: str) -> Iterator[str]:
    """Yield what trains of a picture's words, by each dataset file of it, and what does not."""
    for name in accounts(session):
        file = session.inventory.location.file(name)
        shown = os.path.relpath(file)
        found = dataset_file.load(file)
        if key in found.left_out:
            yield f"{shown}: left out: {found.left_out[key]}"
        if key in found.samples:
            sample = found.samples[key]
            text = sample.training_text(found.trigger(sample))
            yield f"{shown}: trains on {f'`{text}`' if text else 'no text'}"
            yield from (f"{shown}: {line}" for line in account(found, [key]).of(key))


def _history(session: Session, key: str) -> Iterator[str]:
    inventory = session.inventory
    if key in inventory.gone:
        yield "it is gone since the last run"
    yield from (f"it was renamed to {new}" for old, new in inventory.renamed if old == key)
    yield from (f"it was named {old}" for old, new in inventory.renamed if new == key)
    if key in inventory.lineage:
        yield _origin(inventory.lineage[key])


def of_rows(
    session: Session, rows: Iterable[StagePreview], key: str, coming: Coming
) -> Iterator[str]:
    """Yield a line per step: up to date, or why not, and what the machine says."""
    for row in rows:
        stage = row.step.stage
        if stage.shape is Shape.VIEW or key in session.inventory.dropped:
            continue
        made = session.values.made(stage.name).get(key)
        line = _would(session, row, key, made, coming)
        if line:
            yield f"{stage.name}: {line}{_machine(session, stage, key, made)}"


def of_results(session: Session, key: str) -> Iterator[str]:
    """Yield a line per stage with a result, where no pipeline says what is wanted now."""
    session.know_recipes()
    for stage in session.context.stages.values():
        made = session.values.made(stage.name).get(key)
        if made is None:
            continue
        stale = _input_changed(session, stage, key, made)
        state = _bad(made) if made.state != "made" else "up to date"
        yield (
            f"{stage.name}: {f'stale: {Why.INPUTS}' if stale else state}"
            f"{_machine(session, stage, key, made)}"
        )


def _would(session: Session, row: StagePreview, key: str, made: Made | None, coming: Coming) -> str:
    """Return what a step would do with a sample; empty where it has nothing to do with it."""
    if key in row.run:
        word = "will be written" if row.step.stage.shape is Shape.SIDECAR else "will run"
        return f"{word}: {_reason(session, row, row.run[key], made)}"
    if key in row.reused:
        return f"was made before: {_reason(session, row, row.reused[key], made)}"
    if key in row.waits:
        return f"waits for {_waited_for(session, row.step.stage, key, coming)}"
    if key in row.lacking:
        return f"cannot run: {session.values.why_absent(row.lacking[key], key)}"
    if (
        row.step.stage.superseded_by
        and (key, row.step.stage.superseded_by) in session.inventory.edits
    ):
        return "not needed: yours is used"
    if made is None:
        return ""
    return _bad(made) if made.state != "made" else "up to date"


def _bad(made: Made) -> str:
    return f"{made.state}: {made.why}".replace("\n", "; ")


def _reason(session: Session, row: StagePreview, why: Why, made: Made | None) -> str:
    """Return why a step runs, with the params that changed."""
    if why is not Why.PARAMS or made is None:
        return str(why)
    old, new = session.recipes.get(made.base, {}), session.recipes[row.step.base]
    return f"{why}: {', '.join(changed_params(old, new))}"


def _waited_for(session: Session, stage: Stage, key: str, coming: Coming) -> str:
    """Return the name of the step that has yet to make what a stage reads."""
    if key in coming.made:
        return coming.command
    waited = (name for name, _ in stage.needs() if session.values.digest(name)(key) == WAITS)
    producer = session.values.producers.get(next(waited, ""))
    return producer.name if producer else "an earlier stage"


def _origin(lineage: dict[str, object]) -> str:
    flip = ", mirrored" if lineage.get("flip") else ""
    return f"made from {lineage[KEY]} of `{lineage['root']}` by {lineage['kind']}{flip}"


def _input_changed(session: Session, stage: Stage, key: str, made: Made) -> bool:
    if stage.shape in (Shape.DECISION, Shape.VIEW, Shape.FAN_OUT):
        return False
    if stage.shape is Shape.SIDECAR and as_written(session, stage, key):
        return False
    asked = session.recipes.get(made.base, {}).get("params")
    needs = stage.given(asked).needs() if asked is not None else stage.needs()
    now = [session.values.digest(name)(key) for name, _ in needs]
    # What a param's file made the stage read is not known here: only the file's digest was kept.
    before = made.inputs.split(" ")
    return len(before) == len(now) and before != now


def _machine(session: Session, stage: Stage, key: str, made: Made | None) -> str:
    """Return what a stage's last result says, where a person can read it."""
    if made is None or made.state != "made":
        return ""
    if stage.shape is Shape.FAN_OUT:
        names = fanout.children(session, stage.name, key)
        return f", made {', '.join(map(os.path.basename, names))}" if names else ""
    if stage.packed or stage.suffix or stage.shape is Shape.SIDECAR:
        return ""
    return f", the machine says {session.ledger.body(made.digest).decode()}"
