"""All that is known of one picture: what a person wrote, what each step made of it and would do."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prep.dataset import dataset_file
from prep.dataset.account import account
from prep.engine import fanout
from prep.engine.accounting import accounts
from prep.engine.decoding.outcome import Failure
from prep.engine.decoding.pool import Decoders
from prep.engine.inventory.inventory import DROP
from prep.engine.origin import origins
from prep.engine.preview import StagePreview, Upcoming
from prep.engine.session import Session
from prep.engine.sidecars import as_written
from prep.engine.state import artifacts
from prep.engine.state.file_stat import path_in
from prep.engine.state.recipe import WAITS, Made, Why, same_inputs
from prep.stage import IN_DATASET, Shape, Stage

_CURRENT = "up to date"


def known_keys(session: Session) -> set[str]:
    """Return the keys of all pictures that a session can say something of."""
    inventory = session.inventory
    renamed = {old for old, _ in inventory.renamed}
    return {*inventory.digests, *inventory.faulty, *inventory.gone, *renamed}


def of_person(session: Session, key: str) -> Iterator[str]:
    """Yield where a picture comes from, what is wrong with it and what a person wrote for it."""
    inventory = session.inventory
    yield from _history(session, key)
    for listed in (inventory.faulty, inventory.clashing, session.dropped()):
        if key in listed:
            yield listed[key]
    for (at, field), edit in sorted(session.written.edits.items()):
        if at == key and field != DROP:
            yours = f"yours, from {edit.source}"
            open_ = f"in {edit.source}; yours unless the machine says the same"
            certain = edit.proven or not session.values.lost
            name = field.removeprefix(IN_DATASET)
            yield f"{name}: {yours if certain else open_}: {_in_words(edit.value)}"
    for (at, field), text in sorted(inventory.conflicts.items()):
        if at == key:
            yield f"{field.removeprefix(IN_DATASET)}: conflict: {text}"


def of_decoding(session: Session, key: str) -> Iterator[str]:
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


def of_training(session: Session, key: str) -> Iterator[str]:
    """Yield what trains of a picture's words, by each dataset file of it, and what does not."""
    for name in accounts(session):
        file = session.inventory.location.file(name)
        shown = os.path.relpath(file)
        found = dataset_file.load(file)
        if key in found.left_out:
            yield f"{shown}: left out: {found.left_out[key]}"
        if key in found.samples:
            sample = found.samples[key]
            texts = [one.text() for one in sample.wordings(found.trigger(sample))]
            each = [f"`{text}`" for text in texts if text]
            yield f"{shown}: trains on {' or '.join(each) or 'no text'}"
            yield from (f"{shown}: {line}" for line in account(found, [key]).of(key))


def _history(session: Session, key: str) -> Iterator[str]:
    inventory = session.inventory
    if key in inventory.gone:
        yield "it is gone since the last run"
    yield from (f"it was renamed to {new}" for old, new in inventory.renamed if old == key)
    yield from (f"it was named {old}" for old, new in inventory.renamed if new == key)
    yield from origins(session, key)


def of_rows(
    session: Session, rows: Sequence[StagePreview], key: str, upcoming: Upcoming, *, inner: bool
) -> Iterator[str]:
    """Yield a line a command: up to date, or why not, and what the machine says.

    Args:
        session: Where the results are.
        rows: What each stage would do.
        key: The picture.
        upcoming: What earlier jobs would change.
        inner: A line a stage, and values as they are kept.
    """
    steps = [row.step for row in rows]
    names = {step.stage.name: step.stage.name if inner else step.command for step in steps}
    states = []
    for row in rows:
        stage = row.step.stage
        if stage.shape is Shape.VIEW:
            continue
        made = session.values.made(stage.name).get(key)
        if key in row.waits:
            text = f"waits for {_waited_for(session, stage, key, names) or upcoming.command}"
        else:
            text = _would(session, row, key, made)
        if text:
            text += _children(session, stage, key)
            states.append((names[stage.name], text, _machine(session, stage, key, inner=inner)))
    yield from _lines(states)


