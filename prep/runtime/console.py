"""The only module that writes to the terminal."""

import json
import os
import sys
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from prep.runtime.errors import UserError

_LOG_EVERY_S = 30.0
_DRAW_EVERY_S = 0.2


def plain(text: str) -> str:
    """Return `text` as one line that is safe to show, whatever names and captions hold.

    Control and format characters (line breaks, terminal escapes, text direction) and bytes that
    are no text are written as escapes.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char.encode("unicode_escape").decode()
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        else char
        for char in text
    )


@dataclass(frozen=True)
class Console:
    """Where a command speaks.

    Attributes:
        level: 0 quiet (errors only), 1 ordinary, 2 every sample.
        json: Say everything as one JSON object a line on `out`.
        out: Results go here.
        err: Progress, notes and errors go here.
    """

    level: int = 1
    json: bool = False
    out: TextIO = field(default_factory=lambda: sys.stdout)
    err: TextIO = field(default_factory=lambda: sys.stderr)

    def say(self, *lines: str, **facts: Any) -> None:
        """Print the lines of a result; with `json`, one object that holds `facts` too."""
        if self.json:
            # ASCII, so that every console can show it and every line can be parsed.
            _write(self.out, json.dumps({"say": "\n".join(lines), **facts}, default=str))
        elif self.level:
            for line in lines:
                _line(self.out, line)

    def wrong(self, line: str) -> None:
        """Print what is wrong, also with `-q`."""
        _line(self.err, line)

    def note(self, text: str) -> None:
        """Print what a person should know but need not act on."""
        if self.json:
            self.say(text, kind="note")
        elif self.level:
            _line(self.err, text)

    def options(self) -> list[str]:
        """Return the options that make a program of ours speak alike."""
        return ["--json"] if self.json else [["-q"], [], ["-v"]][self.level]

    def details(self) -> bool:
        """Return whether inner stages and raw values are shown: with `-v`, and in JSON."""
        return self.json or self.level > 1

    def detail(self, text: str) -> None:
        """Print what is worth a line only with `-v`."""
        if self.level > 1:
            self.note(text)

    @contextmanager
    def progress(self, title: str, total: int) -> Iterator["Progress"]:
        """Show how far `title` is, with rate and time left; log lines without a terminal."""
        shown = Progress(self, title, total)
        try:
            yield shown
        finally:
            shown.close()


class Progress:
    """Counts finished work and draws it, at most five times a second."""

    def __init__(self, console: Console, title: str, total: int) -> None:
        self.done = 0
        self._console, self._title, self._total = console, title, total
        self._started = self._drawn = time.monotonic()
        self._live = console.level == 1 and not console.json and console.err.isatty()

    def advance(self, count: int = 1, told: Callable[[], str] = str) -> None:
        """Count `count` more samples as finished.

        Args:
            told: Returns what a terminal shows beside, when it is drawn.
        """
        self.done += count
        now = time.monotonic()
        if now - self._drawn < (_DRAW_EVERY_S if self._live else _LOG_EVERY_S):
            return
        self._drawn = now
        self._show(now, told)

    def _show(self, now: float, told: Callable[[], str]) -> None:
        rate = self.done / max(now - self._started, 1e-9)
        left = (self._total - self.done) / rate if rate else 0.0
        pace = f"{rate:.1f}/s" if rate >= 1 or not rate else f"{1 / rate:.1f} s each"
        text = f"{self._title} {self.done}/{self._total}, {pace}, {duration(left)} left"
        if self._live:
            more = told()
            line = plain(f"{text}, {more}" if more else text)
            self._console.err.write(f"\r\x1b[2K{line[: _columns(self._console.err)]}")
            self._console.err.flush()
        else:
            self._console.note(text)

    def close(self) -> None:
        """Wipe the live line."""
        if self._live:
            self._console.err.write("\r\x1b[2K")
            self._console.err.flush()


def _columns(stream: TextIO) -> int | None:
    """Return how many letters a line of a terminal has; None where it does not say.

    A longer line would go on in the next one, and only that one would be wiped.
    """
    try:
        return os.get_terminal_size(stream.fileno()).columns or None
    except (OSError, ValueError):
        return None


def duration(seconds: float) -> str:
    """Return a time span as a person says it: `8 s`, `3 min 20 s`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def show_error(error: UserError, err: TextIO) -> None:
    """Print an error as two lines, and each of its further mistakes likewise.

    Paths in backticks below the folder that a person stands in are shown relative to it.
    """
    try:
        here = f"`{Path.cwd()}{os.sep}"
    except FileNotFoundError:  # it was removed, so that nothing lies below it
        here = "`\0"
    for message, hint in ((str(error), error.hint), *error.others):
        for label, text in (("error", message), ("hint", hint)):
            if text:
                _line(err, f"{label}: {text.replace(here, '`')}".replace("\n", " "))


def _line(stream: TextIO, text: str) -> None:
    """Write one line; what the terminal's encoding lacks is escaped."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    _write(stream, plain(text).encode(encoding, "backslashreplace").decode(encoding))


def _write(stream: TextIO, line: str) -> None:
    """Write one line; a closed pipe is no error."""
    try:
        stream.write(line + "\n")
        stream.flush()
    except BrokenPipeError:
        # The reader (`| head`) has gone; the work goes on and must not end in a traceback.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
