"""One run at a time on one dataset."""

from contextlib import AbstractContextManager
from pathlib import Path

from prep.runtime import lock


def held(state: Path) -> AbstractContextManager[None]:
    """Hold the dataset whose state folder this is, until the end of the block; see `lock.hold`."""
    return lock.hold(state, state.parent, "prep")
