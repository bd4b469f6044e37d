"""Commands typed one by one and `prep run` are the same thing; which params hold, and are told."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.prep import changes
from tests.prep.conftest import Draw, Said
from tests.prep.projects import FANNED, Project, new_project

OPTIONS = (
    ("caption", "images", "--model", "tiny", "--batch", "2"),
    ("tag", "images", "--model", "tiny", "--batch", "2"),
    ("duplicates", "images"),
    ("edit", "images", "--rules", "tags.rules", "--trigger", "mascot"),
    ("bucket", "meta.json", "--resolution", "128", "--step", "32"),
    ("latents", "meta_bucket.json", "--model", "tiny"),
)
THRESHOLD = "tag: {threshold: 0.99, model: tiny,"


def stand_in(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.chdir(project.folder)
    monkeypatch.setenv("XDG_DATA_HOME", str(project.home.parent))
    return project


def test_alone_with_options_is_as_together(
    small_made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each command with its options, one after the other, ends in the bytes of `prep run`."""
    project = stand_in(new_project(tmp_path / "project"), monkeypatch)
    yaml = project.file.read_bytes()
    project.file.unlink()

    for words in OPTIONS:
        assert changes.typed(*words) == 0

    project.file.write_bytes(yaml)
    assert project.results() == small_made.results()
    assert not project.run().samples


def test_alone_takes_its_params_from_the_pipeline(
    fanned_made: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command on a folder that pipelines.yaml names takes its params there, fan-outs too."""
    project = stand_in(new_project(tmp_path / "project", FANNED), monkeypatch)

    for words in (("crop", "raw", "cut"), ("augment", "cut", "images")):
        assert changes.typed(*words) == 0
    for words in OPTIONS:
        assert changes.typed(*words[:2]) == 0

    whole = fanned_made.results()
    alone = project.results()
    assert alone.keys() == whole.keys() - {"raw/cut off while copying.jpg"}
    # The dataset files name the corrupt picture, which only the whole run had.
    assert {n: d for n, d in alone.items() if not n.startswith("meta")} == {
        n: d for n, d in whole.items() if n in alone and not n.startswith("meta")
    }
    assert not project.run().samples


def test_option_over_file_over_default(small: Project, capsys: pytest.CaptureFixture[str]) -> None:
    """The default holds until pipelines.yaml says otherwise, and an option holds over both."""
    tags = small.images / f"{changes.STEM}.txt"
    default = tags.read_text()
    small.replace("tag: {model: tiny,", THRESHOLD)
    assert changes.typed("tag", "images") == 0
    by_file = tags.read_text()
    assert "  tag: threshold was 0, is now 0.99\n" in capsys.readouterr().out

    assert changes.typed("tag", "images", "--threshold", "0.9995") == 0

    assert "  tag: threshold was 0.99, is now 0.9995\n" in capsys.readouterr().out
    by_option = tags.read_text()
    counts = [len(text.split(",")) for text in (default, by_file, by_option)]
    assert len({default, by_file, by_option}) == 3, counts
    assert changes.typed("tag", "images", "--threshold", "0.9995") == 0
    assert "threshold" not in capsys.readouterr().out


def test_every_param_that_differs_is_told(small: Project) -> None:
    """A run tells each changed param once: of models, files and speed as well."""
    small.replace("caption: {model: tiny, batch: 2}", "caption: {model: tiny, batch: 1}")
    changes.add_rule(small)
    changes.other_trigger(small)
    changes.other_resolution(small)
    changes.other_vae(small)

    small.run()

    told = [line.strip() for line in small.said.splitlines() if line.startswith("  ")]
    assert [line for line in told if "is now" in line or "has " in line] == [
        "caption: batch was 2, is now 1",
        "edit: rules has another text",
        "edit: trigger was mascot, is now mascotta",
        "bucket: resolution was 128, is now 160",
        f"latents: model was tiny, is now {small.folder}/base",
        "latents: the model has other files",
    ]
    small.run()
    assert "is now" not in small.said


def test_speed_alone_reruns_nothing(small: Project) -> None:
    """Batch and workers are speed: they are told and change no result."""
    small.replace("batch: 2}", "batch: 3}")

    spies = small.run(jobs=4)

    assert not spies.samples
    assert "caption: batch was 2, is now 3" in small.said


def test_latents_alone_name_what_bucket_left_out(
    prep: Callable[..., Said], draw: Draw, home: Path
) -> None:
    """Of pictures that earlier stages could not take, a later one alone counts none as good."""
    draw("raw/a.png", (128, 128))
    draw("raw/long.png", (64, 640))
    (home / "raw" / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    prep("edit", "raw")
    prep("bucket", "meta.json", "--resolution", 128, "--step", 32)

    said = prep("latents", "meta_bucket.json", "--model", "tiny")

    assert said.code == 3
    assert "  3 pictures: 1 good, 1 left out, 1 failed\n" in said.out
