import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import typer

from prep.runtime.errors import DatasetError, MachineError, UsageError
from prep.runtime.program import run_app, run_child
from prep.runtime.stopping import patience


def _app(body: Callable[[], object]) -> typer.Typer:
    app = typer.Typer(
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        add_completion=False,
    )

    @app.callback()
    def top() -> None:
        """A program."""

    @app.command()
    def lift(number: int = 0, path: str = typer.Argument("x")) -> object:
        """Lift something."""
        return body()

    return app


def _ends(body: Callable[[], object], *words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        run_app(_app(body), list(words), "crane")
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def _raising(error: BaseException) -> Callable[[], object]:
    def body() -> object:
        raise error

    return body


@pytest.mark.parametrize(("answer", "code"), [(None, 0), (3, 3), (4, 4)])
def test_a_command_ends_with_the_code_it_returns(answer: int | None, code: int) -> None:
    """A command that returns nothing ends with 0, else with its number."""
    assert _ends(lambda: answer, "lift") == code


def test_an_exit_raised_inside_keeps_its_code() -> None:
    """`typer.Exit(5)` ends the program with 5."""
    assert _ends(_raising(typer.Exit(5)), "lift") == 5


@pytest.mark.parametrize(("kind", "code"), [(DatasetError, 1), (UsageError, 2)])
def test_a_mistake_is_two_lines(
    kind: type[DatasetError], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A mistake that a person can mend is an error and a hint on stderr, with its kind's code."""
    assert _ends(_raising(kind("no crane", "buy one", [("no rope", None)])), "lift") == code

    assert capsys.readouterr() == ("", "error: no crane\nhint: buy one\nerror: no rope\n")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["lft"], "error: no such command `lft`\nhint: did you mean `lift`?\n"),
        (["qqq"], "error: no such command `qqq`\nhint: known: lift\n"),
        (["--qqq"], "error: no such option `--qqq`\nhint: see `crane --help`\n"),
        (
            ["lift", "--numbr", "1"],
            "error: no such option `--numbr`\nhint: did you mean `--number`?\n",
        ),
        (
            ["lift", "--number"],
            "error: option `--number` requires an argument\nhint: see `crane --help`\n",
        ),
        (
            ["lift", "a", "b"],
            "error: got unexpected extra argument(s) (b)\nhint: see `crane lift --help`\n",
        ),
    ],
)
def test_what_typer_refuses_is_two_lines(
    words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 47: Typer's own usage errors have our form too, name the nearest word, and end with 2."""
    assert _ends(lambda: None, *words) == 2

    assert capsys.readouterr() == ("", told)


def test_an_empty_command_line_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a word the program shows what it can do, and ends with 2."""
    assert _ends(lambda: None) == 2

    assert capsys.readouterr().err.startswith("Usage: crane [OPTIONS] COMMAND [ARGS]...")


def test_ctrl_c_says_how_to_go_on(capsys: pytest.CaptureFixture[str]) -> None:
    """Row 74: Ctrl-C ends with 130 and one line."""
    assert _ends(_raising(KeyboardInterrupt()), "lift") == 130

    assert capsys.readouterr() == ("", "stopped; run the same command to go on\n")


def test_sigterm_ends_with_143_and_clears_up(capsys: pytest.CaptureFixture[str]) -> None:
    """Row 75: SIGTERM ends with 143, what has to be cleared away is, and the old action returns."""
    cleared: list[str] = []
    before = signal.getsignal(signal.SIGTERM)

    def body() -> object:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            return signal.pause()
        finally:
            cleared.append("scratch")

    assert _ends(body, "lift") == 143
    assert cleared == ["scratch"]
    assert signal.getsignal(signal.SIGTERM) == before
    assert capsys.readouterr() == ("", "stopped; run the same command to go on\n")


def test_a_stop_that_waits_hides_no_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Case D1: what cannot be saved is told in place of the stop that waited for it."""

    def body() -> object:
        with patience():
            signal.raise_signal(signal.SIGTERM)
            raise MachineError("the disk is full", "free some space")

    assert _ends(body, "lift") == 1
    assert capsys.readouterr() == ("", "error: the disk is full\nhint: free some space\n")


def test_a_name_that_no_disk_takes_is_two_lines(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Whichever file a command looks for first, a name of over 255 characters is no traceback."""
    with pytest.raises(SystemExit) as ended:
        run_app(_app((tmp_path / ("x" * 300) / "y").mkdir), ["lift"], "crane")

    assert ended.value.code == 1
    assert capsys.readouterr().err == (
        f"error: the name `{'x' * 40}...` has 300 characters, more than a disk allows\n"
        "hint: check it for a missing space\n"
    )


def test_a_bug_keeps_its_traceback() -> None:
    """An exception that nobody foresaw is not turned into two lines."""
    with pytest.raises(ZeroDivisionError):
        run_app(_app(lambda: 1 // 0), ["lift"], "crane")


_CHILD = """
import pathlib, signal, sys, time
def save(number, frame):
    time.sleep(0.5)
    pathlib.Path("saved").write_text(str(number))
    sys.exit(128 + number)
signal.signal(signal.SIGINT, save)
signal.signal(signal.SIGTERM, save)
pathlib.Path("ready").touch()
time.sleep(60)
"""
_PARENT = """
import sys, typer
from prep.runtime.program import run_app, run_child
app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
@app.command()
def go() -> int:
    return run_child([sys.executable, "child.py"])
run_app(app, [], "prep")
"""


@pytest.mark.parametrize(("number", "group"), [(signal.SIGTERM, False), (signal.SIGINT, True)])
def test_a_child_saves_before_the_command_ends(tmp_path: Path, number: int, group: bool) -> None:
    """SIGTERM is passed on, Ctrl-C goes to the group: the child's work is saved first."""
    (tmp_path / "child.py").write_text(_CHILD)
    root = str(Path(__file__).resolve().parents[3])
    parent = subprocess.Popen(
        [sys.executable, "-c", _PARENT],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": root},
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    while not (tmp_path / "ready").exists():
        time.sleep(0.02)

    (os.killpg if group else os.kill)(parent.pid, number)

    assert parent.wait(10) == 128 + number
    assert (tmp_path / "saved").read_text() == str(number)


def test_a_child_that_a_signal_ended_has_a_code() -> None:
    """A child ended by a signal gives 128 and the signal's number, as shells do."""
    assert run_child([sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]) == 137
    assert run_child([sys.executable, "-c", "raise SystemExit(3)"]) == 3


@pytest.mark.parametrize("number", [errno.EACCES, errno.EPERM, errno.EROFS])
def test_a_file_without_rights_is_two_lines(
    number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Case C3: wherever a file or folder may not be used, it is named; it is no bug of ours."""
    error = OSError(number, os.strerror(number), "raw/.prep")

    assert _ends(_raising(error), "lift") == 1
    assert capsys.readouterr().err == (
        f"error: `raw/.prep` cannot be used: {os.strerror(number)}\n"
        "hint: give your user permission to read and change it and the folders above it\n"
    )
    with pytest.raises(OSError, match="Input/output"):
        run_app(_app(_raising(OSError(errno.EIO, "Input/output error", "x"))), ["lift"], "crane")
