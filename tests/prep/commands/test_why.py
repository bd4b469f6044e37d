"""`prep why KEY`: the reason of every step, after each kind of change."""

from collections.abc import Callable
from pathlib import Path

import pytest

from prep.cli.app import main
from prep.runtime.errors import ConfigError
from tests.prep import changes
from tests.prep.changes import PICTURE, STEM
from tests.prep.projects import Project, drawing, new_project
from tinyworld.pictures import CORRUPT

RAW = "snow 1.png"
CUT = f"{RAW}@crop.png"


def reasons(project: Project, key: str = PICTURE) -> dict[str, str]:
    """Return stage or field -> what `-v` says of it, what the machine says left out."""
    lines = project.why(key, inner=True).splitlines()
    assert lines[0] == key
    found = {}
    for line in lines[1:]:
        name, _, rest = line.strip().partition(": ")
        found[name] = rest.split(", the machine says")[0]
    return found


def test_all_up_to_date(small: Project) -> None:
    """After a run every step of a picture is up to date, and the machine's words are shown."""
    found = reasons(small)

    assert found.pop("meta_lat.json").startswith("trains on `mascot, ")
    assert set(found.values()) == {"up to date"}
    assert {"caption", "score", "render", "edit", "bucket", "latents"} <= found.keys()
    text = (small.images / f"{STEM}.caption").read_text().strip()
    assert f'caption_text: up to date, the machine says "{text}"' in small.why(PICTURE, inner=True)


def test_a_new_picture(small: Project) -> None:
    """A picture that was never seen is new to what reads it; the rest waits, and says for what."""
    changes.add_first(small)

    found = reasons(small, "a first.png")

    for name in ("caption", "score", "measure"):
        assert found[name] == "will run: new"
    assert found["render"] == "waits for score"
    assert found["latents"] == "waits for bucket"
    assert found["tags_sidecar"] == "waits for render"


def test_replaced_pixels(small: Project) -> None:
    """Other pixels under the name are a changed input."""
    changes.replace_pixels(small)

    assert reasons(small)["score"] == "will run: its input changed"
    assert reasons(small, RAW)["score"] == "up to date"


@pytest.mark.parametrize(
    ("change", "step", "told"),
    [
        (changes.other_threshold, "render", "threshold was 0, is now 0.99"),
        (changes.other_resolution, "bucket", "resolution was 128, is now 160"),
        (changes.add_rule, "edit", "rules has another text"),
        (changes.other_vae, "latents", "the model changed"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_changed_params_and_models(
    small: Project, change: Callable[[Project], None], step: str, told: str
) -> None:
    """A changed param is named with both values, a changed model as such; other steps are not."""
    change(small)

    found = reasons(small)

    assert found[step] == f"will run: {told}"
    assert found["score"] == found["caption"] == "up to date"


def test_going_back(small: Project) -> None:
    """What the same recipe made before is not run again, and why says so."""
    changes.other_threshold(small)
    small.run()
    small.replace("threshold: 0.99, ", "")

    told = "was made before: threshold was 0.99, is now 0"
    assert reasons(small)["render"] == told


def test_a_decision_over_all(small: Project) -> None:
    """Where another picture changed, a decision is made again, and says that it was another."""
    changes.delete(small)

    assert reasons(small, RAW)["duplicates"] == "will run: other pictures changed"
    small.run()
    assert reasons(small, RAW)["duplicates"] == "up to date"


def test_lost_latents(small: Project) -> None:
    """A result whose file is gone is named as such."""
    for path in (small.images / ".prep" / "latents").rglob("*.safetensors"):
        path.unlink()

    assert reasons(small)["latents"] == "will run: its result is gone or damaged"


def test_a_persons_words(small: Project) -> None:
    """What a person wrote is shown with its place, and what the machine would say beside it."""
    changes.edit_sidecar(small)
    changes.edit_caption(small)

    found = reasons(small)

    assert found["tags"] == f"yours, from {STEM}.txt: my own, words"
    assert found["caption"] == "not needed: yours is used"
    assert found["edit"] == "will run: its input changed"
    assert "render: up to date, the machine says [" in small.why(PICTURE, inner=True)
    small.run()
    assert reasons(small)["edit"] == "up to date"


def test_a_rejected_picture(small: Project) -> None:
    """A picture that a rule rejected says which, and what follows cannot run."""
    small.replace("bucket: {", "bucket: {max_crop: 0.0001, ")
    small.run()

    found = reasons(small)

    assert found["bucket"].startswith("rejected: ")
    assert found["latents"].startswith("cannot run: ")


def test_pictures_in_other_folders(fanned: Project) -> None:
    """A source is known by its key as well: what became of it, and why it failed."""
    assert reasons(fanned, CORRUPT)["crop"].startswith("failed: the JPEG ends too early, after ")
    assert fanned.why(RAW) == f"{RAW}\n  crop: up to date, made {CUT}\n"
    told = fanned.why(f"{CUT}@flip.png")
    assert f"made from {CUT} of `../cut` by augment, mirrored" in told


def test_a_change_before_the_folder(fanned: Project) -> None:
    """What will be cut anew waits for it, in every folder behind."""
    (fanned.folder / "raw" / RAW).write_bytes(drawing(RAW, 77))

    assert reasons(fanned, RAW)["crop"].startswith("will run: its input changed")
    found = reasons(fanned, CUT)
    assert found["augment"].startswith("waits for crop")
    assert found["score"] == "waits for augment"


def test_gone_and_renamed(small: Project) -> None:
    """A picture that is no more says so; a renamed one is known under both names."""
    changes.rename(small)
    (small.images / RAW).unlink()

    assert "it was renamed to zebra.jpg" in small.why(PICTURE)
    assert f"it was named {PICTURE}" in small.why("zebra.jpg")
    assert "it is gone since the last run" in small.why(RAW)


def test_an_unknown_picture(small: Project) -> None:
    """A misspelt key is answered with the nearest one."""
    with pytest.raises(ConfigError, match="has no picture `snow 2") as told:
        small.why("snow 2.png")

    assert told.value.hint == f"did you mean `{RAW}`?"


def test_a_picture_by_its_path(
    small: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As a shell completes it: with the pipeline, by `--in`, and where nothing else says whose."""
    monkeypatch.chdir(small.images.parent)
    path = f"{small.images.name}/{PICTURE}"
    told = []
    for words in ([], ["--in", small.images.name]):
        with pytest.raises(SystemExit) as ended:
            main(["why", path, *words])
        assert not ended.value.code
        told.append(capsys.readouterr().out.splitlines()[0])
    with pytest.raises(SystemExit) as ended:
        main(["why", "nowhere/x.png", "--in", small.images.name])

    assert told == [PICTURE] * 2
    assert ended.value.code == ConfigError.exit_code
    assert "has no picture `nowhere/x.png`" in capsys.readouterr().err


def test_before_the_first_run(tmp_path: Path) -> None:
    """Asking before anything ran writes nothing."""
    project = new_project(tmp_path / "project")

    assert reasons(project)["caption"] == "will run: new"
    assert not (project.images / ".prep").exists()
