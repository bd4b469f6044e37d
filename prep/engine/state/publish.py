"""A batch of files -> the disk, so that a crash at any moment leaves each whole and accounted for.

Scratch files are flushed, many at a time; intents with their digests become durable; the files
are renamed; the folders are flushed; the ledger says done. What a crash leaves is recognised by
its digest.
"""

import os
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from prep.engine.state.file_stat import Stat, stat_of
from prep.engine.state.ledger import Ledger
from prep.runtime import files
from prep.runtime.errors import DatasetError

_FLUSHES = 16  # files on their way to the disk at a time: one flush serves those that wait


@dataclass(frozen=True)
class Output:
    """One file to be.

    Attributes:
        path: Absolute.
        name: The path by which the ledger knows it.
        data: Its bytes; of a file that is written already, its SHA-256.
        written: Where it waits for its name, flushed: one of `scratch_for`.
    """

    path: Path
    name: str
    data: bytes | str
    written: Path | None = None

    def digest(self) -> str:
        """Return the SHA-256 of the bytes."""
        return self.data if isinstance(self.data, str) else files.digest_bytes(self.data)

    def write(self, scratch: Path) -> None:
        """Write the bytes to where they wait; nothing where they do so already."""
        if not isinstance(self.data, str):
            files.write_scratch(scratch, self.data)


def publish(
    ledger: Ledger, outputs: Sequence[Output], done: Callable[[], None] = lambda: None
) -> dict[str, str]:
    """Put files in place, all of them or, after a crash, some: each is whole and known.

    Args:
        ledger: Told before and after.
        outputs: Files of at most a few hundred samples.
        done: Makes the changes to the ledger that belong to these files.

    Returns:
        Name -> digest of each file.

    Raises:
        MachineError: The disk is full or a folder cannot be written; earlier batches stay.
        DatasetError: A folder of the dataset is a link to elsewhere.
    """
    _check_ways(outputs)
    scratches = [each.written or scratch_for(each.path, ledger.state) for each in outputs]
    try:
        _write(outputs, scratches, ledger.state)
        digests = [output.digest() for output in outputs]
        with ledger.batch():
            for output, digest in zip(outputs, digests, strict=True):
                ledger.intend(output.name, digest)
        for output, scratch in zip(outputs, scratches, strict=True):
            with files.disk_errors(output.path, ledger.state):
                scratch.replace(output.path)
        for folder in sorted({output.path.parent for output in outputs}):
            with files.disk_errors(folder, ledger.state):
                files.flush(folder)
    except BaseException:
        for scratch in scratches:
            with suppress(OSError):
                scratch.unlink()
        raise
    with ledger.batch():
        for output, digest in zip(outputs, digests, strict=True):
            ledger.wrote(output.name, digest)
        ledger.know_files(_as_they_are(outputs, digests))
        done()
    return {output.name: digest for output, digest in zip(outputs, digests, strict=True)}


def _as_they_are(
    outputs: Sequence[Output], digests: Sequence[str]
) -> Iterator[tuple[str, Stat, str, bool]]:
    """Yield path, stat and digest of files just written; whoever reads them next looks again."""
    for output, digest in zip(outputs, digests, strict=True):
        path = os.fspath(output.path.absolute())
        stat = stat_of(path)
        if stat is not None:
            yield path, stat, digest, True


def _write(outputs: Sequence[Output], scratches: Sequence[Path], state: Path) -> None:
    """Write and flush files to where they wait; of a few, one after the other."""

    def write(some: Sequence[tuple[Output, Path]]) -> None:
        for output, scratch in some:
            with files.disk_errors(output.path, state):
                output.write(scratch)

    first: dict[Path, Path] = {}
    for output in outputs:
        first.setdefault(output.path.parent, output.path)
    for folder, path in first.items():
        with files.disk_errors(path, state):
            folder.mkdir(parents=True, exist_ok=True)
    each = list(zip(outputs, scratches, strict=True))
    if len(each) < _FLUSHES:
        write(each)
        return
    share = -(-len(each) // _FLUSHES)
    with ThreadPoolExecutor(_FLUSHES, thread_name_prefix="flush") as pool:
        # The first error, in the order of the files, is raised when no thread writes any more.
        list(pool.map(write, (each[at : at + share] for at in range(0, len(each), share))))


def _check_ways(outputs: Sequence[Output]) -> None:
    for path, name in {out.path.parent: (out.path, out.name) for out in outputs}.values():
        check_way(path, name)


def check_way(path: Path, name: str) -> None:
    """Raise DatasetError where a link stands in place of a folder of the dataset.

    Args:
        path: Where something is to be written.
        name: Its path in the dataset.
    """
    for above in [path.parent, *path.parent.parents][: name.count("/")]:
        if above.is_symlink():
            shown = os.path.relpath(above)
            raise DatasetError(
                f"`{shown}` is a link, and what is written there would leave the folder",
                "make it a folder, or move it away",
            )


def remove(ledger: Ledger, path: Path, name: str) -> None:
    """Remove a file that we wrote and nobody edited."""
    check_way(path, name)
    with files.disk_errors(path):
        path.unlink(missing_ok=True)
    with ledger.batch():
        ledger.wrote(name, None)


def sweep_scratch(folder: Path, state: Path) -> None:
    """Remove the scratch files that dead runs of this dataset left in a folder; its lock is held.

    Those of other datasets, which may be in use, and all other files stay.
    """
    ours = _ours(folder, state)
    with suppress(OSError):
        for entry in os.scandir(folder):
            if ours.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    os.unlink(entry.path)


def scratch_for(path: Path, state: Path) -> Path:
    """Return where the bytes of a file wait: beside it, those of prep's own files in its folder."""
    return Path(f"{_scratch_in(path.parent.absolute(), state.absolute())}{uuid.uuid4().hex}")


@lru_cache(16)  # a batch asks for that of the same folder again and again
def _scratch_in(folder: Path, state: Path) -> str:
    """Return how the paths of scratch files begin for files of a folder."""
    # One folder to sweep, however many folders the large results fill.
    place = state if folder.is_relative_to(state) else folder
    return os.path.join(place, f"{files.SCRATCH}{_mark(place, state)}-")


def _ours(folder: Path, state: Path) -> re.Pattern[str]:
    mark = _mark(folder.absolute(), state.absolute())
    return re.compile(rf"{re.escape(files.SCRATCH)}{mark}-[0-9a-f]{{32}}")


def _mark(folder: Path, state: Path) -> str:
    """Return what tells a dataset's scratch files from those of others in the same folder.

    It stays the same when all of them move together.
    """
    way = os.path.relpath(state, folder) if state.anchor == folder.anchor else os.fspath(state)
    return files.digest_bytes(Path(way).as_posix().encode("utf-8", "surrogateescape"))[:8]
