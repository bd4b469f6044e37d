"""Every command that reads files of weights, on every file of the table: two lines each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from prep.runtime.program import run_app
from tests.train.weights.hostile import OPENED, Maker, hostile, pair
from train.cli.app import app

PROGRAM: Any = get_command(app)  # made once: it takes longer than most files
Command = Callable[[Path, Path, Path], list[str]]


def _good(folder: Path) -> Path:
    path = folder / "good.safetensors"
    path.write_bytes(pair())
    return path


def _out(file: Path) -> str:
    return str(file.parent / "out.safetensors")


# A command: (file, base model, dataset) -> its words.
COMMANDS: dict[str, Command] = {
    "inspect": lambda file, base, meta: ["inspect", str(file)],
    "explain": lambda file, base, meta: ["explain", str(file)],
    "blocks": lambda file, base, meta: ["blocks", str(file)],
    "blocks, weighted": lambda file, base, meta: ["blocks", str(file), "--block-weights", "IN=0.5"],
    "blocks, drawn": lambda file, base, meta: [
        "blocks", str(file), "--draw", "--base", str(base), "--prompt", "a --w 32 --h 32 --s 1"
    ],
    "clean": lambda file, base, meta: ["clean", str(file)],
    "average": lambda file, base, meta: ["average", str(file), str(_good(file.parent))],
    "sample": lambda file, base, meta: [
        "sample", str(file), "--base", str(base), "--prompt", "a --w 32 --h 32 --s 1"
    ],
    "start from": lambda file, base, meta: [
        "lora", str(meta), "--start-from", str(file), "--steps", "1", "--rank", "2",
        "--out", str(file.parent / "runs"),
    ],
    "convert": lambda file, base, meta: [
        "convert", str(file), "--to", "comfy", "--family", "sd15", "--out", _out(file)
    ],
    "convert, a model": lambda file, base, meta: [
        "convert", str(file), "--to", "folder", "--out", f"{file.parent / 'out'}"
    ],
    "merge": lambda file, base, meta: [
        "merge", str(_good(file.parent)), str(file), "--family", "sd15", "--out", _out(file)
    ],
    "merge, into a model": lambda file, base, meta: [
        "merge", str(file), "--into", str(base), "--family", "sd15", "--out", _out(file)
    ],
    "merge, models": lambda file, base, meta: [
        "merge", str(base), str(file), "--out", f"{file.parent / 'out'}"
    ],
    "merge, into it": lambda file, base, meta: [
        "merge", str(_good(file.parent)), "--into", str(file), "--out", _out(file)
    ],
    "resize": lambda file, base, meta: [
        "resize", str(file), "--rank", "1", "--family", "sd15", "--out", _out(file)
    ],
    "extract": lambda file, base, meta: [
        "extract", str(file), str(base), "--rank", "1", "--out", _out(file)
    ],
    "extract, from it": lambda file, base, meta: [
        "extract", str(base), str(file), "--rank", "1", "--out", _out(file)
    ],
    "grid": lambda file, base, meta: [
        "grid", str(file), "--base", str(base), "--prompt", "a --w 32 --h 32 --s 1"
    ],
    "reproduce": lambda file, base, meta: ["reproduce", str(file)],
}  # fmt: skip
# Commands that tell of a file that can be opened, whatever it holds.
TELLING = ("inspect", "explain", "clean", "blocks", "blocks, weighted")
# Commands that write what whole tensors are, whatever is said of them.
WRITING = ("convert", "merge", "resize")


@pytest.mark.parametrize("command", COMMANDS)
def test_hostile_files_are_two_lines(
    command: str,
    tmp_path: Path,
    base: Path,
    meta: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Torn, hostile, foreign, NaN-filled and empty files: an error and a hint, and nothing runs."""
    found: dict[str, str] = {}
    monkeypatch.chdir(tmp_path)
    for number, (name, make) in enumerate(hostile()):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        if why := _fault(command, name, (make, folder), (base, meta), capsys):
            found[name] = why
    assert found == {}
    assert not (tmp_path / "ran").exists()


def _fault(
    command: str,
    name: str,
    file: tuple[Maker, Path],
    others: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> str:
    """Return what a command does wrong with a file; empty for nothing."""
    make, folder = file
    words = COMMANDS[command](make(folder), *others)
    before = {path.name for path in folder.iterdir()}
    try:
        run_app(PROGRAM, words, "train")
    except SystemExit as stopped:
        code = stopped.code
    except BaseException as error:  # what a person would see as a traceback
        capsys.readouterr()
        return repr(error)
    out, err = capsys.readouterr()
    if "\x1b" in out + err:
        return "its escapes reach the terminal"
    if name in OPENED and command in TELLING and code in (0, 3):
        return "" if out else "it says nothing"
    if name == "nonsense in its metadata" and command in WRITING and code == 0:
        return ""
    if {path.name for path in folder.iterdir()} != before:
        return "it leaves files behind"
    lines = [line for line in err.splitlines() if line]
    errors = [line.partition(":")[0] for line in lines[-2:]]
    if not code or errors != ["error", "hint"] or err.count("error: ") != 1:
        return f"{code}: {out} {err}"
    return ""
