"""One-off edits of many pictures: done whole or not at all, finished after a crash, taken back.

An operation is one row of the ledger, made durable together with the edits that it means; only
then are files touched. What a crash leaves is finished by the next run, edit or undo.
"""

import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from prep.dataset.chain import patched
from prep.engine import published_files, sidecars
from prep.engine.committer import CommitBatch
from prep.engine.inventory import renames
from prep.engine.session import Session
from prep.engine.state import publish
from prep.engine.state.edit_batch import MetaFile, Operation, TextFile, Word, loaded, stored
from prep.engine.state.file_stat import path_in
from prep.runtime import files
from prep.stage import IN_DATASET

_LIST = "operations"  # the fact that says which operations can be taken back, and which is in work
_MOST = 32
_BATCH = 256


def carry_out(session: Session, operation: Operation) -> list[str]:
    """Make an operation durable, then bring the files up to date with it.

    It stays open, and the same command would only finish it, until `close`: call that once the
    person has been told.

    Returns:
        The files that a person edited at this very moment and that were left alone: texts by
        their names in the folder, another file as it is typed from here.
    """
    mend(session)
    found = _known(session)
    digests = session.inventory.digests
    written = {word.key: digests[word.key] for word in operation.words if word.key in digests}
    operation = replace(operation, pictures=written if operation.ours else {})
    number = found["last"] + 1
    kept = [*found["kept"], number]
    with session.ledger.batch():
        _tell(session, number, operation, kept[-_MOST:])
        for old in kept[:-_MOST]:
            session.ledger.set_fact(f"operation:{old}", None)
    return _bring(session)


def take_back(session: Session) -> tuple[Operation, list[str]] | None:
    """Take the last operation back, up to `close`; None where there is none.

    Returns:
        It, and what of it stays because it was changed since: keys with fields, names of files.
    """
    found = _known(session)
    if found["open"] and (begun := loaded(session.ledger.fact(f"operation:{found['open']}"))).back:
        return begun, _bring(session)
    mend(session)
    found = _known(session)
    if not found["kept"]:
        return None
    number = found["kept"][-1]
    operation = loaded(session.ledger.fact(f"operation:{number}"))
    operation = renames.followed(session.inventory, session.written, operation)
    stays = [word for word in operation.words if operation.ours and not _untouched(session, word)]
    left = {(word.key, word.field) for word in stays}
    going = replace(
        operation,
        back=True,
        words=tuple(word for word in operation.words if (word.key, word.field) not in left),
        texts=tuple(text for text in operation.texts if (text.key, text.field) not in left),
    )
    with session.ledger.batch():
        _tell(session, number, going, found["kept"][:-1])
    kept = [f"{word.key}: {word.field.removeprefix(IN_DATASET)}" for word in stays]
    return going, kept + _bring(session)


def unfinished(session: Session) -> Operation | None:
    """Return the operation that is not finished and told; None where all are."""
    number = _known(session)["open"]
    return loaded(session.ledger.fact(f"operation:{number}")) if number else None


def mend(session: Session) -> list[str]:
    """Finish and close the operation that a crash left open, if any.

    Returns:
        The names of files that were edited since and are left alone.
    """
    kept = _bring(session)
    close(session)
    return kept


def close(session: Session) -> None:
    """Note that the open operation, if any, is finished and was told."""
    found = _known(session)
    if not found["open"]:
        return
    with session.ledger.batch():
        session.ledger.set_fact(_LIST, found | {"open": 0}, told=True)
        if found["open"] not in found["kept"]:
            session.ledger.set_fact(f"operation:{found['open']}", None)


def _bring(session: Session) -> list[str]:
    """Bring files and words up to date with the open operation; return what is left alone."""
    found = _known(session)
    if not found["open"]:
        return []
    operation = loaded(session.ledger.fact(f"operation:{found['open']}"))
    kept: list[str] = []
    for start in range(0, len(operation.texts), _BATCH):
        kept += _replace_texts(session, operation, operation.texts[start : start + _BATCH])
    _replace_metas(session, operation)
    with session.ledger.batch():
        _set_words(session, operation)  # a journal that was torn may have told some of them only
    return kept


