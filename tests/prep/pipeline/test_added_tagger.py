"""A tagger is added as one row: its name is a `--model`, found on the hub."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]
ROW = '    _wd("wd-newest-tagger-v9", 0.0001, "a test"),\n'
BEFORE = '    _wd("wd-v1-4-moat-tagger-v2", 0.3771, _CARD),\n'
REVISION = "c" * 40


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project with one row more, and the new tagger in the hub's cache."""
    top = tmp_path_factory.mktemp("checkout")
    for name in ("prep", "tagger_models", "tinyworld"):
        shutil.copytree(ROOT / name, top / name, ignore=shutil.ignore_patterns("__pycache__"))
    rows = top / "tagger_models" / "profiles" / "wd.py"
    text = rows.read_text(encoding="utf-8")
    assert text.count(BEFORE) == 1
    rows.write_text(text.replace(BEFORE, BEFORE + ROW), encoding="utf-8")
    model = top / "hub" / "models--SmilingWolf--wd-newest-tagger-v9"
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text(REVISION)
    shutil.copytree(ROOT / "tinyworld" / "models" / "tagger", model / "snapshots" / REVISION)
    (top / "raw").mkdir()
    Image.new("RGB", (64, 64), "red").save(top / "raw" / "a.png")
    return top


def prep(checkout: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run prep in the copy, with its packages in place of the installed ones, offline."""
    variables = os.environ | {
        "PYTHONPATH": str(checkout), "XDG_DATA_HOME": str(checkout / "user"),
        "HF_HUB_CACHE": str(checkout / "hub"), "HF_HUB_OFFLINE": "1", "COLUMNS": "200",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "prep", *words],
        cwd=checkout, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_its_name_tags_at_its_threshold(checkout: Path) -> None:
    """Run by its name alone it takes the files of its repository and the threshold of its row."""
    done = prep(checkout, "tag", "./raw", "--model", "wd-newest-tagger-v9")
    many = (checkout / "raw" / "a.txt").read_text().split(", ")
    prep(checkout, "tag", "./raw", "--model", "wd-newest-tagger-v9", "--threshold", "0.9")
    few = (checkout / "raw" / "a.txt").read_text().split(", ")

    assert done.returncode == 0, done.stderr
    assert "1 scored" in done.stdout, done.stdout
    assert len(many) > 20 > len(few)


def test_it_is_named_where_names_are_told(checkout: Path) -> None:
    """A name that is not known is answered with the nearest, the new one among them."""
    refused = prep(checkout, "tag", "./raw", "--model", "wd-newest-tagger-v8")

    assert refused.returncode != 0
    assert "did you mean `wd-newest-tagger-v9`?" in refused.stderr


def test_no_other_file_was_touched(checkout: Path) -> None:
    """The code of the copy is that of the project, byte for byte, but for the row."""
    found = {path.relative_to(checkout) for path in checkout.rglob("*.py")}
    changed = {
        path for path in found if (checkout / path).read_bytes() != (ROOT / path).read_bytes()
    }

    assert changed == {Path("tagger_models/profiles/wd.py")}
