"""`.prep` is gone: what the machine wrote is known again, and only a person's words are theirs."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset import dataset_file
from prep.engine.state.database import snapshot

PIPELINE = """\
pipelines:
  any:
    images: ./images
    stages:
      - caption: {model: tiny}
      - tag: {model: tiny, threshold: 0.35}
      - edit: {trigger: mascot}
      - bucket: {resolution: 64, step: 32}
      - latents: {model: tiny}
"""
FANNED = """\
pipelines:
  any:
    images: ./raw
    stages:
      - crop: {to: ./cut, min_side: 32}
      - augment: {to: ./images}
      - tag: {model: tiny}
      - edit
"""
Prep = Callable[..., Any]


@pytest.fixture
def project(home: Path, draw: Callable[..., Path], prep: Prep, built_once: Any) -> Path:
    """Four pictures that went through a pipeline; a person wrote b.txt, c.caption and weights."""

    def build() -> None:
        for name in "abcd":
            draw(f"images/{name}.png")
        Path("pipelines.yaml").write_text(PIPELINE)
        assert prep("run").code == 0
        Path("images/b.txt").write_text("mine, own words\n")
        Path("images/c.caption").write_text("what I see\n")
        typed("weight", "d.png", 2.0)
        assert prep("run").code == 0
        note("a.png", "look here")
        assert prep("review", "import", "images/tags.csv").code == 0
        assert prep("run").code == 0

    found: Path = built_once(build)
    return found


def typed(field: str, key: str, value: Any, file: str = "meta.json") -> None:
    """Type a value into a dataset file."""
    found = json.loads(Path(file).read_text())
    found["samples"][key][field] = value
    Path(file).write_text(json.dumps(found))


def note(key: str, text: str) -> None:
    """Type a note into the sheet."""
    sheet = Path("images/tags.csv")
    lines = sheet.read_bytes().decode("utf-8-sig").splitlines()
    row = next(n for n, line in enumerate(lines) if line.startswith(key))
    lines[row] = ",".join([*lines[row].split(",")[:-1], text])
    sheet.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")


def files(top: str = ".") -> dict[str, bytes]:
    """Return path -> bytes of all that lies outside of hidden folders."""
    return {
        path.as_posix(): path.read_bytes()
        for path in sorted(Path(top).rglob("*"))
        if path.is_file() and ".prep" not in path.parts
    }


def persons(state: str = "images/.prep") -> dict[tuple[str, str], Any]:
    """Return what the ledger calls a person's."""
    ledger = snapshot(Path(state))
    found = {at: edit.value for at, edit in ledger.edits().items()}
    ledger.close()
    return found


MINE = {
    ("b.png", "tags"): "mine, own words\n",
    ("c.png", "caption"): "what I see\n",
    ("d.png", "meta.weight"): 2.0,
    ("a.png", "notes"): "look here",
}


def test_a_lost_memory_is_made_again(project: Path, prep: Prep) -> None:
    """Case E2: the run takes its own files for its own; only a person's words stay a person's."""
    before = files()
    assert persons() == MINE
    shutil.rmtree("images/.prep")

    told, again = prep("run"), prep("run")

    assert (told.code, "error:" in told.err) == (0, False)
    assert [line for line in told.out.splitlines() if "kept as you edited it: " in line] == [
        "  kept as you edited it: b.txt",
        "  kept as you edited it: c.caption",
    ]
    assert told.out.count("memory of this folder was lost: what the machine says was computed") == 1
    assert files() == before
    assert persons() == MINE
    assert again.out.startswith("`images` is up to date: nothing to do\n")


