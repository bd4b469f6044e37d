"""What went along when pictures were renamed: text files, and the edits that can be taken back.

A picture whose bytes are known is found again under its new name (see `read`). Where names were
shifted along (a to b while b to c), or a picture was renamed and redrawn, only the text tells.
"""

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from prep.engine.inventory.scan import stem
from prep.engine.inventory.written import Written
from prep.engine.state.edit_batch import Operation, TextFile

if TYPE_CHECKING:
    from prep.engine.inventory.inventory import Baseline, Inventory


def machine_texts(inventory: "Inventory", written: Written, baseline: "Baseline") -> frozenset[str]:
    """Return the digests of sidecars that prep wrote and that no longer lie where they were put.

    Only those of pictures that are gone or have other bytes: a text that was copied, or moved
    away from a picture that stayed, is a person's doing.
    """
    stirred = {
        stem(key)
        for key, (digest, _) in baseline.samples.items()
        if digest and inventory.digests.get(key) != digest
    }
    persons = {edit.file for edit in baseline.edits.values()}
    return frozenset(
        digest
        for path, digest in baseline.outputs.items()
        if os.path.splitext(path)[1] in inventory.location.sidecars
        and stem(path) in stirred
        and digest not in persons
        and written.on_disk.get(path) != digest
    )


def is_new(inventory: "Inventory", baseline: "Baseline", key: str) -> bool:
    """Return whether a picture is new under its name, or has other bytes than it had."""
    return baseline.samples.get(key, ("", None))[0] != inventory.digests.get(key)


def followed(inventory: "Inventory", written: Written, operation: Operation) -> Operation:
    """Return an edit under the names that its pictures have now.

    A text that did not go along is changed where it lies; one that is gone is no part of it.
    """
    there: dict[str, list[str]] = {}
    for key in sorted(inventory.digests.keys() - operation.pictures.keys()):
        there.setdefault(inventory.digests[key], []).append(key)
    today: dict[str, str] = {}
    for key, digest in sorted(operation.pictures.items()):
        if key not in inventory.digests and there.get(digest):
            today[key] = there[digest].pop(0)
    texts = (
        _under(written, text, today[text.key]) if text.key in today else text
        for text in operation.texts
    )
    return replace(
        operation,
        words=tuple(replace(word, key=today.get(word.key, word.key)) for word in operation.words),
        texts=tuple(text for text in texts if text is not None),
    )


def _under(written: Written, text: TextFile, key: str) -> TextFile | None:
    """Return a text of a picture that is now named `key`; None where there is no such file."""
    names = (stem(key) + os.path.splitext(text.name)[1], text.name)
    found = next((name for name in names if name in written.on_disk), None)
    return None if found is None else replace(text, key=key, name=found)
