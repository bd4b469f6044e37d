"""Tests of the demo: what it writes, what it says, and the whole of it, as a person runs it."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from tinyworld.__main__ import main
from tinyworld.demo import PIPELINES, TRIGGER, found_in, prompts_to_judge, story
from tinyworld.pictures import CORRUPT, PICTURES
from tinyworld.words import words


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
    """It names every place, the LoRA and what it does, and the broken file and why it is broken."""
    judged = tmp_path / "x-judged" / "pictures"
    judged.mkdir(parents=True)
    (judged / "000 strength 1.txt").write_text("lumi, coral fur, round body, scarf, sprout\n")
    (judged / "000 base model.txt").write_text("coral fur, round body, scarf\n")
    told = story(tmp_path, [tmp_path / "x.safetensors"])

    for place in ("raw", "images", "augmented", "meta.json", "pipelines.yaml", "x.safetensors"):
        assert str(tmp_path / place) in told
    assert f"`{CORRUPT}` is broken on purpose: the file ends in the middle of the picture." in told
    for name in ("x-sheet.png", "report.html", "grid/grid.html"):
        assert str(tmp_path / name) in told
    assert "  AUTOMATIC1111 or Forge: models/Lora, and write <lora:x:1> lumi as the prompt" in told
    assert (
        "draws the whole mascot in 1 of 32 pictures, as the tagger sees them:\n"
        "round, coral, sprout, scarf. The base model does in 0 of 32. All are in\n"
    ) in told
    assert max(len(line.replace(str(tmp_path), "demo")) for line in told.splitlines()) <= 100


def test_the_whole_mascot_is_all_four_tags(tmp_path: Path) -> None:
    """A picture counts only where the tagger names body, fur, hat and accessory; none is no hit."""
    texts = ["round body, coral fur, sprout, scarf", "round body, coral fur, sprout", "", "scarf"]
    for number, text in enumerate(texts):
        (tmp_path / f"{number:03d} strength 1.txt").write_text(text + "\n")
    (tmp_path / "000 base model.txt").write_text(texts[0])

    assert found_in(tmp_path, "strength 1") == 1
    assert found_in(tmp_path, "base model") == 1
    assert found_in(tmp_path / "nowhere", "strength 1") == 0


def test_the_judged_prompts_say_nothing_of_its_looks() -> None:
    """32 prompts, each of its own seed: the trigger, which is no word of the world, pose, place."""
    lines = prompts_to_judge()
    looks = {"round", "coral", "fur", "sprout", "scarf", "mascot"}

    assert len({line.split("--d ")[1] for line in lines}) == len(lines) == 32
    assert all(line.startswith(f"{TRIGGER}, ") for line in lines)
    assert not any(looks & set(line.replace(",", "").split()) for line in lines)
    assert TRIGGER not in words()


def test_draw_writes_the_pictures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`python -m tinyworld draw FOLDER` draws every picture and says how many."""
    folder = tmp_path / "new" / "raw"

    assert main(["draw", str(folder)]) == 0
    assert capsys.readouterr().out == f"21 pictures drawn into {folder}\n"
    assert sorted(path.name for path in folder.iterdir()) == sorted(p.name for p in PICTURES)


def test_a_mistake_is_passed_on(tmp_path: Path) -> None:
    """Where `prep run` ends with another code than 3, the demo ends with it and tells no story."""
    (tmp_path / "demo").mkdir()
    (tmp_path / "demo" / "pipelines.yaml").write_text("pipelines: 3\n")

    code, out, err, _ = demo(tmp_path)

    assert code == 1
    assert "What was made" not in out
    assert err.splitlines()[-2].startswith("error: ")
    assert (tmp_path / "demo" / "pipelines.yaml").read_text() == "pipelines: 3\n"


def test_the_demo_learns_the_mascot_and_does_nothing_twice(tmp_path: Path) -> None:
    """From nothing, in one go: the LoRA draws the mascot when called, the base model does not.

    After 500 steps the LoRA's share is about 0.94 and the base model's 0.03; the demo takes 300
    (docs/tiny_world.md). With 32 samples and another CPU half of them and a quarter are safe
    bounds. The second run changes no file and takes under 5 s.
    """
    code, out, err, _ = demo(tmp_path)
    first = seen(tmp_path)
    again, told, errors, seconds = demo(tmp_path)

    assert (code, again) == (0, 0), err + errors
    assert out.startswith(f"{Path('demo') / 'raw'}: 21 pictures drawn\n")
    assert f"failed: {CORRUPT}" in out + err
    (sheet,) = (name for name in first if name.endswith("-sheet.png"))
    lora = sheet.replace("-sheet.png", ".safetensors")
    assert lora in first
    assert Path(sheet).name in out
    run = Path(lora).parent
    for page in (run / "report.html", run / "grid" / "grid.html"):
        assert page.as_posix() in first
        assert str(page) in out
    assert out.rstrip().endswith(f'pipeline.load_lora_weights("{Path(lora).name}")')
    judged = tmp_path / sheet.replace("-sheet.png", "-judged") / "pictures"
    assert found_in(judged, "strength 1") >= 16
    assert found_in(judged, "base model") <= 8
    assert seen(tmp_path) == first
    assert told.startswith(f"{Path('demo') / 'raw'}: all pictures are there\n")
    assert seconds < 5