def test_thresholds_and_models_work_after_the_loss(project: Path, prep: Prep) -> None:
    """Case E2: with another threshold at the same time, the machine's texts follow it."""
    clean = shutil.copytree(project, project.parent / "clean")
    shutil.rmtree("images/.prep")
    other = PIPELINE.replace("0.35", "0.9").replace("mascot", "hero")
    Path("pipelines.yaml").write_text(other)
    assert prep("run").code == 0
    lost, mine = files(), persons()
    (clean / "pipelines.yaml").write_text(other)

    assert prep("run", "--pipelines", clean / "pipelines.yaml").code == 0

    shutil.copytree(clean, project, dirs_exist_ok=True)
    assert files() == lost
    assert mine == MINE
    assert Path("images/a.txt").read_bytes() != b""


def test_a_copy_without_hidden_files_and_another_state(
    project: Path, prep: Prep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case E2: copied without `.prep`, or with another `--state`, a dataset is the same."""
    hidden = shutil.ignore_patterns(".prep")
    other = shutil.copytree(project, project.parent / "other", ignore=hidden)
    before = files()
    monkeypatch.chdir(other)

    assert prep("run").code == 0

    assert files() == before
    assert persons() == MINE
    Path("pipelines.yaml").write_text(PIPELINE.replace("    stages", "    state: ./s\n    stages"))
    assert prep("run").code == 0
    assert {name: data for name, data in files().items() if name.startswith("images/")} == {
        name: data for name, data in before.items() if name.startswith("images/")
    }
    assert persons("s") == MINE


def test_deleting_words_before_the_run_and_reset_after_it(project: Path, prep: Prep) -> None:
    """Case E2: what looks, resets or takes back says so in two lines at most, and never guesses."""
    shutil.rmtree("images/.prep")

    looks = [
        prep("status", "--in", "images"), prep("plan"), prep("why", "a.png"),
        prep("reset", "a.png"), prep("undo"),
    ]  # fmt: skip

    assert [look.code for look in looks] == [0, 0, 0, 0, 1]
    assert "edited by you" not in looks[0].out
    assert "  texts to be compared with the machine's: 8\n" in looks[0].out
    assert "  tags: in a.txt; yours unless the machine says the same: " in looks[2].out
    assert prep("run").code == 0
    assert persons() == MINE


def test_an_edit_of_words_that_went_with_the_memory(project: Path, prep: Prep) -> None:
    """Case E2: what a person typed after the last run is theirs, in whatever file."""
    shutil.rmtree("images/.prep")
    Path("images/a.txt").write_text("late words\n")
    typed("split", "a.png", "validation", "meta_lat.json")
    note("b.png", "late")

    told = prep("run")

    late = {("a.png", "tags"): "late words\n", ("a.png", "meta.split"): "validation"}
    assert persons() == MINE | late
    assert "kept `images/tags.csv`: it was edited and not yet imported" in told.out
    assert prep("review", "import", "images/tags.csv").code == 0
    assert persons() == MINE | late | {("b.png", "notes"): "late"}
    assert dataset_file.load(Path("meta_lat.json")).samples["a.png"].split == "validation"


def test_a_dropped_picture_stays_dropped(project: Path, prep: Prep) -> None:
    """Case E2: an entry taken out of a dataset file, and `keep` = no, outlive the memory."""
    found = json.loads(Path("meta.json").read_text())
    del found["samples"]["a.png"]
    Path("meta.json").write_text(json.dumps(found))
    prep("run")
    before = files()
    shutil.rmtree("images/.prep")

    assert prep("run").code == 0

    assert files() == before
    assert ("a.png", "meta.drop") in persons()


def test_derived_pictures_and_inherited_words(
    home: Path, draw: Callable[..., Path], prep: Prep
) -> None:
    """Case E2: crops that are what would be made are ours, and words of a source are its own."""
    for name in "ab":
        draw(f"raw/{name}.png", (64, 48))
    Path("raw/a.txt").write_text("mine\n")
    Path("pipelines.yaml").write_text(FANNED)
    assert prep("run").code == 0
    before = files()
    for folder in ("raw", "cut", "images"):
        shutil.rmtree(f"{folder}/.prep", ignore_errors=True)

    told = prep("run")

    assert (told.code, "edited" in told.out) == (0, False)
    assert files() == before
    Path("raw/a.txt").write_text("other\n")
    assert prep("run").code == 0
    assert Path("images/a.png@crop.png.txt").exists() is False
    assert Path("images/a.png@crop.txt").read_text() == "other\n"


def test_a_first_run_calls_nobodys_captioner(
    home: Path, draw: Callable[..., Path], prep: Prep
) -> None:
    """Case E2: texts that a person brought along are theirs; no captioner is asked for them."""
    draw("images/a.png")
    Path("images/a.caption").write_text("mine\n")
    Path("images/a.txt").write_text("mine\n")

    told = prep("caption", "images", "--model", "tiny")

    assert told.code == 0
    assert "caption" not in told.out.splitlines()[0].partition("made")[2]
    assert prep("tag", "images", "--model", "tiny").code == 0
    assert persons() == {("a.png", "caption"): "mine\n", ("a.png", "tags"): "mine\n"}


def test_a_lost_copy_of_a_dataset_file_is_made_again(project: Path, prep: Prep) -> None:
    """Case E2: the copy with which edits are compared is made again, lost or damaged."""
    copies = sorted(Path("images/.prep/published").iterdir())
    copies[0].write_bytes(b"damaged")
    for copy in copies[1:]:
        copy.unlink()

    assert prep("run").code == 0

    assert all(path.read_bytes() != b"damaged" for path in copies)
    typed("weight", "a.png", 3.0)
    assert prep("run").code == 0
    assert persons() == MINE | {("a.png", "meta.weight"): 3.0}


def test_a_sheet_is_imported_first_after_the_loss(project: Path, prep: Prep) -> None:
    """Case E2: an import before any run takes the edited cells, and loses none decided before."""
    before = files()
    shutil.rmtree("images/.prep")
    note("b.png", "late")

    assert prep("review", "import", "images/tags.csv").code == 0
    assert prep("run").code == 0

    assert persons() == MINE | {("b.png", "notes"): "late"}
    del before["images/tags.csv"]
    assert {name: data for name, data in files().items() if name in before} == before


def test_a_single_stage_after_the_loss_knows_how_it_was_asked(project: Path, prep: Prep) -> None:
    """Case E2: `prep tag` with another threshold after the loss: the machine's texts follow it."""
    shutil.rmtree("images/.prep")
    before = Path("images/a.txt").read_text()

    told = prep("tag", "images", "--model", "tiny", "--threshold", "0.9")

    assert told.code == 0
    assert "  kept as you edited it: b.txt\n" in told.out
    assert "a.txt" not in told.out
    assert len(Path("images/a.txt").read_text()) < len(before)
    assert prep("run").code == 0
    assert persons() == MINE
    assert Path("images/a.txt").read_text() == before


@pytest.mark.parametrize("command", [("run",), ("tag", "images", "--model", "tiny"), ("status",)])
def test_the_memory_of_other_pictures_is_refused(
    project: Path, prep: Prep, draw: Callable[..., Path], command: tuple[str, ...]
) -> None:
    """Case E2: `.prep` of another folder, copied here, is named; without it all is known again."""
    before = files()
    draw("others/x.png", seed=91)
    assert prep("tag", "others", "--model", "tiny").code == 0
    assert prep("edit", "others", "--out", "of_others.json").code == 0
    Path("of_others.json").unlink()
    shutil.rmtree("images/.prep")
    shutil.move("others/.prep", "images/.prep")
    shutil.rmtree("others")

    told = prep(*command)
    assert told == (
        1,
        "",
        (
            "error: `images/.prep` is prep's memory of other pictures:"
            " it knows none of those in `images`\n"
            "hint: move `images/.prep` away, then run the same command again\n"
        ),
    )

    shutil.rmtree("images/.prep")
    assert prep("run").code == 0
    assert files() == before
    assert persons() == MINE
