"""A stop is obeyed within five seconds, whatever the program is at."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from prep.runtime.stopping import Stop, patience
from tests.prep.engine.test_large_pictures import photograph

pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals are POSIX")
ROOT = Path(__file__).resolve().parents[3]
PREP = [sys.executable, "-P", "-m", "prep"]
DEAF = """
import contextlib, signal, sys, time
from prep.runtime.program import run_app
from prep.runtime.stopping import patience

def deaf(**_):
    model = sys.argv[1] == "model"
    with patience() if model else contextlib.nullcontext():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)  # as where a library is long at one step
        print("ready", flush=True)
        if model:
            time.sleep(7)
            print("done", flush=True)
    time.sleep(30)

run_app(deaf, [], "deaf")
"""


def stopped(process: "subprocess.Popen[str]", number: int) -> tuple[int, float]:
    """Send a signal; return the exit code and how long it took."""
    begun = time.monotonic()
    process.send_signal(number)
    code = process.wait(timeout=60)
    return code, time.monotonic() - begun


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_one_that_does_not_hear_is_ended(number: int, code: int) -> None:
    """Case D1: where a library is long at one step, the process ends in time all the same."""
    with subprocess.Popen(
        [sys.executable, "-c", DEAF, ""], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        found, seconds = stopped(process, number)

    assert found == code
    assert seconds < 5


def test_a_model_at_work_is_waited_for() -> None:
    """Case D1: what a model has in hand is not lost to a stop; the time counts from its end."""
    with subprocess.Popen(
        [sys.executable, "-c", DEAF, "model"], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        found, seconds = stopped(process, signal.SIGTERM)
        assert process.stdout.read() == "done\n"

    assert found == 143
    assert 7 < seconds < 13


IMPORTS = """
import sys
from prep.runtime.program import run_app

def importing(**_):
    import slow_library
    {later}

run_app(importing, [], "importing")
"""
SWALLOWS = """
import time
print("ready", flush=True)
try:
    for _ in range(20):
        time.sleep(0.1)  # as torch does while it imports numpy
except BaseException:
    print("swallowed", flush=True)
"""


@pytest.mark.parametrize("later", ["import time; time.sleep(30)", ""])
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_an_import_swallows_no_stop(later: str, number: int, code: int, tmp_path: Path) -> None:
    """Case D1: a stop while a library is imported comes after it; none is lost to a library."""
    (tmp_path / "slow_library.py").write_text(SWALLOWS)
    program = IMPORTS.format(later=later)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path)}, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        found, seconds = stopped(process, number)
        assert "swallowed" not in process.stdout.read()

    assert found == code
    assert seconds < 3.9  # it is not ended as one that does not hear


def test_a_stop_that_waited_is_heard_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Case D1: a training hears of it as of one Ctrl-C: a second one would end its step."""
    sent: list[int] = []
    monkeypatch.setattr(signal, "pthread_kill", lambda thread, number: sent.append(number))
    stop = Stop()
    stop.asked, stop.waits = signal.SIGINT, True
    stop.ask_again()
    stop.ask_again()

    assert sent == [signal.SIGINT]


def test_the_first_signal_asks_and_the_second_stops() -> None:
    """One Ctrl-C is noted and told; the next one acts at once, as it does outside."""
    told = []
    try:
        with patience(lambda _: told.append("asked")) as stop:
            signal.raise_signal(signal.SIGINT)
            assert stop.asked == signal.SIGINT
            signal.raise_signal(signal.SIGINT)
            told.append("went on")
    except KeyboardInterrupt:
        told.append("stopped")

    assert told == ["asked", "stopped"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_stop_that_waited_comes_at_the_end() -> None:
    """Case D1: what has to be finished is, inner blocks too; then the stop unwinds the program."""
    told = []
    try:
        with patience():
            with patience(lambda _: told.append("asked")):
                signal.raise_signal(signal.SIGINT)
                told.append("finished")
            told.append("all finished")
        told.append("went on")
    except KeyboardInterrupt:
        told.append("stopped")

    assert told == ["asked", "finished", "all finished", "stopped"]


@pytest.mark.parametrize("early", [True, False])
def test_what_can_be_made_again_waits_for_nothing(early: bool) -> None:
    """Case D1: within work that must be finished there may be some that a stop may take."""
    told = []
    try:
        with patience() as stop:
            if early:
                signal.raise_signal(signal.SIGINT)
            with stop.impatience():
                told.append("drawing")
                signal.raise_signal(signal.SIGINT)
                told.append("went on")
    except KeyboardInterrupt:
        told.append("stopped")

    assert told == (["stopped"] if early else ["drawing", "stopped"])


def test_sigterm_that_comes_twice_is_one() -> None:
    """Case D1: sent to a whole group, it comes once more from whoever passes it on."""
    told = []
    try:
        with patience(told.append):
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            told.append(0)
    except SystemExit as ended:
        told.append(int(ended.code or 0))

    assert told == [signal.SIGTERM, 0, 143]


EARLY = """
import signal, sys
from prep.runtime.stopping import end_at_once

with end_at_once():
    print("ready", flush=True)
    exec("import time; time.sleep(30)")
"""


def test_a_stop_before_the_program_begins() -> None:
    """Case D1: Ctrl-C while the program's own parts are imported is no traceback, and 130."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", EARLY], stdout=pipe, stderr=pipe, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        found, _ = stopped(process, signal.SIGINT)
        assert process.stderr.read() == ""

    assert found == 130


LEFT = """
import sys, time
from prep.runtime.program import run_app
from prep.runtime.stopping import end_at_once

class Slow:
    def __del__(self):
        time.sleep(20)  # as a large library takes to be taken down

slow = Slow()

def waiting(**_):
    print("ready", flush=True)
    time.sleep(30)

with end_at_once():
    run_app(waiting, [], "waiting")
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_program_takes_nothing_down(number: int, code: int) -> None:
    """Case D1: once all is closed, a stopped program ends; libraries are not taken down first."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-c", LEFT], stdout=pipe, stderr=pipe, text=True, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "ready\n"
        found, seconds = stopped(process, number)
        assert process.stderr.read() == "stopped; run the same command to go on\n"

    assert found == code
    assert seconds < 5


@pytest.mark.parametrize("seed", range(3))
def test_a_crop_is_stopped_at_any_moment(seed: int, tmp_path: Path) -> None:
    """Case D1: stopped while large pictures are cut, it ends in time, and the rerun completes."""
    chance = random.Random(seed)
    (tmp_path / "raw").mkdir()
    for number in range(3):
        photograph(tmp_path / "raw" / f"{number}.jpg", (3000 + number, 2000))
    words = [*PREP, "crop", "raw", "out", "-q"]
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.DEVNULL, text=True)
    time.sleep(chance.uniform(0.3, 3))
    if process.poll() is None:
        code, seconds = stopped(process, chance.choice((signal.SIGTERM, signal.SIGINT)))
        assert code in (130, 143, 0, -2, -15)  # the last two: before the program had begun
        assert seconds < 5
    subprocess.run(words, cwd=tmp_path, check=True)
    subprocess.run([*PREP, "crop", "raw", "whole", "-q"], cwd=tmp_path, check=True)
    shutil.rmtree(tmp_path / "out" / ".prep")
    shutil.rmtree(tmp_path / "whole" / ".prep")

    found, whole = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()}
        for name in ("out", "whole")
    )
    assert found == whole
