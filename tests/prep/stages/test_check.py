"""`prep check`, typed: what the sheet shows, what `prep why` tells, and what accepting it does."""

import io
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest
from PIL import Image

from prep.cli.app import main
from tests.prep.likeness import changed
from tests.prep.quality.spoilt import SPOILT, drawn, png
from tests.prep.stages.test_duplicates import marks, typed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two good pictures, four spoilt ones, and a file without its end; never changed."""
    raw = tmp_path_factory.mktemp("check") / "raw"
    raw.mkdir()
    for name, seed in (("a.png", 0), ("b.png", 1)):
        (raw / name).write_bytes(png(drawn(seed)))
    for name, key in (("no subject", "c.png"), ("bars", "d.png"), ("greys", "e.jpg"),
                      ("nothing to be seen", "f.png")):  # fmt: skip
        (raw / key).write_bytes(SPOILT[name][1](drawn(len(key))))
    (raw / "g.png").write_bytes(png(drawn(7))[:9000])
    return raw


def test_findings_are_proposed_and_told(folder: Path, tmp_path: Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """The run counts them, the sheet shows them, `prep why` gives reasons; nothing is dropped."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, tmp_path / "raw")
    said = typed_with(3, "check", "raw")

    assert (
        "`raw`: check: 6 checked, 1 without a result\n"
        "  check: to drop: 1 near empty; to fix: 1 alpha, 1 letterbox; to look at: 1 monochrome\n"
        "  failed: g.png: the PNG ends too early, after 9000 bytes\n"
    ) in said
    assert "  7 pictures: 6 good, 0 left out, 1 failed\n" in said
    assert marks(tmp_path / "raw") == {
        "c.png": "drop: near empty",
        "d.png": "fix: letterbox",
        "e.jpg": "look: monochrome",
        "f.png": "fix: alpha",
    }
    assert typed("why", "d.png", "--in", "raw") == (
        "d.png\n  check: up to date, the machine says fix (letterbox): it has bars of one colour:"
        " top and bottom\n"
    )
    assert "`raw` is up to date: nothing to do\n" in typed_with(3, "check", "raw")


def test_a_proposal_is_accepted_in_the_sheet(folder: Path, tmp_path: Path,
                                             monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    """`no` drops it, `yes` keeps it, and what was left as it was proposed decides nothing."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder, tmp_path / "raw")
    (tmp_path / "raw" / "g.png").unlink()
    typed("check", "raw")
    sheet = tmp_path / "raw" / "tags.csv"
    text = sheet.read_text(encoding="utf-8-sig")
    for old, new in (("drop: near empty,", "no,"), ("look: monochrome", "yes")):
        assert old in text or f'"{old}"' in text
        text = text.replace(old, new)
    sheet.write_text(text, encoding="utf-8-sig")

    typed("review", "import", "raw")
    assert "  left out: c.png: " in typed("check", "raw")
    assert marks(tmp_path / "raw") == {
        "c.png": "no", "d.png": "fix: letterbox", "e.jpg": "yes",
        "f.png": "fix: alpha",
    }  # fmt: skip


def test_proposals_of_several_stages_stand_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy that is too small is told as both; the row that has it says so in one cell."""
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "raw"
    raw.mkdir()
    (raw / "a.png").write_bytes(png(drawn()))
    changed.half(changed.half(drawn())).save(raw / "b.png")
    typed("duplicates", "raw")
    typed("check", "raw")

    assert marks(raw) == {"b.png": "drop: too small; duplicate of a.png (resized)"}


def test_a_kind_that_there_is_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                  capsys: pytest.CaptureFixture[str]) -> None:  # fmt: skip
    """A misspelt kind is told, with the nearest one."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    Image.new("RGB", (32, 32)).save(tmp_path / "raw" / "a.png")
    typed_with(1, "check", "raw", "--skip", "blurr")

    assert capsys.readouterr().err == (
        "error: no check is named `blurr`\nhint: did you mean `blur`?\n"
    )


def typed_with(code: int, *words: str) -> str:
    """Return what a command says that ends with a code."""
    said = io.StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit) as ended:
        main(list(words))
    assert ended.value.code == code
    return said.getvalue()
