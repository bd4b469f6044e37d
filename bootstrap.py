"""From a fresh clone to a running program: `python bootstrap.py demo`, or `test`.

Makes `.venv` beside this file, picks the CPU or the CUDA packages, installs the project when
pyproject.toml has changed since, then runs what was asked. Needs the standard library only, and
says what is wrong even under a Python that is too old to run the project.
"""

from __future__ import annotations  # an old Python must get as far as the message about it

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent
OLDEST = (3, 11)

USAGE = """\
usage: python bootstrap.py COMMAND [ARGUMENTS]

  demo           draw pictures, prepare them, train a small LoRA on them
  test           run every check and test
  prep ...       the `prep` program
  train ...      the `train` program

Makes .venv beside bootstrap.py on first use; nothing else has to be installed."""

# `-P`: a file named like a module of ours, where the person stands, is not ours.
PROGRAMS = {
    "demo": ["-P", "-m", "tinyworld", "demo"],
    "test": [str(ROOT / "tests" / "check.py")],
    "prep": ["-P", "-m", "prep"],
    "train": ["-P", "-m", "train"],
}

# PyPI has no CUDA build of torch for Windows. Not tried: no Windows machine was at hand.
WINDOWS_CUDA_INDEX = "https://download.pytorch.org/whl/cu130"

HINT = "read its last lines above; then delete `.venv` and run the same command again"


class BootstrapError(Exception):
    """Something a person can mend: a message, and a hint what to do."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def check_python(version: tuple[Any, ...]) -> None:
    """Raise BootstrapError for a Python, as (major, minor, ...), that is too old."""
    if tuple(version[:2]) < OLDEST:
        needed, found = (".".join(map(str, each[:2])) for each in (OLDEST, version))
        raise BootstrapError(
            f"Python {needed} or newer is needed, this is {found}",
            f"run it with a newer one: `python{needed} bootstrap.py ...`",
        )


def accelerator(driver_files: list[str], found_programs: list[str]) -> str:
    """Return `cuda` where an NVIDIA driver is installed, else `cpu`.

    Args:
        driver_files: Paths that exist.
        found_programs: Names of programs that are on the PATH.
    """
    driver = "/proc/driver/nvidia/version" in driver_files or "nvidia-smi" in found_programs
    return "cuda" if driver else "cpu"


def install_commands(
    python: str, extras: list[str], before: list[str], platform: str
) -> list[list[str]]:
    """Return the commands that bring the packages up to date, in order.

    Args:
        python: The environment's own Python.
        extras: What is wanted, for example ["cpu", "dev"]; `cpu` or `cuda` comes first.
        before: The extras installed so far. Where they hold the other accelerator, both builds of
            onnxruntime go first: they overwrite each other's files.
        platform: As `sys.platform`.
    """
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--no-input"]
    commands = []
    if {"cpu", "cuda"} & set(before) - {extras[0]}:
        commands.append([*pip, "uninstall", "--yes", "onnxruntime", "onnxruntime-gpu"])
    index = platform == "win32" and extras[0] == "cuda"
    extra_index = ["--extra-index-url", WINDOWS_CUDA_INDEX] if index else []
    wanted = f"{ROOT}[{','.join(extras)}]"
    commands.append([*pip, "install", "--quiet", *extra_index, "--editable", wanted])
    return commands


def extras_for(command: str, chosen: str, before: list[str]) -> list[str]:
    """Return the extras to install: the accelerator, and `dev` where tests run or it was there."""
    return [chosen, "dev"] if command == "test" or "dev" in before else [chosen]


def python_of(environment: Path, platform: str) -> Path:
    """Return the path of a virtual environment's Python."""
    windows = platform == "win32"
    return environment / ("Scripts/python.exe" if windows else "bin/python")


def prepare(command: str) -> Path:
    """Make `.venv` and install what `command` needs; return the path of its Python."""
    environment = ROOT / ".venv"
    python = python_of(environment, sys.platform)
    stamp = environment / "bootstrap.json"
    if not python.exists():
        print("making .venv", file=sys.stderr, flush=True)
        stamp.unlink(missing_ok=True)
        run_or_explain([sys.executable, "-m", "venv", "--clear", str(environment)])
    done = read_stamp(stamp)
    programs = [name for name in ("nvidia-smi",) if shutil.which(name)]
    drivers = [name for name in ("/proc/driver/nvidia/version",) if Path(name).exists()]
    extras = extras_for(command, accelerator(drivers, programs), done["extras"])
    digest = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    wanted = {"extras": extras, "pyproject": digest, "root": str(ROOT)}
    if done != wanted:
        print(f"installing packages ({', '.join(extras)})", file=sys.stderr, flush=True)
        for each in install_commands(str(python), extras, done["extras"], sys.platform):
            run_or_explain(each)
        stamp.write_text(json.dumps(wanted), encoding="utf-8")
    return python


def read_stamp(stamp: Path) -> dict[str, Any]:
    """Return what the last installation wrote down; a missing or damaged note means none."""
    try:
        found = json.loads(stamp.read_text(encoding="utf-8"))
        return found if isinstance(found["extras"], list) else {"extras": []}
    except (OSError, ValueError, KeyError, TypeError):
        return {"extras": []}


def run_or_explain(command: list[str]) -> None:
    """Run a command of the installation; raise BootstrapError when it fails."""
    try:
        code = subprocess.run(command, check=False, stdout=sys.stderr).returncode
    except OSError as error:
        raise BootstrapError(f"`{command[0]}` cannot be run: {error.strerror}", HINT) from None
    if code:
        words = " ".join(command[1:4]).replace("-m ", "")
        raise BootstrapError(f"`{words}` ended with exit code {code}", HINT)


def main(arguments: list[str]) -> int:
    """Prepare the environment and become the program that was asked for."""
    if not arguments or arguments[0] not in PROGRAMS:
        print(USAGE, file=sys.stderr)
        return 2
    try:
        check_python(sys.version_info)
        python = prepare(arguments[0])
    except BootstrapError as error:
        print(f"error: {error}\nhint: {error.hint}", file=sys.stderr)
        return 1
    command = [str(python), *PROGRAMS[arguments[0]], *arguments[1:]]
    sys.stdout.flush()
    if os.name != "nt":  # on Windows the shell would not wait for the program
        os.execv(command[0], command)  # noqa: S606 - signals and exit codes are the program's own
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(130)