def meta_file(session: Session, path: Path, words: Iterable[Word]) -> MetaFile | None:
    """Return what an operation is to know of one dataset file; None where nothing changes there."""
    data = files.content(path, files.MOST_TABLE)
    after = patched(data, path.name, _values(words, back=False))
    if after == data:
        return None
    same = patched(after, path.name, _values(words, back=True)) == data
    name = session.inventory.location.name(path)
    return MetaFile(name, None if same else data, files.digest_bytes(after))


def _untouched(session: Session, word: Word) -> bool:
    known = session.written.edits.get((word.key, word.field))
    return known is not None and known.value == word.now.value


def _tell(session: Session, number: int, operation: Operation, kept: list[int]) -> None:
    """Let the ledger know an operation that begins, and the edits that it means."""
    last = max(number, _known(session)["last"])
    # First of all: a crash that tears the journal in here leaves an operation to be finished.
    session.ledger.set_fact(f"operation:{number}", stored(operation), told=True)
    session.ledger.set_fact(_LIST, {"last": last, "kept": kept, "open": number}, told=True)
    _set_words(session, operation)


def _set_words(session: Session, operation: Operation) -> None:
    """Let the ledger know the words of an operation, but for those that a person changed since."""
    for word in operation.words if operation.ours else ():
        at = (word.key, word.field)
        old, new = (word.now, word.edit) if operation.back else (word.edit, word.now)
        known = session.written.edits.get(at)
        if known == new or (known and known.value) != (old and old.value):
            continue
        session.edit(at, new)


def _replace_texts(session: Session, operation: Operation, texts: Iterable[TextFile]) -> list[str]:
    kept: list[str] = []
    outputs: list[publish.Output] = []
    gone: dict[str, Path] = {}
    for text in texts:
        sides = (text.before, text.after)
        old, new = reversed(sides) if operation.back else sides
        path = _path(session, text)
        there = files.content(path) if path.exists() else None
        if there == new:
            continue
        if there != old:
            kept.append(text.name if text.key else os.path.relpath(path))
        elif new is None:
            gone[text.name] = path
        elif text.key:
            outputs.append(publish.Output(_written(session, text, path), text.name, new))
        else:  # a file that is no view of the ledger: nothing is known of it there
            files.write(path, new)
    sidecars.write(session, CommitBatch(outputs, gone=gone))
    return kept


def _replace_metas(session: Session, operation: Operation) -> None:
    values = _values(operation.words, operation.back)
    for meta in operation.metas:
        path = session.inventory.location.file(meta.name)
        if not path.exists():
            continue
        data = files.content(path, files.MOST_TABLE)
        exact = operation.back and files.digest_bytes(data) == meta.after
        new = meta.exact if exact and meta.exact else patched(data, path.name, values)
        if new != data and operation.ours:
            published_files.write(session, path.absolute(), new)
        elif new != data:
            files.write(path, new)
    published_files.drop_copies(session)


def _values(words: Iterable[Word], back: bool) -> dict[str, dict[str, Any]]:
    """Return key -> field -> value of the dataset files, after an operation or before it."""
    found: dict[str, dict[str, Any]] = {}
    for word in words:
        if word.field.startswith(IN_DATASET):
            value = word.was if back else word.now.value
            field = word.field.removeprefix(IN_DATASET)
            one = found.setdefault(word.key, {})
            one[field] = tuple(value) if isinstance(value, list) else value
    return found


def _path(session: Session, text: TextFile) -> Path:
    """Return where a text file lies, as the disk spells it."""
    folder, suffix = session.inventory.folder, os.path.splitext(text.name)[1]
    if text.key in folder.pictures and text.name == session.inventory.sidecar(text.key, suffix):
        return Path(session.sidecar_read(text.key, suffix))
    if text.name in folder.sidecars:  # one that did not go along with its picture
        return Path(path_in(folder.root, folder.sidecars[text.name]))
    return session.inventory.location.file(text.name)


def _written(session: Session, text: TextFile, path: Path) -> Path:
    """Return where a text file is written: of read-only pictures, not beside them."""
    inventory = session.inventory
    if inventory.location.views is None or text.key not in inventory.folder.pictures:
        return path
    return Path(inventory.sidecar_file(text.key, os.path.splitext(text.name)[1]))


def _known(session: Session) -> dict[str, Any]:
    return session.ledger.fact(_LIST) or {"last": 0, "kept": [], "open": 0}
