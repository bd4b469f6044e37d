"""Which pictures are proposed as repeating another, and that nothing comes of it by itself."""

import csv
import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from prep.cli.app import main
from prep.likeness import proposals
from tests.prep.likeness import changed
from tests.prep.likeness.changed import drawn

SPRITES = Path(__file__).resolve().parents[4] / "shared" / "data" / "renpy-sprites"
PIPELINE = "pipelines:\n  p:\n    images: ./raw\n    stages: [duplicates, edit]\n"


def typed(*words: str) -> str:
    """Return what a command says."""
    said = io.StringIO()
    with redirect_stdout(said), pytest.raises(SystemExit) as ended:
        main(list(words))
    assert not ended.value.code
    return said.getvalue()


def marks(folder: Path) -> dict[str, str]:
    """Return what stands under `keep`, of the pictures that have something there."""
    text = (folder / "tags.csv").read_text(encoding="utf-8-sig")
    return {row["key"]: row["keep"] for row in csv.DictReader(text.splitlines()) if row["keep"]}


def test_of_very_many_pictures_is_said_what_may_be_missed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beyond a number of pictures a line says that not all are compared; copies are found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(proposals, "ALL_WITH_ALL", 2)
    raw = tmp_path / "raw"
    raw.mkdir()
    drawn().save(raw / "a.png")
    changed.half(drawn()).save(raw / "b.png")
    assert "may be missed" not in typed("duplicates", "raw")

    drawn(1).save(raw / "c.png")
    assert (
        "  duplicates: of more than 2 pictures not all pairs are compared, so that a few copies"
        " that were cropped or have a border may be missed (docs/duplicates.md)\n"
    ) in typed("duplicates", "raw")
    assert marks(raw) == {"b.png": "duplicate of a.png (resized)"}


def test_copies_are_marked_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sheet says of what and how, `prep why` where; where nothing is new, nothing is done."""
    monkeypatch.chdir(tmp_path)
    raw = tmp_path / "raw"
    raw.mkdir()
    drawn().save(raw / "a.png")
    changed.half(drawn()).save(raw / "b.png")
    drawn().crop((60, 5, 450, 300)).save(raw / "c.png")
    changed.smiling(drawn()).save(raw / "d.png")
    shutil.copy(raw / "a.png", raw / "e.png")

    assert "raw`: duplicates: 5 compared\n" in typed("duplicates", "raw")
    assert marks(raw) == {
        "b.png": "duplicate of a.png (resized)",
        "c.png": "duplicate of a.png (cropped)",
        "e.png": "duplicate of a.png (same file)",
    }
    assert "it repeats a.png: cropped, from 60, " in typed("why", "c.png", "--in", "raw")
    assert "it is a variant of a.png: it differs at 2" in typed("why", "d.png", "--in", "raw")

    drawn(1).save(raw / "f.png")
    assert "raw`: duplicates: 6 compared\n" in typed("duplicates", "raw")
    assert "`raw` is up to date: nothing to do\n" in typed("duplicates", "raw")


def test_a_pair_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both pictures stand beside each other, a red line around what differs and nowhere else."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").mkdir()
    drawn().save(tmp_path / "raw" / "a.png")
    changed.smiling(drawn()).save(tmp_path / "raw" / "b.png")
    typed("duplicates", "raw")

    said = typed("why", "b.png", "--in", "raw", "--draw", "pair.png")

    assert said.endswith("  wrote pair.png: left b.png, right a.png\n")
    with Image.open("pair.png") as pair:
        pixels = np.asarray(pair.convert("RGB"))
    assert pixels.shape == (360, 2 * 480 + 16, 3)
    for half, image in ((pixels[:, :480], changed.smiling(drawn())), (pixels[:, 496:], drawn())):
        other = (half != np.asarray(image)).any(2)
        rows, columns = np.flatnonzero(other.any(1)), np.flatnonzero(other.any(0))
        assert 155 <= rows[0] <= 172 <= 186 <= rows[-1] <= 205
        assert 215 <= columns[0] <= 232 <= 248 <= columns[-1] <= 265
        assert not other[178:181, 238:242].any()
    for key, file, text in (
        ("b.png", "pair.png", "error: there is a `pair.png` already\n"),
        ("b.png", "pair.jpg", "error: `pair.jpg` is not named as a PNG is\n"),
        ("a.png", "other.png", "error: `a.png` is not known to resemble another picture\n"),
    ):
        with pytest.raises(SystemExit):
            main(["why", key, "--in", "raw", "--draw", file])
        assert text in capsys.readouterr().err
    assert not Path("other.png").exists()


@pytest.mark.skipif(not SPRITES.is_dir(), reason="the pictures of ../shared are not here")
def test_expressions_and_costumes_are_never_proposed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a sprite's faces none repeats another: nothing is marked, and all stay in the dataset."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "user"))
    shutil.copytree(SPRITES, tmp_path / "raw")
    (tmp_path / "pipelines.yaml").write_text(PIPELINE)

    assert "  15 pictures: 15 good, 0 left out, 0 failed\n" in typed("run")
    assert len(json.loads((tmp_path / "meta.json").read_text())["samples"]) == 15
    assert marks(tmp_path / "raw") == {}
    said = typed("why", "sylvie blue smile.png", "--in", "raw")
    assert "it is a variant of sylvie blue giggle.png: it differs at 110, 82 to 208, 156 px" in said
