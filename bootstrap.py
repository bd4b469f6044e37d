"""From a fresh clone to a running program: `python bootstrap.py demo`, or `test`.

Makes `.venv` beside this file, picks the CPU or the CUDA packages, installs the project with the
versions of constraints.txt whenever that file or pyproject.toml has changed, then runs what was
asked. Needs the standard library only, and says what is wrong even under a Python that is too old
to run the project.
"""

from __future__ import annotations  # an old Python must get as far as the message about it

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent
OLDEST, NEWEST = (3, 11), (3, 14)
OPTIONS = ("--cpu", "--cuda", "--newest")

USAGE = """\
usage: python bootstrap.py [OPTIONS] COMMAND [ARGUMENTS]

  demo           draw pictures, prepare them, train a small LoRA on them
  test           run every check and test
  prep ...       the `prep` program
  train ...      the `train` program

  --cpu, --cuda  choose the packages by hand; otherwise an NVIDIA driver decides
  --newest       the newest packages that pyproject.toml allows, in .venv-newest

Makes .venv beside bootstrap.py on first use; nothing else has to be installed."""

# `-P`: a file named like a module of ours, where the person stands, is not ours.
PROGRAMS = {
    "demo": ["-P", "-m", "tinyworld", "demo"],
    "test": [str(ROOT / "tests" / "check.py")],
    "prep": ["-P", "-m", "prep"],
    "train": ["-P", "-m", "train"],
}


class Request(NamedTuple):
    """What was asked for.

    Attributes:
        command: A key of PROGRAMS.
        arguments: What the program gets.
        accelerator: `cpu` or `cuda` where it was chosen by hand, else empty.
        newest: The newest packages that pyproject.toml allows.
    """

    command: str
    arguments: list[str]
    accelerator: str
    newest: bool


def request(words: list[str]) -> Request | None:
    """Return what the command line asks for, or None where it is not understood.

    Our options stand before the command; behind `demo` and `test` they are understood as well.
    """
    place = next((at for at, word in enumerate(words) if not word.startswith("-")), len(words))
    command = words[place] if place < len(words) else ""
    options, arguments = words[:place], words[place + 1 :]
    if command in ("demo", "test"):
        options += [word for word in arguments if word in OPTIONS]
        arguments = [word for word in arguments if word not in OPTIONS]
    chosen = {option.lstrip("-") for option in options if option != "--newest"}
    if command not in PROGRAMS or not set(options) <= set(OPTIONS) or len(chosen) > 1:
        return None
    return Request(command, arguments, "".join(chosen), "--newest" in options)


def refusal(version: tuple[Any, ...]) -> str:
    """Return two lines for a Python, as (major, minor, ...), that cannot be used; else nothing."""
    if OLDEST <= tuple(version[:2]) <= NEWEST:
        return ""
    oldest, newest, found = (".".join(map(str, each[:2])) for each in (OLDEST, NEWEST, version))
    return (
        f"error: Python {oldest} to {newest} is needed, this is {found}\n"
        f"hint: run it with one of these: `python{oldest} bootstrap.py ...`"
    )


def main(arguments: list[str]) -> int:
    """Prepare the environment and become the program that was asked for."""
    asked = request(arguments)
    if asked is None:
        print(USAGE, file=sys.stderr)
        return 2
    wrong = refusal(sys.version_info)
    if wrong:
        print(wrong, file=sys.stderr)
        return 1
    sys.path.insert(0, str(ROOT))  # isolated or not: what follows needs what lies beside this file
    from prep.install import environment
    from prep.runtime import console, errors

    try:
        python = environment.prepare(
            environment.Wanted(ROOT, asked.command, asked.accelerator, newest=asked.newest)
        )
    except errors.UserError as error:
        console.show_error(error, sys.stderr)
        return error.exit_code
    command = [str(python), *PROGRAMS[asked.command], *asked.arguments]
    sys.stdout.flush()
    if os.name != "nt":  # on Windows the shell would not wait for the program
        os.execv(command[0], command)  # noqa: S606 - signals and exit codes are the program's own
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
