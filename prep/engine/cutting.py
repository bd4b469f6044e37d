"""Pictures -> files of their parts: a fan-out's function decides, decoding processes write.

No pixel comes here, so memory does not grow with the pictures; each file is on the disk, flushed,
before it is heard of, and waits there for its name.
"""

import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from prep.engine.compute import unread
from prep.engine.decoding import outline
from prep.engine.decoding.outcome import DecodedPicture, Part
from prep.engine.decoding.pool import Decoders
from prep.engine.plan import StagePlan
from prep.engine.stage_call import Caller, Outcome, called
from prep.engine.state.file_stat import path_in
from prep.engine.values import Values
from prep.runtime.keys import too_long
from prep.stage import IMAGE

Parts = Callable[[Outcome], list[Part]]
_LONG = "its name is too long for a picture derived from it: shorten it"


def outcomes(
    plan: StagePlan, values: Values, jobs: int, note: Callable[[str], None], parts: Parts
) -> Generator[Outcome, None, None]:
    """Yield what a fan-out makes of each picture; its value: (Derived, file, SHA-256) of each.

    Args:
        plan: What to run.
        values: Where what the stage reads is found.
        jobs: Decoding processes.
        note: Called with what a person should know of a picture.
        parts: From an outcome, the files that its pictures are to be written to, in their order.
            Those of an outcome that is yielded are the caller's; others are removed.

    Raises:
        UnwrittenError: The disk did not take a file.
    """
    call = Caller(plan.step, note)
    cutter = _Cutter(plan, values, call, parts)
    try:
        with Decoders(jobs, fit=call.fit(lambda key: {}), parts=cutter.parts) as decoders:
            for key, result in decoders.decoded(cutter.pictures()):
                inputs = plan.run[key][0]
                outcome = unread(key, inputs, result, values.inventory.digests[key])
                if outcome is None and isinstance(result, DecodedPicture):
                    for warning in result.warnings:
                        note(f"{key}: {warning}")
                    outcome = cutter.done(key, result.files)
                if outcome is not None:
                    yield outcome
    finally:
        cutter.sweep()


class _Cutter:
    """The pictures under way: what is read of them, what becomes of them, their files."""

    def __init__(self, plan: StagePlan, values: Values, call: Caller, parts: Parts) -> None:
        self._plan, self._values, self._call, self._wanted = plan, values, call, parts
        self._read: dict[str, tuple[Any, ...]] = {}
        self._made: dict[str, tuple[Outcome, list[Part]]] = {}
        self._lock = threading.Lock()

    def pictures(self) -> Iterator[tuple[str, Path]]:
        folder = self._values.inventory.folder
        for key in sorted(self._plan.run):
            names = [name for name, _ in self._plan.step.stage.needs()]
            self._read[key] = tuple(
                None if name == IMAGE else self._values.value(name, key) for name in names
            )
            yield key, Path(path_in(folder.root, folder.pictures[key]))

    def parts(self, key: str, picture: DecodedPicture) -> list[Part]:
        """Return which parts of a picture are to be written; called in threads."""
        names = [name for name, _ in self._plan.step.stage.needs()]
        shown = outline.whole(picture.size, picture.small_image())
        row = zip(names, self._read[key], strict=True)
        read = tuple(shown if name == IMAGE else value for name, value in row)
        with self._lock:
            (outcome,) = called(self._call, [(key, self._plan.run[key][0], read)])
            names = [part.name for part in outcome.value or ()]
            if any(too_long(f"{key}@{name}.png") for name in names if name):
                outcome = replace(outcome, value=None, state="failed", why=_LONG)
            parts = self._wanted(outcome) if outcome.state == "made" else []
            self._made[key] = outcome, parts
        return parts

    def done(self, key: str, digests: tuple[str, ...]) -> Outcome:
        self._read.pop(key)
        outcome, parts = self._made.pop(key)
        if outcome.state != "made":
            return outcome
        places = [part.to for part in parts]
        return replace(outcome, value=list(zip(outcome.value, places, digests, strict=True)))

    def sweep(self) -> None:
        """Remove the files of pictures that are under way no more."""
        for _, parts in self._made.values():
            for part in parts:
                with suppress(OSError):
                    part.to.unlink()
