"""Files are replaced one way only: whole, known, and never a person's."""

import errno
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from prep.engine.state.database import opened, snapshot
from prep.engine.state.publish import Output, publish, remove, sweep_scratch
from prep.runtime.errors import MachineError
from prep.runtime.files import digest_bytes


def outputs(folder: Path) -> list[Output]:
    """Return two files of a dataset and one of prep's own."""
    return [
        Output(folder / "a.txt", "a.txt", b"one"),
        Output(folder / "sub" / "b.txt", "sub/b.txt", b"two"),
        Output(folder / ".prep" / "latents" / "c", "state:latents/c", b"three"),
    ]


def names(folder: Path) -> list[str]:
    """Return all files but those of the ledger."""
    found = (path for path in folder.rglob("*") if path.is_file())
    shown = sorted(path.relative_to(folder).as_posix() for path in found)
    return [name for name in shown if "ledger" not in name and "journal" not in name]


def test_files_and_ledger_agree(tmp_path: Path) -> None:
    """After a batch every file is in place, known by its digest, and nothing is left beside it."""
    with opened(tmp_path / ".prep") as ledger:
        publish(ledger, outputs(tmp_path), lambda: ledger.set_fact("done", True))
        assert ledger.outputs() == {
            each.name: digest_bytes(each.data) for each in outputs(tmp_path)
        }
        assert ledger.intents() == {}
        assert ledger.fact("done") is True
    assert names(tmp_path) == [".prep/latents/c", "a.txt", "sub/b.txt"]
    assert (tmp_path / "sub/b.txt").read_bytes() == b"two"


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
def test_an_error_of_the_disk_tears_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, function: str, number: int
) -> None:
    """Rows 59 and 63: at whichever call, old or new bytes stand there, and no scratch file."""
    real = getattr(os, function)
    for nth in range(1, 9):
        folder = tmp_path / str(nth)
        count = 0

        def failing(*args: object, last: int = nth) -> object:
            nonlocal count
            count += 1
            if count == last:
                raise OSError(number, os.strerror(number))
            return real(*args)

        with opened(folder / ".prep") as ledger:
            with monkeypatch.context() as patched:
                patched.setattr(os, function, failing)
                try:
                    publish(ledger, outputs(folder))
                except MachineError as error:
                    assert os.strerror(number) in str(error)  # noqa: PT017
            for each in outputs(folder):
                assert not each.path.exists() or each.path.read_bytes() == each.data
                known = ledger.outputs().get(each.name), *ledger.intents().get(each.name, ())
                assert not each.path.exists() or digest_bytes(each.data) in known
            assert not [name for name in names(folder) if ".tmp-" in name]


def test_a_disk_that_lies_about_the_length_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 64: bytes that never arrived are noticed before the file gets its name."""
    real = os.fsync

    def shortening(descriptor: int) -> None:
        if os.fstat(descriptor).st_size == len(b"three"):
            os.ftruncate(descriptor, 2)
        real(descriptor)

    monkeypatch.setattr(os, "fsync", shortening)
    with opened(tmp_path / ".prep") as ledger, pytest.raises(MachineError, match="only a part"):
        publish(ledger, outputs(tmp_path))
    assert names(tmp_path) == []


def texts(folder: Path) -> list[Output]:
    """Return forty small files; those of odd numbers are one byte longer."""
    return [Output(folder / f"{n:02}.txt", f"{n:02}.txt", b"x" * (1000 + n % 2)) for n in range(40)]


def test_many_files_are_flushed_together_before_any_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two at a time and more wait for the disk; then all intents are durable, then come names."""
    flush, rename = os.fsync, os.replace
    both, events, waiting = threading.Event(), list[str](), list[int]()

    def flushing(descriptor: int) -> None:
        if os.fstat(descriptor).st_size in (1000, 1001):
            waiting.append(descriptor)
            if len(waiting) == 2:
                both.set()
            assert both.wait(timeout=20)  # one after the other, the first would wait for ever
            events.append("flushed")
        flush(descriptor)

    def renaming(*args: Any) -> None:
        if "renamed" not in events:
            known = snapshot(tmp_path / ".prep")
            events.append(f"{len(known.intents())} intents")
            known.close()
        events.append("renamed")
        rename(*args)

    monkeypatch.setattr(os, "fsync", flushing)
    monkeypatch.setattr(os, "replace", renaming)
    with opened(tmp_path / ".prep") as ledger:
        publish(ledger, texts(tmp_path))
    assert events == ["flushed"] * 40 + ["40 intents"] + ["renamed"] * 40
    assert all(each.path.read_bytes() == each.data for each in texts(tmp_path))


def test_of_many_files_the_first_that_the_disk_refuses_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows 59 and 63: the error is that of the first such file in their order; none is there."""
    flush = os.fsync

    def full(descriptor: int) -> None:
        if os.fstat(descriptor).st_size == 1001:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        flush(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with opened(tmp_path / ".prep") as ledger, pytest.raises(MachineError) as told:
        publish(ledger, texts(tmp_path))
    first = tmp_path / "01.txt"
    assert str(told.value) == f"`{first}` cannot be written: No space left on device"
    assert names(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Row 65: the error says which file, and what to do."""
    (tmp_path / "sub").write_text("a file where a folder should be")
    with opened(tmp_path / ".prep") as ledger, pytest.raises(MachineError) as told:
        publish(ledger, outputs(tmp_path))
    why = f"`{tmp_path / 'sub'}` is a file, not a folder"
    assert str(told.value) == f"`{tmp_path / 'sub/b.txt'}` cannot be written: {why}"
    assert names(tmp_path) == ["sub"]


def test_only_our_own_scratch_files_are_swept(tmp_path: Path) -> None:
    """Files with such a name that another dataset or a person made stay."""
    one, other = tmp_path / "one", tmp_path / "other"
    left = {dataset: _scratch_name(tmp_path, dataset) for dataset in (one, other)}
    for name in left.values():
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / ".tmp-mine").write_bytes(b"a person's")
    sweep_scratch(tmp_path, one / ".prep")
    found = sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".tmp-"))
    assert found == sorted([left[other], ".tmp-mine"])


def _scratch_name(folder: Path, dataset: Path) -> str:
    """Return the name that a run of a dataset gives a scratch file in a folder."""
    caught: list[str] = []
    real = Path.replace

    def seen(self: Path, target: Path) -> Path:
        caught.append(self.name)
        return real(self, target)

    with pytest.MonkeyPatch.context() as patched, opened(dataset / ".prep") as ledger:
        patched.setattr(Path, "replace", seen)
        publish(ledger, [Output(folder / "meta.json", "meta.json", b"y")])
    return caught[0]


def test_a_removed_file_is_forgotten(tmp_path: Path) -> None:
    """Removing a file of ours takes it out of the ledger; one that is gone already is no error."""
    with opened(tmp_path / ".prep") as ledger:
        publish(ledger, outputs(tmp_path))
        for _ in range(2):
            remove(ledger, tmp_path / "a.txt", "a.txt")
        assert "a.txt" not in ledger.outputs()
    assert names(tmp_path) == [".prep/latents/c", "sub/b.txt"]
