"""Options of the whole suite."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--update-golden`: write what is new into tests/golden and the README's table."""
    parser.addoption("--update-golden", action="store_true", help="write new golden values")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden values that are new may be written."""
    return bool(request.config.getoption("--update-golden"))
