import io
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from prep.dataset import dataset_file
from prep.images.formats import usual_suffixes
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from train.cli.app import main
from train.data import prepare
from train.methods import config_of

NO_PICTURES = (
    "error: there are no pictures in `toys`\nhint: name the folder that holds them; pictures end "
    f"in {', '.join(usual_suffixes())}\n"
)
# As a person has them who keeps options in pipelines.yaml; without it buckets are of 512 px.
PIPELINES = """\
pipelines:
  toys:
    images: ./toys
    meta: ./toys.json
    stages:
      - edit
      - bucket: {resolution: 128, step: 32}
      - latents
"""
TRAINED = ["--base", "tiny", "--steps", "1", "--rank", "1"]


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two pictures without texts in the folder `toys`, and options for it; the person is there."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Path("pipelines.yaml").write_text(PIPELINES)
    place = Path("toys")
    place.mkdir()
    for number in (1, 2):
        Image.new("RGB", (256, 256), (90 * number, 40, 200)).save(place / f"{number}.png")
    return place


def _main(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def _tree(place: Path) -> dict[str, tuple[bytes, int]]:
    return {
        path.as_posix(): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(place.rglob("*"))
        if path.is_file() and ".prep" not in path.parts
    }


def test_a_folder_becomes_a_lora(toys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Pictures and `.txt` files become a dataset beside them and a LoRA; again, nothing is done."""
    (toys / "1.txt").write_text("toy, red")
    (toys / "2.txt").write_text("toy")

    assert _main("lora", "toys", *TRAINED) == 0

    (made,) = Path("runs").glob("*/toys.safetensors")
    said = capfd.readouterr().out.splitlines()
    assert [line for line in said if line.startswith("  wrote")] == [
        "  wrote toys.json", "  wrote toys_bucket.json", "  wrote toys_lat.json",
    ]  # fmt: skip
    assert said[-1] == f"trained: {made}"
    sample = dataset_file.load(Path("toys_lat.json")).samples["1.png"]
    assert (sample.tags, sample.bucket) == (("toy", "red"), (128, 128))
    before = _tree(Path())
    assert _main("lora", "./toys/", *TRAINED) == 0
    assert capfd.readouterr() == (
        3 * "`toys` is up to date: nothing to do\n  2 pictures: 2 good, 0 left out, 0 failed\n"
        + f"already done: {made}\n",
        "",
    )
    assert _tree(Path()) == before


@pytest.mark.long
def test_captions_train_where_there_are_no_tags(toys: Path) -> None:
    """Where sentences are all there is, they are what trains; and the whole model is as easy."""
    (toys / "1.caption").write_text("a red toy")
    (toys / "2.caption").write_text("a toy")

    assert _main("finetune", "toys", "--base", "tiny", "--steps", "1", "-q") == 0

    sample = dataset_file.load(Path("toys_lat.json")).samples["1.png"]
    assert sample.training_text() == "a red toy"
    assert len(list(Path("runs").glob("*/toys/unet"))) == 1


def test_what_prep_found_is_the_exit_code(toys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A broken picture is named and ends in 3, and the others are trained on."""
    (toys / "1.txt").write_text("toy")
    (toys / "2.txt").write_text("toy")
    (toys / "3.png").write_bytes(b"junk")

    assert _main("lora", "toys", *TRAINED, "-q") == 3

    told = "failed: 3.png: not a picture, begins with `6a 75 6e 6b`\n"
    assert capfd.readouterr() == ("", 3 * told)  # by each of the commands that count pictures
    assert len(list(Path("runs").glob("*/toys.safetensors"))) == 1


def test_no_text_beside_any_picture(toys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Where no picture has a text it is two lines, and no time is spent on latents."""
    assert _main("lora", "toys", *TRAINED, "-q") == 1

    assert capfd.readouterr() == (
        "",
        (
            "error: none of the 2 samples of `toys.json` has a text\n"
            "hint: run `prep tag` or `prep caption`, or set `text` to the one that is there\n"
        ),
    )
    assert not Path("toys_bucket.json").exists()


@pytest.mark.parametrize("command", ["lora", "check"])
def test_no_pictures(toys: Path, capfd: pytest.CaptureFixture[str], command: str) -> None:
    """A folder without pictures is told by prep, once, and nothing is trained."""
    for picture in toys.iterdir():
        picture.unlink()

    assert _main(command, "toys", *TRAINED, "-q") == 1

    assert capfd.readouterr() == ("", NO_PICTURES)


def test_check_says_what_would_be_prepared(toys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """`train check` plans what prep would do, and once the dataset is there, the training too."""
    (toys / "1.txt").write_text("toy")
    (toys / "2.txt").write_text("toy")
    before = _tree(Path())

    assert _main("check", "toys", *TRAINED) == 0

    assert capfd.readouterr() == (
        (
            "toys:\n"
            "  edit          2 to do: new\n"
            "bucket        waits for `toys.json`\n"
            "latents       waits for `toys_bucket.json`\n"
            "steps, rates and disk can be told once `toys_lat.json` is there\n"
        ),
        "",
    )
    assert _tree(Path()) == before
    assert _main("lora", "toys", *TRAINED, "-q") == 0
    assert _main("check", "toys", *TRAINED) == 0
    said = capfd.readouterr().out.splitlines()
    assert "  latents       up to date" in said
    assert said[-1].endswith(": is done")


def test_several_processes_are_refused(toys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Under a launcher of several processes the dataset has to be there before."""
    with pytest.raises(ConfigError) as caught:
        prepare.prepared([toys], config_of(), Console(), alone=False)

    assert (str(caught.value), caught.value.hint) == (
        "`toys` is a folder, and several processes train",
        "run `prep edit`, `prep bucket` and `prep latents` first, and name what they wrote",
    )
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("named", "first", "last"),
    [
        ("toys", "toys.json", "toys_lat.json"),
        ("a/my.toys", "a/my.toys.json", "a/my.toys_lat.json"),
        ("toys_lat", "toys_lat-meta.json", "toys_lat-meta_lat.json"),
    ],
)
def test_the_files_of_a_folder(named: str, first: str, last: str) -> None:
    """The dataset lies beside the folder under its name, which never looks like a later file's."""
    assert prepare.first_file(Path(named)).as_posix() == first
    assert prepare.last_file(Path(named)).as_posix() == last


def test_the_folder_one_stands_in(toys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`.` and `..` have names too."""
    wanted = Path("toys.json").resolve()
    (toys / "inner").mkdir()

    monkeypatch.chdir(toys)
    assert prepare.first_file(Path()) == wanted
    monkeypatch.chdir("inner")
    assert prepare.first_file(Path("..")) == wanted


def test_options_go_on_to_prep(toys: Path) -> None:
    """Base model and device are those of the training; what was not asked for is prep's."""
    config = config_of(base="tiny", device="cpu")

    assert prepare.commands(toys, config) == [
        ["edit", "toys", "--out", "toys.json"],
        ["bucket", "toys.json"],
        ["latents", "toys_bucket.json", "--model", "tiny", "--device", "cpu"],
    ]
    assert prepare.commands(toys, config_of())[-1] == ["latents", "toys_bucket.json"]


def test_only_files_beside_pictures_are_texts(toys: Path) -> None:
    """A `.txt` of another name is no sidecar; one tag file decides for tags."""
    (toys / "1.caption").write_text("a toy")
    (toys / "notes.txt").write_text("buy milk")
    assert prepare.only_captions(toys)

    (toys / "2.txt").write_text("toy")
    assert not prepare.only_captions(toys)


@pytest.mark.skipif(os.name == "nt", reason="POSIX signals")
def test_a_stop_reaches_prep(toys: Path) -> None:
    """Row 75: told to stop while prep works, both end, with 143, and no prep is left behind."""
    (toys / "1.txt").write_text("toy")
    for number in range(3, 60):
        shutil.copy(toys / "1.png", toys / f"{number}.png")
    child = subprocess.Popen(
        [sys.executable, "-m", "train", "lora", "toys", *TRAINED],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(prepare.__file__).parents[2])},
    )  # fmt: skip
    limit = time.monotonic() + 60
    while not (toys / ".prep" / "holder.json").exists():
        assert time.monotonic() < limit
        time.sleep(0.002)
    child.send_signal(signal.SIGTERM)

    told = child.communicate(timeout=60)[0]  # ends when the last holder of the pipe has ended
    assert child.returncode == 143
    assert "stopped; run the same command to go on\n" in told
    assert not (toys / ".prep" / "holder.json").exists()
    assert not Path("runs").exists()


def test_speech_goes_on_to_prep(toys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Told to be quiet, the plan of prep is not shown either; as JSON it is objects."""
    out = io.StringIO()
    prepare.foreseen([toys], config_of(), Console(json=True, out=out, err=out))

    lines = [*capfd.readouterr().out.splitlines(), *out.getvalue().splitlines()]
    assert all(line.startswith("{") for line in lines)
    assert len(lines) >= 3
