"""Commands that write weights leave a whole output or none, killed at whatever system call."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from prep.models.locate import Models
from tests.prep.killing import ROOT, environment
from tests.train.convert.conftest import random_pairs, second, targets, write_kohya

needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
Place = Callable[[str], Path]


def killed(top: Path, every: int, commands: Sequence[Sequence[str]]) -> list[tuple[int, list[str]]]:
    """Return for each command how often it was killed, and where it left something torn."""
    done = subprocess.run(
        [sys.executable, "-P", "-m", "tests.train.convert.killing", str(top / "runs"), str(every)],
        input="".join(json.dumps(words) + "\n" for words in commands), cwd=ROOT, text=True,
        env=environment(), capture_output=True, check=False, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def loras(folder_of: Place, home: Models, tmp_path: Path) -> tuple[str, str]:
    """Two small LoRAs of Stable Diffusion 1.5."""
    few = dict(list(targets(folder_of("sd15"), home).items())[::80])
    one, two = (
        write_kohya(tmp_path / f"{seed}.safetensors", "sd15", random_pairs(few, seed))
        for seed in (1, 2)
    )
    return str(one), str(two)


@needs_strace
def test_a_lora_is_whole_or_absent(loras: tuple[str, str], tmp_path: Path) -> None:
    """Every file-changing call of converting, merging and resizing one."""
    one, two = loras
    commands = (
        ["convert", one, "--to", "peft", "--out", "OUT"],
        ["merge", one, f"{two}:0.5", "--out", "OUT"],
        ["merge", one, two, "--rank", "2", "--out", "OUT"],
        ["resize", one, "--energy", "0.8", "--out", "OUT"],
    )
    for words, (count, wrong) in zip(commands, killed(tmp_path, 1, commands), strict=True):
        assert wrong == [], words
        assert count > 8, words


@needs_strace
@pytest.mark.long
def test_a_model_is_whole_or_absent(
    loras: tuple[str, str], folder_of: Place, file_of: Place, tmp_path: Path
) -> None:
    """Every rename, flush and new file, each 40th write, of what writes or reads whole models."""
    folder, file, lora = str(folder_of("sd15")), str(file_of("sd15")), loras[0]
    tuned = str(second(folder_of("sd15"), tmp_path, 1))
    commands = (
        ["convert", file, "--to", "folder", "--out", "OUT"],
        ["convert", folder, "--to", "file", "--out", "OUT"],
        ["merge", lora, "--into", file, "--out", "OUT"],
        ["merge", file, tuned, "--out", "OUT"],
        ["extract", tuned, file, "--rank", "2", "--out", "OUT"],
    )
    for words, (count, wrong) in zip(commands, killed(tmp_path, 40, commands), strict=True):
        assert wrong == [], words
        assert count > 8, words
