"""Writing the page of a run: `report.html` in its folder, whole at any moment."""

import time
from dataclasses import dataclass, field
from pathlib import Path

from prep.pages.document import is_page
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError, UserError
from train.report.report_page import page
from train.report.report_pictures import ReportPictures

NAME = "report.html"
_EVERY_S = 60.0
_SHARE = 0.01  # of the time that passes, at most


@dataclass
class WrittenReport:
    """Writes the page of one run while it trains: see `train.run.run_report.RunReport`.

    Attributes:
        next_at: When the next one may be written, by the clock that never goes back.
        took_s: How long the last one took.
    """

    pictures: ReportPictures = field(default_factory=ReportPictures)
    next_at: float = field(default_factory=lambda: time.monotonic() + _EVERY_S)
    took_s: float = 0.0

    def follow(self, folder: Path, console: Console) -> None:
        """Write the page a minute after the one before, or later: it takes 1 % of the time."""
        if time.monotonic() >= self.next_at:
            self.write(folder, console)

    def write(self, folder: Path, console: Console) -> None:
        """Write it; what goes wrong is told, and the training goes on."""
        began = time.monotonic()
        try:
            write_report(folder, self.pictures)
        except (UserError, OSError) as error:
            console.wrong(f"the report was not written: {error}")
        now = time.monotonic()
        self.took_s = now - began
        self.next_at = now + max(_EVERY_S, self.took_s / _SHARE)


def write_report(folder: Path, pictures: ReportPictures) -> Path:
    """Write the page of a run folder; return its file.

    Raises:
        UserError: It is no run folder, a page of another program is in the way, or the disk is
            full.
    """
    made = page(folder, pictures)
    path = folder / NAME
    if path.exists() and not is_page(path):
        raise ConfigError(
            f"`{path}` is there and was not made by this program: it is kept", "move it away"
        )
    files.write(path, made)
    return path
