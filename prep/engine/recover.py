"""A lost memory: whose are the words that are there? Asked once, by the run that finds it lost.

What the machine says is computed again, as it was asked when the dataset file was written, and
compared: what says the same is the machine's, and only words that differ are a person's.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Any

from prep.dataset import dataset_file
from prep.dataset.dataset_file import Dataset
from prep.dataset.file_names import link_before
from prep.dataset.sample_fields import PERSONS
from prep.engine import published_files, recover_sheet, sidecars, traces, view_rows
from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.inventory import DROP
from prep.engine.plan import PlannedStage
from prep.engine.report import Report
from prep.engine.session import Session
from prep.engine.state.ledger_queries import Edit
from prep.runtime.files import MOST_TABLE, content
from prep.stage import IN_DATASET, RequestedStage, Shape

_SAID = (
    "prep's memory of this folder was lost: what the machine says was computed again; "
    "only what differs from it is kept as yours"
)
_DROPPED = "dropped in "  # how a dataset file says that a person took a picture out


def recover(
    session: Session, take_step: Callable[[Session, PlannedStage, Report], None], report: Report
) -> None:
    """Take over what a lost memory left: texts, sheets and dataset files.

    Args:
        session: Of a job whose files the ledger does not know.
        take_step: Carries a step out.
        report: Texts that turn out to be the machine's are no longer named as edited.
    """
    if not session.values.lost:
        return
    head = session.job.meta or session.job.told_by
    found = traces.metas(head, session.inventory, session.written.outputs) if head else {}
    if found or any(not edit.proven for edit in session.written.edits.values()):
        report.notes.append(_SAID)
    _steps(session, take_step, report, found)
    for stage in session.context.stages.values():  # sheets that were exported on demand
        if stage.shape is Shape.VIEW:
            step = PlannedStage(stage, stage.params(), 0, (), "")
            recover_sheet.take_over(session, step, sure=bool(found))


def _steps(
    session: Session,
    take_step: Callable[[Session, PlannedStage, Report], None],
    report: Report,
    found: Mapping[Path, Dataset],
) -> None:
    """Let the steps say again what they said, up to the first dataset file."""
    for asked in session.job.asked:
        step = session.number_for_good(
            session.step(_as_it_was(session, asked, list(found.values())))
        )
        if step.stage.shape is Shape.SIDECAR:
            sidecars.settle_texts(session, step, report, final=False)
        elif step.stage.shape is not Shape.VIEW:
            take_step(session, step, Report())
        elif step.stage.link is None:
            recover_sheet.take_over(session, step, sure=bool(found))
        else:
            base = _said(session, step)
            if base is not None:
                _take_metas(session, base, found)
            return  # the files after it say the same of a person's fields


def _said(session: Session, step: PlannedStage) -> Dataset | None:
    """Return what the machine says, and people in texts and sheets, of a dataset file's fields."""
    if link_before(step.stage.link) is not None:
        previous = view_rows.previous_file(session, step.stage)
        return dataset_file.load(previous) if previous is not None else None
    data = published_files.made(session, step).data
    return dataset_file.parse(data.decode(), view_rows.view_file(session, step.stage).name)


def _take_metas(session: Session, base: Dataset, found: Mapping[Path, Dataset]) -> None:
    """Take what differs in dataset files for a person's, and the files for ours."""
    fresh: dict[tuple[str, str], Edit] = {}
    for path, theirs in found.items():
        changed = _changed(base, theirs, path.name).items()
        fresh = {at: edit for at, edit in changed if not _older(session, at, path)} | fresh
        fresh = {**_dropped(theirs, path.suffix, session.inventory.declared), **fresh}
        base = theirs  # what stands in both was typed into neither, or is known from the first
    recover_sheet.learn(session, fresh)
    for path in found:  # the base of what a person edits next
        published_files.write(session, path, content(path, MOST_TABLE), there=True)


def _older(session: Session, at: tuple[str, str], path: Path) -> bool:
    """Return whether a person wrote the words anew, beside the picture, after the dataset file."""
    key, field = at[0], at[1].removeprefix(IN_DATASET)
    suffix = session.inventory.location.suffix_of(field)
    if (key, field) not in session.written.edits or not suffix:
        return False
    text = Path(session.sidecar_read(key, suffix))
    return text.exists() and text.stat().st_mtime_ns > path.stat().st_mtime_ns


def _changed(base: Dataset, theirs: Dataset, name: str) -> dict[tuple[str, str], Edit]:
    found: dict[tuple[str, str], Edit] = {}
    for key in theirs.samples.keys() & base.samples.keys():
        for field in PERSONS:
            value = getattr(theirs.samples[key], field)
            if value != getattr(base.samples[key], field):
                edit = Edit(list(value) if isinstance(value, tuple) else value, name)
                found[key, f"{IN_DATASET}{field}"] = edit
    return found


def _dropped(theirs: Dataset, suffix: str, declared: Declarations) -> dict[tuple[str, str], Edit]:
    """Return what took pictures out: an entry that was removed, or a field in a sheet."""
    found = {}
    in_sheet = next(iter(declared.takes_out.items()))
    for key, why in theirs.left_out.items():
        source = why.removeprefix(_DROPPED)
        if source != why:
            field, value = (DROP, True) if source.endswith(suffix) else in_sheet
            found[key, field] = Edit(value, source)
    return found


def _as_it_was(session: Session, asked: RequestedStage, found: list[Dataset]) -> RequestedStage:
    """Return a step with the params that the dataset files tell it last had."""
    if not found:
        return asked
    values: dict[str, Any] = {}
    told = found[-1].made_by.get("stages", {}).get(asked.stage.name)
    part = told[-1] if isinstance(told, list) and told else told
    if isinstance(part, Mapping) and part.get("version") == asked.stage.version:
        values = {
            item.name: part["params"][item.name]
            for item in fields(asked.params)
            if _can_be(item, part.get("params", {}).get(item.name))
        }
    if asked.stage.link is not None:
        values |= _of_samples(asked.params, found[-1])
    params = replace(asked.params, **values)
    stage = session.context.stages[asked.stage.name].given(vars(params))
    return replace(asked, params=params, stage=stage)


def _of_samples(params: Any, found: Dataset) -> dict[str, Any]:
    """Return the params that each sample of a dataset file tells, as most of them do."""
    told = (item.name for item in fields(params) if item.name in PERSONS)
    counts = {name: Counter(getattr(s, name) for s in found.samples.values()) for name in told}
    return {name: value for name, count in counts.items() for value, _ in count.most_common(1)}


def _can_be(item: "Field[Any]", value: Any) -> bool:
    """Return whether a dataset file tells what a param was: of a file's text it tells a digest."""
    kinds = {"str": str, "int": int, "float": float, "bool": bool}
    kind = kinds.get(item.type, item.type) if isinstance(item.type, str) else item.type
    return not item.metadata["file"] and type(value) is kind
