"""`prep run`, `plan`, `status` and `why` speak in commands, in values as a person reads them."""

from pathlib import Path

import pytest

from tests.prep import changes
from tests.prep.changes import PICTURE, typed
from tests.prep.projects import NAMES, Project, drawing, new_project

OWN = "snow 1"
INNER = ("caption_text", "score_second", "graded", "render", "sidecar", "measure", "meta_", '{"')


@pytest.fixture
def new(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Five pictures that nothing was made of, one with a text of its person."""
    project = new_project(tmp_path / "project")
    (project.images / f"{OWN}.txt").write_text("mine, own\n")
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("XDG_DATA_HOME", str(project.home.parent))
    return project


def report(project: Project) -> list[str]:
    """Return the lines of a run's report; on a slow machine, lines of progress stand before it."""
    return [line for line in project.said.splitlines() if line.startswith(("`", "  "))]


def test_a_run_says_what_each_command_did(new: Project) -> None:
    """Scores, texts and buckets are counted by command; stages that serve others are not named."""
    new.run()

    assert report(new)[0] == (
        "`images`: caption: 5 written; tag: 5 scored, 4 written, 1 kept as you edited it; "
        "duplicates: 5 compared; edit: 5 put through the rules; bucket: 2 buckets; "
        "latents: 5 encoded"
    )
    assert not [word for word in INNER if word in new.said.replace("meta_", "", 2)]


def test_a_run_says_what_changed_and_what_it_cost(small: Project) -> None:
    """A changed threshold is told in words; texts are written anew, and nothing is scored."""
    changes.other_threshold(small)

    small.run()

    assert report(small)[:2] == [
        "`images`: tag: 5 written; edit: 5 put through the rules",
        "  tag: threshold was 0, is now 0.99",
    ]


def test_what_came_out_the_same_is_as_before(small: Project) -> None:
    """Where a command computed anew and nothing of it differs, that is what it says."""
    small.replace("caption: {model: tiny,", "caption: {model: tiny, seed: 5,")

    small.run()

    assert report(small)[0] == "`images`: caption: 5 as before"


def test_a_picture_that_failed_is_not_counted_as_done(small: Project) -> None:
    """A broken picture has no result: it is told apart from those that were made."""
    (small.images / "a new.png").write_bytes(drawing("night 3.png", 5))
    (small.images / "broken.png").write_bytes(drawing("night 3.png", 5)[:-900])

    small.run()

    tag = next(part for part in report(small)[0].split("; ") if part.startswith("tag"))
    assert tag == "tag: 1 scored, 1 written, 1 without a result"


def test_files_alone_are_counted(small: Project) -> None:
    """Where only files had to be written anew, the run says how many, and names them below."""
    (small.folder / "meta.json").unlink()

    small.run()

    assert report(small)[:2] == ["`images`: wrote 1 file", "  wrote meta.json"]


def test_the_first_plan(new: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Each command has one line: what is to be done and why, or which command it waits for."""
    assert typed("plan") == 0

    assert capsys.readouterr().out == (
        "images:\n"
        "  caption       5 to do: new\n"
        "  tag           5 to do: new\n"
        "  duplicates    5 to do: new\n"
        "  edit          5 to do: new\n"
        "  bucket        5 waiting for edit\n"
        "  latents       5 waiting for bucket\n"
    )


def test_a_plan_names_what_changed(small: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """A changed param is named with both values; what a person wrote is counted as theirs."""
    changes.other_threshold(small)
    changes.edit_caption(small)

    assert typed("plan") == 0

    assert capsys.readouterr().out == (
        "images:\n"
        "  caption       up to date\n"
        "  tag           5 to do: threshold was 0, is now 0.99\n"
        "  duplicates    up to date\n"
        "  edit          5 waiting for tag\n"
        "  bucket        meta_bucket.json waiting for edit\n"
        "  latents       meta_lat.json waiting for bucket\n"
    )


def test_a_plan_with_all_stages(small: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """With `-v` each inner stage has a line of its own."""
    (small.images / f"{OWN}.txt").unlink()

    assert typed("plan", "-v") == 0

    lines = capsys.readouterr().out.splitlines()
    assert "  score         skip 5" in lines
    assert "  tags_sidecar  write 1: its input changed  skip 4" in lines


def test_status_counts_by_command(small: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Results are counted by command; with `-v` by inner stage."""
    assert typed("status") == 0
    short = capsys.readouterr().out
    assert typed("status", "-v") == 0
    long = capsys.readouterr().out

    commands = ("bucket", "caption", "duplicates", "edit", "latents", "tag")
    counts = "".join(f"  {name}: {len(NAMES)} made\n" for name in commands)
    assert short == f"images\n  pictures: {len(NAMES)}\n{counts}"
    assert "  caption_text: 5 made\n" in long
    assert "  meta_lat: 1 made\n" in long


def test_why_shows_values_as_text(small: Project) -> None:
    """A picture's values are shown as a person would write them, a line a command."""
    caption, tags = (
        (small.images / PICTURE).with_suffix(suffix).read_text().strip()
        for suffix in (".caption", ".txt")
    )

    lines = small.why(PICTURE).splitlines()

    assert lines[:7] == [
        PICTURE,
        f"  caption: up to date, the machine says {caption}",
        f"  tag: up to date, the machine says rating general; {tags}",
        "  duplicates: up to date",
        "  edit: up to date",
        "  bucket: up to date, the machine says 96x160 px",
        "  latents: up to date",
    ]


def test_why_of_a_change(small: Project) -> None:
    """A command that is stale says which of its params changed, and the next one what it awaits."""
    changes.other_threshold(small)

    lines = small.why(PICTURE).splitlines()

    assert lines[2].startswith("  tag: will run: threshold was 0, is now 0.99, the machine says ")
    assert lines[4] == "  edit: waits for tag"


def test_why_without_a_pipeline(small: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """Where no pipeline says what is wanted, stages that serve several commands belong to one."""
    small.file.unlink()

    assert typed("why", PICTURE, "--in", "images") == 0

    names = [line.split(":")[0].strip() for line in capsys.readouterr().out.splitlines()[1:-1]]
    assert sorted(names) == ["bucket", "caption", "duplicates", "edit", "latents", "tag"]
