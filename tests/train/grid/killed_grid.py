"""A grid that kills itself: `python -m tests.train.grid.killed_grid RUN OUT HOME PICTURE WISH`.

SIGKILL after that picture. WISH is JSON.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prep.models.locate import Models
from prep.runtime.console import Progress
from tests.train.killing import Fatal, Killing
from train.grid.draw_grid import grid
from train.grid.grid_wish import GridWish


class Dying(Killing):
    """A console whose progress kills, whatever it counts."""

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator[Progress]:
        """Yield one that kills after the step."""
        yield Fatal(self, title, total)


if __name__ == "__main__":
    run, out, home = map(Path, sys.argv[1:4])
    console = Dying(step=int(sys.argv[4]))
    grid([str(run)], GridWish(**json.loads(sys.argv[5])), out, Models(home, True), console)
