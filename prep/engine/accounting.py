"""What a run leaves out, and why: every picture of a folder is accounted for."""

import os
from collections.abc import Iterator
from typing import Any

from prep.dataset.account import Account
from prep.dataset.file_names import LINKS, SUFFIXES, head_of, link_of
from prep.engine import published_files
from prep.engine.inventory import mask_owners, other_files, scan
from prep.engine.inventory.location import Location
from prep.engine.report import Report
from prep.engine.session import Session
from prep.engine.state.database import snapshot
from prep.stage import IN_DATASET, KEY, Page, Shape, Stage


def account_for(session: Session, report: Report) -> None:
    """Name every picture that is not in the result, with its reason, and what becomes of words."""
    inventory = session.inventory
    report.failed |= inventory.faulty
    report.clashing |= inventory.clashing
    report.conflicts |= {
        f"{key}: {name.removeprefix(IN_DATASET)}": why
        for (key, name), why in inventory.conflicts.items()
    }
    report.rejected |= session.dropped()
    report.unowned |= unowned_texts(session)
    almost = mask_owners.almost(inventory.folder.pictures)
    report.notes += mask_owners.almost_lines(almost)
    pages = pages_of(session)
    for page in pages:
        report.failed |= {key: why for key, why in page.failed.items() if key in inventory.digests}
        report.account = page.account
    _account_for_stages(session, report)
    for page in pages:
        for key, why in page.rejected.items():
            if key in inventory.digests and key not in report.failed:
                report.rejected.setdefault(key, why)


def accounts(session: Session) -> dict[str, Account]:
    """Return dataset file -> its account; of each chain the file that goes furthest."""
    names = (name for name in session.written.outputs if name.endswith(SUFFIXES))
    files = {session.inventory.location.file(name): name for name in names}
    found: dict[str, Account] = {}
    for head in sorted({head_of(file) for file in files}):
        for link in reversed(LINKS):
            file = link_of(head, link)
            page = (
                published_files.page_named(session, files[file])
                if file in files and file.exists()
                else None
            )
            if page is not None:
                found[files[file]] = page.account
                break
    return found


def listing(session: Session) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a line, and the same as facts, for each picture and text file to be named."""
    for name, told in accounts(session).items():
        shown = os.path.relpath(session.inventory.location.file(name))
        for what, key, reason in told.listed():
            line = f"{shown}: {what}: {key}" + (f": {reason}" if reason else "")
            yield line, {"file": shown, "words": what, KEY: key, "reason": reason}
    for name, advice in sorted(unowned_texts(session).items()):
        line = f"belongs to no picture: {name}" + (f": {advice}" if advice else "")
        yield line, {"unowned": name, "advice": advice}


def _account_for_stages(session: Session, report: Report) -> None:
    """Name what stages rejected or failed for; failures of this run are named already."""
    there, dropped, told = session.inventory.digests, session.dropped(), set(report.failed)
    for stage in _needed_maps(session):
        for key, made in session.values.unmade(stage.name).items():
            used = (key, stage.superseded_by) in session.written.edits
            if key in there and key not in dropped and not used and key not in told:
                (report.failed if made.state == "failed" else report.rejected)[key] = made.why


def unowned_texts(session: Session) -> dict[str, str]:
    """Return the text files that no picture owns and that are not ours, as `Folder.unowned`."""
    found = session.inventory.folder.unowned
    return {name: what for name, what in found.items() if name not in session.written.outputs}


def unknown_files(session: Session) -> dict[str, str]:
    """Return path -> kind of what is neither a picture, nor a text, nor a file of ours."""
    others, declared = session.inventory.folder.others, session.inventory.declared
    return other_files.unknown(others, session.written.outputs, declared)


def unowned_texts_of_source(source: Location, texts: tuple[str, ...]) -> dict[str, str]:
    """Return the same of a folder that a fan-out reads, whose texts it does not look at.

    Args:
        source: The folder.
        texts: The endings of texts.
    """
    found = scan.scan(source.root, tuple(source.sidecars), source.state, texts).unowned
    if not found:
        return {}
    ledger = snapshot(source.state)
    try:
        ours = ledger.outputs()
    finally:
        ledger.close()
    return {name: what for name, what in found.items() if name not in ours}


def pages_of(session: Session) -> list[Page]:
    """Return what the dataset files of a job say of their pictures, in the job's order."""
    each = [one.stage for one in session.job.asked if one.stage.shape is Shape.VIEW]
    return [page for stage in each if (page := published_files.page_of(session, stage)) is not None]


def _needed_maps(session: Session) -> list[Stage]:
    """Return the maps that were asked for and those whose results they cannot do without.

    Stages of other shapes never fail for a single sample.
    """
    found = {asked.stage.name: asked.stage for asked in session.job.asked}
    left = list(found.values())
    while left:
        for name, optional in left.pop().needs():
            producer = session.values.producers.get(name)
            if producer is not None and not optional and producer.name not in found:
                found[producer.name] = producer
                left.append(producer)
    return [stage for stage in found.values() if stage.shape is Shape.MAP]
