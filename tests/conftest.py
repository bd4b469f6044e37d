"""Options of the whole suite, and the surroundings that every test and its processes get."""

import atexit
import os
import shutil
import signal
import tempfile

import pytest

# The suite runs in several processes: each computes in one thread, and so does
# every program that a test starts, whose bits depend on the number of threads.
os.environ["OMP_NUM_THREADS"] = "1"
# What programs remember of models is this suite's own, not the person's who runs it.
os.environ["XDG_DATA_HOME"] = tempfile.mkdtemp(prefix="prep-and-train-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_DATA_HOME"], ignore_errors=True)
# A shell starts what it puts into the background with Ctrl-C ignored, and children inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`: write what is new into tests/golden and docs/stages.md."""
    parser.addoption("--update-golden", action="store_true", help="write new golden values")
    parser.addoption("--long", action="store_true", help="run the tests that CI has no time for")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the mark of tests that CI has no time for."""
    config.addinivalue_line("markers", "long: runs with `--long` alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Skip what is marked `long`, unless it is asked for."""
    if not config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("long"):
                item.add_marker(pytest.mark.skip(reason="takes long: `--long` runs it"))


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden values that are new may be written."""
    return bool(request.config.getoption("--update-golden"))
