"""One run at a time on one dataset; a dead run holds nothing."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from prep.engine.state.dataset_lock import held
from prep.runtime.errors import HeldError, MachineError

HOLD = (
    "import sys, pathlib; from prep.engine.state.dataset_lock import held\n"
    "with held(pathlib.Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
)


def holder(state: Path) -> "subprocess.Popen[str]":
    """Start a process that holds a dataset until its stdin closes."""
    pipe = subprocess.PIPE
    words = [sys.executable, "-c", HOLD, str(state)]
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    """Row 78: the message names the command, the process and the time; exit code 5."""
    process = holder(tmp_path / ".prep")
    with pytest.raises(HeldError) as told, held(tmp_path / ".prep"):
        pass
    process.communicate()
    expected = f"`{tmp_path}` is held by `prep {tmp_path / '.prep'}` (process {process.pid}, since "
    assert str(told.value).startswith(expected)
    assert told.value.hint == "wait until it is done, or stop it"
    assert told.value.exit_code == 5


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_dead_holder_holds_nothing(tmp_path: Path, number: int) -> None:
    """Row 79: the lock frees itself, however the process ended; nothing is removed by hand."""
    process = holder(tmp_path)
    os.kill(process.pid, number)
    process.communicate()
    with held(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["lock"]


def test_an_error_in_the_block_frees_it(tmp_path: Path) -> None:
    """A run that fails leaves neither lock nor record."""
    with pytest.raises(KeyError), held(tmp_path):
        raise KeyError
    with held(tmp_path):
        pass
    assert not (tmp_path / "holder.json").exists()


def test_the_holder_may_be_unknown(tmp_path: Path) -> None:
    """A record that is not there yet, or torn, is no error of its own."""
    process = holder(tmp_path)
    (tmp_path / "holder.json").write_text('{"pid": 1')
    with pytest.raises(HeldError, match="is held by another run"), held(tmp_path):
        pass
    process.communicate()


def test_a_state_folder_that_cannot_be_made_is_two_lines(tmp_path: Path) -> None:
    """Row 65: the error names the folder."""
    (tmp_path / "file").write_text("")
    with pytest.raises(MachineError) as told, held(tmp_path / "file" / ".prep"):
        pass
    why = f"`{tmp_path / 'file'}` is a file, not a folder"
    assert str(told.value) == f"`{tmp_path / 'file/.prep'}` cannot be written: {why}"
