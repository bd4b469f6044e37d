"""The virtual environment beside bootstrap.py: what it has to hold, and how it gets there.

Needs the standard library only: it runs before anything is installed.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prep.install import packages, pip
from prep.runtime.console import duration
from prep.runtime.errors import UserError

LOCK = "constraints.txt"
STAMP = "bootstrap.json"

# PyPI has no CUDA build of torch for Windows. Not tried: no Windows machine was at hand.
WINDOWS_CUDA_INDEX = "https://download.pytorch.org/whl/cu130"
_DRIVER = "/proc/driver/nvidia/version"


@dataclass(frozen=True)
class Wanted:
    """What an environment is asked to be.

    Attributes:
        root: The folder of the project.
        command: What will run in it; `test` needs the development packages.
        accelerator: `cpu` or `cuda` where a person chose it, else empty.
        newest: The newest packages that pyproject.toml allows, in an environment of their own.
    """

    root: Path
    command: str
    accelerator: str = ""
    newest: bool = False

    def folder(self) -> Path:
        """Return the folder of the environment."""
        return self.root / (".venv-newest" if self.newest else ".venv")

    def python(self) -> Path:
        """Return the path of the environment's Python."""
        windows = sys.platform == "win32"
        return self.folder() / ("Scripts/python.exe" if windows else "bin/python")

    def beside(self, suffix: str) -> Path:
        """Return the path of a file that belongs to the environment and survives it."""
        return self.root / f"{self.folder().name}.{suffix}"


def prepare(wanted: Wanted) -> Path:
    """Bring an environment up to date; return the path of its Python.

    Raises:
        UserError: Something a person has to mend.
    """
    folder, python = wanted.folder(), wanted.python()
    with pip.alone(wanted.beside("lock")):
        before = read_stamp(folder / STAMP)
        reason = why_stale(before, stamp_for(wanted, before))
        if reason and (before.get("unfinished") or not _has_pip(python)):
            there = folder.exists()
            pip.say(
                f"{folder.name} is not whole: making it again" if there else f"making {folder.name}"
            )
            _make(wanted)
            before = {"extras": [], "by_hand": before.get("by_hand", "")}
        elif reason:
            pip.say(f"{folder.name}: {reason}; bringing it up to date")
        if reason:
            _install(wanted, before)
    return python


def stamp_for(wanted: Wanted, before: dict[str, Any]) -> dict[str, Any]:
    """Return what the stamp says of an environment that is as wanted.

    Args:
        before: The stamp as it is. An accelerator chosen by hand stays chosen.
    """
    drivers = [path for path in (_DRIVER,) if Path(path).exists()]
    programs = [name for name in ("nvidia-smi",) if shutil.which(name)]
    by_hand = wanted.accelerator or before.get("by_hand", "")
    chosen = by_hand or accelerator(drivers, programs)
    return {
        "extras": extras_for(wanted.command, chosen, before["extras"]),
        "by_hand": by_hand,
        "pyproject": _digest(wanted.root / "pyproject.toml"),
        "lock": "" if wanted.newest else _digest(wanted.root / LOCK),
        "python": os.path.realpath(wanted.python()),
        "root": str(wanted.root),
    }


def why_stale(before: dict[str, Any], now: dict[str, Any]) -> str:
    """Return why an environment has to be brought up to date; empty where it is.

    Args:
        before: What the stamp says.
        now: What it has to say.
    """
    if before["extras"] and now.keys() - before.keys():
        return "an older version made it"
    reasons = {
        "python": "its Python changed",
        "root": "its folder moved",
        "lock": f"{LOCK} changed",
        "pyproject": "pyproject.toml changed",
        "extras": f"packages for {' and '.join(now['extras'])} are asked for",
    }
    changed = [reason for name, reason in reasons.items() if before.get(name) != now[name]]
    if not changed and not now["lock"]:
        return "there may be newer packages"
    return changed[0] if changed else ""


def accelerator(driver_files: list[str], found_programs: list[str]) -> str:
    """Return `cuda` where an NVIDIA driver is installed, else `cpu`.

    Args:
        driver_files: Paths that exist.
        found_programs: Names of programs that are on the PATH.
    """
    return "cuda" if _DRIVER in driver_files or "nvidia-smi" in found_programs else "cpu"


