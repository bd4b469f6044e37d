import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from train.cli.app import main
from train.config import Config
from train.methods.lora import LoraOptions
from train.option_fields import described

HEAVY = "torch transformers diffusers peft onnxruntime pandas numpy PIL safetensors"


def _main(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def _environment(home: Path) -> dict[str, str]:
    return {**os.environ, "XDG_DATA_HOME": str(home), "HF_HUB_OFFLINE": "1"}


def _imported(home: Path, *words: str) -> tuple[int, str, str]:
    """Run `train` in a process of its own; return its code, its answer and what heavy it loaded."""
    code = (
        "import sys\nfrom train.cli.app import main\ntry:\n    main(sys.argv[1:])\n"
        "finally:\n"
        f"    print(sorted(set('{HEAVY}'.split()) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True, text=True, env=_environment(home), check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr.splitlines()[-1]


def test_help_names_every_setting(capsys: pytest.CaptureFixture[str]) -> None:
    """`train lora --help` lists an option for every field of the settings, with its help."""
    assert _main("lora", "--help") == 0

    told = " ".join(capsys.readouterr().out.split())
    for item in (*described(LoraOptions), *described(Config)):
        assert f"--{item.name.replace('_', '-')} " in told.replace(",", " ")
        assert item.metadata["help"].split(";")[0] in told


def test_help_and_mistakes_load_nothing_heavy(tmp_path: Path, meta: Path) -> None:
    """Help, a wrong option and a wrong base model import none of the heavy libraries."""
    assert _imported(tmp_path, "lora", "--help")[::2] == (0, "[]")
    assert _imported(tmp_path, "lora", "x", "--rank", "0")[::2] == (2, "[]")
    assert _imported(tmp_path, "lora", str(meta), "--base", "./no")[::2] == (1, "[]")


def test_train_then_already_done(
    tmp_path: Path,
    meta: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command trains once; again, it says so and loads nothing heavy."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    words = ("lora", str(meta), "--steps", "2", "--rank", "2", "--out", str(tmp_path / "runs"))
    assert _main(*words) == 0
    (made,) = (tmp_path / "runs").glob("*/images.safetensors")
    assert capsys.readouterr() == (f"trained: {made}\n", "")

    assert _imported(tmp_path / "home", *words) == (0, f"already done: {made}\n", "[]")


def test_json_speaks_in_objects(
    tmp_path: Path,
    meta: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With `--json` the result is one object, and quiet says nothing at all."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    words = ("lora", str(meta), "--steps", "1", "--rank", "1", "--out", str(tmp_path / "runs"))
    assert _main(*words, "--json") == 0
    (made,) = (tmp_path / "runs").glob("*/images.safetensors")

    said = json.loads(capsys.readouterr().out)
    assert said == {"say": f"trained: {made}", "export": str(made), "done": False}
    assert _main(*words, "-q") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (
            ["lora", "meta_lat.json", "--rank", "0"],
            2,
            "error: `--rank` is 0\nhint: give a whole number from 1 to 1024\n",
        ),
        (
            ["lora", "meta_lat.json", "--device", "gpu"],
            2,
            "error: `--device` is `gpu`\nhint: known: auto, cpu, cuda\n",
        ),
        (["loar"], 2, "error: no such command `loar`\nhint: did you mean `lora`?\n"),
        (
            ["lora", "meta_lat.json", "--rnk", "1"],
            2,
            "error: no such option `--rnk`\nhint: did you mean `--rank`?\n",
        ),
        (["lora"], 2, "error: missing argument `META`\nhint: see `train lora --help`\n"),
        (
            ["lora", "nowhere.json"],
            1,
            (
                "error: there is no `nowhere.json`\n"
                "hint: make it with `prep edit FOLDER`, or run the whole pipeline\n"
            ),
        ),
    ],
)
def test_a_mistake_is_two_lines(
    words: list[str], code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Row 47: what a person mistyped is told on stderr as error and hint, with its exit code."""
    assert _main(*words) == code

    assert capsys.readouterr() == ("", told)


def test_kohya_s_metadata_is_recognised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file of the same name made by kohya's scripts is called by its name."""
    path = tmp_path / "meta_lat.json"
    path.write_text('{"a": {"tags": "cat", "train_resolution": [512, 512]}}')

    assert _main("lora", str(path)) == 1

    assert capsys.readouterr().err == (
        "error: `meta_lat.json` is metadata of kohya's sd-scripts, not a dataset of prep\n"
        "hint: take its words over: `prep import meta_lat.json --in FOLDER`, "
        "then run `prep edit FOLDER`\n"
    )


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), pytest.param(signal.SIGINT, 130, marks=pytest.mark.long)],
)
def test_stopped_in_the_middle(
    tmp_path: Path,
    meta: Path,
    number: int,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Rows 74, 75: stopped while training, the step is saved; the same command ends in the same."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))

    assert _stopped(tmp_path, meta, number) == (
        code,
        "finishing the step and saving it\nstopped; run the same command to go on\n",
    )
    (saved,) = (tmp_path / "stopped").glob("*/checkpoints/step-*")
    done = int(saved.name.removeprefix("step-"))
    (log,) = (tmp_path / "stopped").glob("*/metrics.jsonl")
    assert log.read_text().count("\n") == done < 400
    capsys.readouterr()
    for out in ("stopped", "whole"):
        assert _main(*_words(meta), str(tmp_path / out), "--steps", str(done + 2)) == 0
    assert capsys.readouterr().err == f"continues after step {done} of {done + 2}\n"
    (one,), (two,) = ((tmp_path / n).glob("*/images.safetensors") for n in ("stopped", "whole"))
    assert one.read_bytes() == two.read_bytes()


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch needs a compiler")
def test_stopped_while_the_first_step_compiles(tmp_path: Path, meta: Path) -> None:
    """Nothing is lost before the first step of `--compile`, so a stop does not wait for it."""
    code, told = _stopped(tmp_path, meta, signal.SIGINT, "--compile", after=0)

    assert code == 130
    assert "finishing the step" not in told
    assert not [*(tmp_path / "stopped").glob("*/checkpoints/step-*")]


def _words(meta: Path) -> list[str]:
    return ["lora", str(meta), "--rank", "2", "--out"]


def _stopped(
    tmp_path: Path, meta: Path, number: int, *more: str, after: int = 2
) -> tuple[int, str]:
    """Send a signal to a training that has done so many steps; return its code and what it said."""
    words = [*_words(meta), str(tmp_path / "stopped"), "--steps", "400", *more]
    child = subprocess.Popen(
        [sys.executable, "-m", "train", *words],
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(tmp_path / "home"),
    )
    log: Path | None = None
    limit = time.monotonic() + 60
    while not (log and log.read_text().count("\n") >= after):
        assert time.monotonic() < limit
        assert child.poll() is None
        log = next((tmp_path / "stopped").glob("*/metrics.jsonl"), None)
        time.sleep(0.002)
    time.sleep(0 if after else 0.5)  # the log is there a little before the first step begins
    child.send_signal(number)
    told = child.communicate(timeout=30)[1]
    return child.returncode, told
