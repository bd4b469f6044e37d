"""Tests of the budgets: each breach is found and named."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="module")
def check() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check", Path(__file__).with_name("check.py"))
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def write(root: Path, name: str, text: str) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def test_each_breach_is_named(tmp_path: Path, check: ModuleType) -> None:
    """Long files, long functions, many arguments, foreign letters and mute tests are listed."""
    write(tmp_path, "prep/long.py", "x = 1\n" * 301)
    write(tmp_path, "prep/tall.py", "def tall(self, a, b, c, d, e):\n" + "    x = 1\n" * 60)
    write(tmp_path, "prep/wide.py", "def wide(a, b, c, d, e, f, *, g):\n    pass\n")
    write(tmp_path, "train/odd.py", "x = '\u30de'\n")
    write(tmp_path, "tests/test_mute.py", "def test_mute():\n    pass\n")

    assert list(check.breaches_of(tmp_path)) == [
        "prep/long.py: 301 lines, at most 300",
        "prep/tall.py:1: `tall` has 61 lines, at most 60",
        "prep/wide.py:1: `wide` takes 6 positional arguments, at most 5",
        "tests/test_mute.py:1: `test_mute` has no docstring",
        "train/odd.py: code is ASCII; write other letters as escapes",
        "1 of 2 functions are under 30 lines, too few",
    ]


def test_good_code_has_no_breach(tmp_path: Path, check: ModuleType) -> None:
    """Docstrings do not count against a function, nor `self`, nor code of other folders."""
    text = '"""' + "told\n" * 70 + '"""'
    write(tmp_path, "prep/good.py", f"def good(self, a, b, c, d, e):\n    {text}\n    return a\n")
    write(tmp_path, ".venv/lib/long.py", "x = 1\n" * 301)

    assert list(check.breaches_of(tmp_path)) == []