def extras_for(command: str, chosen: str, before: list[str]) -> list[str]:
    """Return the extras to install: the accelerator, and `dev` where tests run or it was there."""
    return [chosen, "dev"] if command == "test" or "dev" in before else [chosen]


def install_commands(
    wanted: Wanted, extras: list[str], before: list[str], build: list[str], platform: str
) -> list[list[str]]:
    """Return the commands that bring the packages up to date, in order.

    Args:
        extras: What is wanted, for example ["cpu", "dev"]; `cpu` or `cuda` comes first.
        before: The extras installed so far. Where they hold the other accelerator, both builds of
            onnxruntime go first: they overwrite each other's files.
        build: What builds the project. In an environment of its own, which pip makes for a build,
            it would be the newest, whatever the lock says.
        platform: As `sys.platform`.
    """
    program = [str(wanted.python()), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    commands = []
    if {"cpu", "cuda"} & set(before) - {extras[0]}:
        commands.append([*program, "uninstall", "--yes", "onnxruntime", "onnxruntime-gpu"])
    locked = ["--constraint", str(wanted.root / LOCK)]
    newest = ["--upgrade", "--upgrade-strategy", "eager"]
    install = [*program, "install", "--progress-bar", "off", *(newest if wanted.newest else locked)]
    if build:
        commands.append([*install, *build])
    index = platform == "win32" and extras[0] == "cuda"
    extra_index = ["--extra-index-url", WINDOWS_CUDA_INDEX] if index else []
    project = f"{wanted.root}[{','.join(extras)}]"
    commands.append([*install, *extra_index, "--no-build-isolation", "--editable", project])
    return commands


def read_stamp(stamp: Path) -> dict[str, Any]:
    """Return what the last installation wrote down; a missing or damaged note means none.

    `unfinished` stands in it while packages are being changed, and where that was stopped.
    """
    try:
        found = json.loads(stamp.read_text(encoding="utf-8"))
        return found if isinstance(found["extras"], list) else {"extras": []}
    except (OSError, ValueError, KeyError, TypeError):
        return {"extras": []}


def forget_lock(wanted: Wanted) -> None:
    """Let the next `prepare` install what the lock says, also where its stamp is as wanted."""
    stamp = wanted.folder() / STAMP
    stamp.write_text(json.dumps(read_stamp(stamp) | {"lock": ""}), encoding="utf-8")


def unlocked(python: Path, root: Path) -> list[str]:
    """Return a phrase for each package of an environment that is not the version of the lock."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", "freeze", "--all"]
    listed = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    lock = packages.pins((root / LOCK).read_text(encoding="utf-8"))
    return packages.differences(lock, packages.pins(listed))


def _has_pip(python: Path) -> bool:
    """Return whether an environment's Python is there, and runs its pip."""
    if not python.exists():
        return False
    command = [str(python), "-m", "pip", "--version"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _make(wanted: Wanted) -> None:
    """Make an empty environment in place of what is there."""
    log = wanted.beside("log")
    log.write_bytes(b"")
    command = [sys.executable, "-m", "venv", "--clear", str(wanted.folder())]
    pip.run(command, log, f"making {wanted.folder().name}")


def _install(wanted: Wanted, before: dict[str, Any]) -> None:
    """Install what is wanted; the stamp stands only while the environment is whole."""
    stamp, log = wanted.folder() / STAMP, wanted.beside("log")
    now = stamp_for(wanted, before)
    project = tomllib.loads((wanted.root / "pyproject.toml").read_text(encoding="utf-8"))
    build = project.get("build-system", {}).get("requires", [])
    label = f"installing packages ({', '.join(now['extras'])})"
    began = time.monotonic()
    pip.say(label)
    stamp.write_text(json.dumps(before | {"extras": [], "unfinished": True}), encoding="utf-8")
    log.write_bytes(b"")
    try:
        for command in install_commands(
            wanted, now["extras"], before["extras"], build, sys.platform
        ):
            pip.run(command, log, label)
    except UserError:
        if not pip.touched(log):
            stamp.write_text(json.dumps(before), encoding="utf-8")  # as whole as it was
        raise
    stamp.write_text(json.dumps(now), encoding="utf-8")
    pip.say(f"installed in {duration(time.monotonic() - began)}")
    if wanted.newest:
        others = unlocked(wanted.python(), wanted.root)
        pip.say(f"not as in {LOCK}: {', '.join(others) or 'nothing'}")


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