def of_results(session: Session, key: str, *, inner: bool) -> Iterator[str]:
    """Yield the same of the stages with a result, where no pipeline says what is wanted now."""
    session.know_recipes()
    stages = session.context.stages.values()
    found = [(stage, session.values.made(stage.name).get(key)) for stage in stages]
    names = commands_of([stage for stage, made in found if made])
    states = []
    for stage, made in found:
        if made is not None:
            stale = _input_changed(session, stage, key, made)
            state = _state(made)
            text = (f"stale: {Why.INPUTS}" if stale else state) + _children(session, stage, key)
            name = stage.name if inner else names[stage.name]
            states.append((name, text, _machine(session, stage, key, inner=inner)))
    yield from _lines(states)


def commands_of(stages: Sequence[Stage]) -> dict[str, str]:
    """Return stage -> the command that it belongs to.

    One that serves several commands belongs to one of those that other stages of these have alone,
    or that one is named as.
    """
    alone = {stage.commands[0] for stage in stages if len(stage.commands) == 1}
    alone |= {stage.name for stage in stages}
    return {
        stage.name: next((name for name in stage.commands if name in alone), stage.commands[0])
        for stage in stages
    }


def _lines(states: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Yield a line for each name: its first state that is not up to date, all that was said."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, text, says in states:
        groups.setdefault(name, []).append((text, says))
    for name, each in groups.items():
        text = next((text for text, _ in each if text != _CURRENT), _CURRENT)
        said = "; ".join(words for _, words in each if words)
        yield f"{name}: {text}" + (f", the machine says {said}" if said else "")


def _would(session: Session, row: StagePreview, key: str, made: Made | None) -> str:
    """Return what a stage would do with a sample; empty where it has nothing to do with it."""
    if key in row.run:
        word = "will be written" if row.step.stage.shape is Shape.SIDECAR else "will run"
        return f"{word}: {row.run[key]}"
    if key in row.reused:
        return f"was made before: {row.reused[key]}"
    if key in row.lacking:
        return f"cannot run: {session.values.why_absent(row.lacking[key], key)}"
    if (key, row.step.stage.superseded_by) in session.written.edits:
        return "not needed: yours is used"
    if made is None:
        return ""
    return _state(made)


def _state(made: Made) -> str:
    if made.state in ("made", "nothing"):
        return _CURRENT
    return f"{made.state}: {made.why}".replace("\n", "; ")


def _waited_for(session: Session, stage: Stage, key: str, names: Mapping[str, str]) -> str:
    """Return the name of what has yet to make what a stage reads; empty for an earlier job."""
    waited = (name for name, _ in stage.needs() if session.values.digest(name)(key) == WAITS)
    producer = session.values.producers.get(next(waited, ""))
    return names.get(producer.name, producer.name) if producer else ""


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
    return len(before) == len(now) and not same_inputs(made.inputs, " ".join(now))


def _children(session: Session, stage: Stage, key: str) -> str:
    """Return which pictures a fan-out made of a picture; empty for another stage."""
    names = fanout.children(session, stage.name, key) if stage.shape is Shape.FAN_OUT else ()
    return f", made {', '.join(map(os.path.basename, names))}" if names else ""


def _machine(session: Session, stage: Stage, key: str, *, inner: bool) -> str:
    """Return what a stage's last result says: as a person reads it, or as it is kept."""
    made = session.values.made(stage.name).get(key)
    files = stage.packed or stage.suffix or stage.shape in (Shape.SIDECAR, Shape.FAN_OUT)
    if made is None or made.state != "made" or files:
        return ""
    body = session.ledger.body(made.digest)
    if inner:
        return body.decode()
    if stage.shown is None or _is_said_later(session, stage, key):
        return ""
    return _in_words(stage.shown(artifacts.loaded(body)))


def _is_said_later(session: Session, stage: Stage, key: str) -> bool:
    """Return whether a stage of the same command shows what it made of a stage's result."""
    return any(
        later.shown is not None
        and later.commands == stage.commands
        and stage.writes in dict(later.needs())
        and key in session.values.made(later.name)
        for later in session.values.producers.values()
    )


def _in_words(value: Any) -> str:
    """Return a value as a person reads it: a list with commas; nothing for None."""
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value).strip()
