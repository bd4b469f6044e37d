"""Tests of the demo: what it writes, what it says, and the whole of it, as a person runs it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tinyworld.__main__ import main
from tinyworld.demo import PIPELINES, story
from tinyworld.pictures import CORRUPT, PICTURES


def seen(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the time and bytes of every file that a person can see in a folder."""
    return {
        path.relative_to(folder).as_posix(): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file() and ".prep" not in path.parts
    }


def demo(cwd: Path) -> tuple[int, str, str, float]:
    began = time.monotonic()
    command = [sys.executable, "-P", "-m", "tinyworld", "demo"]
    ended = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return ended.returncode, ended.stdout, ended.stderr, time.monotonic() - began


def test_the_pipeline_uses_the_embedded_models() -> None:
    """The demo's pipelines.yaml names `tiny` wherever a model is asked for, and ends in a LoRA."""
    pipeline = yaml.safe_load(PIPELINES)["pipelines"]["demo"]
    steps = [step if isinstance(step, dict) else {step: {}} for step in pipeline["stages"]]
    stages = [name for step in steps for name in step]
    models = [params.get("model") for step in steps for params in step.values()]

    assert stages == [
        "crop", "augment", "caption", "tag", "duplicates", "edit", "bucket", "latents"
    ]  # fmt: skip
    assert set(models) == {"tiny", None}
    assert (pipeline["train"]["method"], pipeline["train"]["base"]) == ("lora", "tiny")


def test_the_story_is_plain(tmp_path: Path) -> None:
    """It names every place, the LoRA, the broken file and why, and that the models are random."""
    told = story(tmp_path, [tmp_path / "x.safetensors"])

    for place in ("raw", "images", "augmented", "meta.json", "pipelines.yaml", "x.safetensors"):
        assert str(tmp_path / place) in told
    assert f"`{CORRUPT}` is broken on purpose: the file ends in the middle of the picture." in told
    assert str(tmp_path / "x-sheet.png") in told
    assert (
        "  AUTOMATIC1111 or Forge: models/Lora, and write <lora:x:1> mascot as the prompt" in told
    )
    assert "The embedded models are stand-ins with random weights" in told
    assert max(len(line.replace(str(tmp_path), "demo")) for line in told.splitlines()) <= 100


def test_draw_writes_the_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m tinyworld draw FOLDER` draws every picture and says how many."""
    folder = tmp_path / "new" / "raw"

    assert main(["draw", str(folder)]) == 0
    assert capsys.readouterr().out == f"18 pictures drawn into {folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == sorted(p.name for p in PICTURES)


def test_a_mistake_is_passed_on(tmp_path: Path) -> None:
    """Where `prep run` ends with another code than 3, the demo ends with it and tells no story."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "pipelines.yaml").write_text("pipelines: 3\n")

    code, out, err, _ = demo(tmp_path)

    assert code == 1
    assert "What was made" not in out
    assert err.startswith("error: ")
    assert (tmp_path / "demo" / "pipelines.yaml").read_text() == "pipelines: 3\n"


def test_the_demo_from_nothing_and_again(tmp_path: Path) -> None:
    """It ends in a LoRA and exit code 0; the second run changes no file and takes under 5 s."""
    code, out, err, _ = demo(tmp_path)
    first = seen(tmp_path)
    again, told, errors, seconds = demo(tmp_path)

    assert (code, again) == (0, 0), err + errors
    assert out.startswith(f"{Path('demo') / 'raw'}: 18 pictures drawn\n")
    assert "What was made:" in out
    assert f"failed: {CORRUPT}" in out + err
    (sheet,) = (name for name in first if name.endswith("-sheet.png"))
    lora = sheet.replace("-sheet.png", ".safetensors")
    assert lora in first
    assert Path(sheet).name in out
    assert out.rstrip().endswith(f'pipeline.load_lora_weights("{Path(lora).name}")')
    assert seen(tmp_path) == first
    assert told.startswith(f"{Path('demo') / 'raw'}: all pictures are there\n")
    assert seconds < 5
