"""One line of the doctor's page, and how it is kept free of what is private."""

import getpass
import os
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Diagnosis:
    """One thing that was looked at.

    Attributes:
        subject: What it is about, in one or two words.
        text: How it is.
        hint: What a person can do about it; empty where all is well.
        mend: Does it in their place, and returns what was done; None where only they can.
    """

    subject: str
    text: str
    hint: str = ""
    mend: Callable[[], str] | None = None


def masked(text: str, home: Path, here: Path, user: str) -> str:
    """Return a text without what is private in its paths.

    Paths below the folder `here` become relative to it, those below `home` begin with `~`; of any
    other path only `/...` and its last part stay, and the user's name becomes `USER`.
    """
    for folder, short in ((here, "."), (home, "~")):
        if str(folder) != folder.anchor:
            text = text.replace(str(folder) + os.sep, short + os.sep)
            text = re.sub(rf"{re.escape(str(folder))}(?![\w.-])", short, text)
    text = re.sub(r"(?<![\w.~:/])/(?:[^/\s`]+/)+(?=[^/\s`]+)", "/.../", text)
    return re.sub(rf"\b{re.escape(user)}\b", "USER", text) if len(user) > 1 else text


def user_name() -> str:
    """Return the name of the person at this machine; empty where there is none."""
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return ""


def size(count: float) -> str:
    """Return a number of bytes as a person says it: `3.2 MB`."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
