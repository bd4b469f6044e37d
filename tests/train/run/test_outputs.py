"""Exports on the way and sample pictures: stopped at any moment, failed, and tried again."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from prep.models.locate import Models
from prep.runtime.stopping import obey
from tests.train.cli.test_app import _environment, _main
from tests.train.conftest import build_dataset
from tests.train.killing import killed, trained
from tests.train.runs import lora, new_console, said, settings
from train.export import lora_file
from train.export.lora_file import ProofError
from train.families.diffusion_process import Diffusion
from train.samples.drawer import Drawer
from train.samples.sampler import NotFiniteError

MORE = {"steps": 5, "save_every_steps": 2, "name": "toy"}


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    """Two pictures of two steps each."""
    path = tmp_path / "p.txt"
    path.write_text("mascot --s 2\nmascot, pose 1 --s 2 --d 3\n")
    return path


def _seen(folder: Path) -> dict[str, bytes]:
    """Return what a person sees in a run folder, but for the settings, which hold its place.

    Nor has it the log of the clock, and the page that shows it.
    """
    (run,) = folder.iterdir()
    return {
        path.relative_to(run).as_posix(): path.read_bytes()
        for path in sorted(run.rglob("*"))
        if path.is_file() and path.parent.parent.name != "checkpoints"
        if path.name not in ("config.json", "lock", "progress.jsonl", "report.html")
    }


def _counting(patch: pytest.MonkeyPatch, place: Any, name: str, act: Callable[[int], None]) -> None:
    """Let a function tell how often it was called, before each call."""
    real, calls = getattr(place, name), [0]

    def counted(*words: Any, **more: Any) -> Any:
        calls[0] += 1
        act(calls[0])
        return real(*words, **more)

    patch.setattr(place, name, counted)


def _stop_at(nth: int, number: int) -> Callable[[int], None]:
    return lambda call: signal.raise_signal(number) if call == nth else None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_while_it_draws(
    meta: Path, tmp_path: Path, models: Models, prompts: Path, number: int
) -> None:
    """Case D1: stopped in every picture, a run ends in the bytes of one that was never stopped."""
    whole, stopped, stops = tmp_path / "whole", tmp_path / "stopped", 0
    lora(meta, whole, models, new_console(), **MORE, prompts=prompts)
    made = False
    while not made:
        with pytest.MonkeyPatch.context() as patch:
            _counting(patch, Diffusion, "earlier", _stop_at(4, number))
            try:
                with obey():
                    lora(meta, stopped, models, new_console(), **MORE, prompts=prompts)
                made = True
            except (KeyboardInterrupt, SystemExit):
                stops += 1
        assert made == bool(list(stopped.glob("*/toy.safetensors")))

    assert stops == 5
    assert _seen(stopped) == _seen(whole)


def test_stopped_while_it_exports(
    meta: Path, tmp_path: Path, models: Models, prompts: Path
) -> None:
    """Case D1: stopped within an export on the way, its step is saved and the export made later."""
    whole, stopped, console = tmp_path / "whole", tmp_path / "stopped", new_console()
    lora(meta, whole, models, new_console(), **MORE, prompts=prompts)
    with pytest.MonkeyPatch.context() as patch:
        _counting(patch, lora_file, "check_same", _stop_at(2, signal.SIGTERM))
        with pytest.raises(SystemExit), obey():
            lora(meta, stopped, models, new_console(), **MORE, prompts=prompts)
    assert not list(stopped.glob("*/toy-step00000004.safetensors"))
    lora(meta, stopped, models, console, **MORE, prompts=prompts)

    assert said(console)[1] == "continues after step 4 of 5\n"
    assert _seen(stopped) == _seen(whole)


@pytest.mark.parametrize(
    "flush", [6, *(pytest.param(one, marks=pytest.mark.long) for one in (7, 9)), 11]
)
def test_killed_while_it_draws(
    meta: Path, tmp_path: Path, models: Models, prompts: Path, flush: int
) -> None:
    """Case D1: SIGKILL before, in and after the export of a step, and between its pictures."""
    given = settings(tmp_path / "killed", **MORE) | {"prompts": str(prompts)}
    code = killed(meta, tmp_path / "home", 2, flush, given)
    trained(meta, tmp_path / "home", given, new_console())
    lora(meta, tmp_path / "whole", models, new_console(), **MORE, prompts=prompts)

    assert code == -signal.SIGKILL
    assert _seen(tmp_path / "killed") == _seen(tmp_path / "whole")


@pytest.mark.parametrize(
    ("number", "code"),
    [pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long), (signal.SIGINT, 130)],
)
def test_a_long_drawing_ends_in_time(tmp_path: Path, meta: Path, number: int, code: int) -> None:
    """Case D1: a training that draws ends within seconds, with step and export on the disk."""
    (tmp_path / "p.txt").write_text("mascot --s 1000 --w 256 --h 256\n" * 20)
    words = ["lora", str(meta), "--rank", "2", "--steps", "2", "--save-every-steps", "1"]
    words += ["--prompts", str(tmp_path / "p.txt"), "--out", str(tmp_path / "runs")]
    child = subprocess.Popen(
        [sys.executable, "-m", "train", *words], stderr=subprocess.PIPE, text=True,
        env=_environment(tmp_path / "home"),
    )  # fmt: skip
    while not list((tmp_path / "runs").glob("*/images-step00000001.safetensors")):
        assert child.poll() is None
        time.sleep(0.01)
    time.sleep(1)
    begun = time.monotonic()
    child.send_signal(number)
    told = child.communicate(timeout=60)[1]

    assert time.monotonic() - begun < 5
    assert (child.returncode, told) == (code, "stopped; run the same command to go on\n")
    assert list((tmp_path / "runs").glob("*/checkpoints/step-00000001/manifest.json"))
    assert not list((tmp_path / "runs").glob("*/samples/*"))


@pytest.fixture
def words(meta: Path, tmp_path: Path, prompts: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command line of a run of four steps that exports and draws after two."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return [
        "lora", str(meta), "--rank", "2", "--steps", "4", "--save-every-steps", "2",
        "--prompts", str(prompts), "--name", "toy", "--out", str(tmp_path / "runs"),
    ]  # fmt: skip


def _no_numbers(seed: int) -> Callable[..., Any]:
    real = Drawer.picture

    def picture(drawer: Drawer, prompt: Any) -> Any:
        if prompt.seed == seed:
            raise NotFiniteError("the picture came out as numbers that are not finite", "mend it")
        return real(drawer, prompt)

    return picture


def test_a_picture_that_fails_is_told_at_the_end(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run ends with 3 and its export; what is missing is tried again, and then all is well."""
    whole = [*words[:-1], str(tmp_path / "whole")]
    assert _main(*whole) == 0
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Drawer, "picture", _no_numbers(3))
        codes = [_main(*words), _main(*words), _main("check", *words[1:])]
    told = capsys.readouterr()
    (made,) = (tmp_path / "runs").glob("*/toy.safetensors")
    before = made.stat().st_mtime_ns

    assert codes == [3, 3, 0]
    assert told.out.splitlines()[:2] == [f"trained: {made}", f"already done: {made}"]
    failed = [f"toy{word}-01-3.png" for word in ("-step00000002", "")]
    each = [f"not drawn: {n}: the picture came out as numbers that are not finite" for n in failed]
    line = (
        "2 exports and pictures are missing: `samples/toy-step00000002-01-3.png`, "
        "`samples/toy-01-3.png`; the same command tries them again"
    )
    assert told.err.splitlines() == [*each, line] * 2
    assert told.out.splitlines()[-1] == f"{made.parent}: is done; {line}"

    assert _main(*words, "--json") == 0
    again = ", ".join(f"`samples/{name}`" for name in failed)
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == [
        {"say": f"already done: {made}", "export": str(made), "done": True},
        {"say": f"2 pictures drawn again: {again}", "kind": "note"},
    ]  # fmt: skip
    assert made.stat().st_mtime_ns == before
    assert _seen(tmp_path / "runs") == _seen(tmp_path / "whole")


def test_too_little_memory_for_a_picture(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where a picture needs more memory than is left, the training goes on without it."""

    def picture(*_: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Drawer, "picture", picture)
        assert _main(*words) == 3
    told = capsys.readouterr().err.splitlines()

    why = "the GPU has too little memory for a picture of its size beside the training"
    assert told[0] == f"not drawn: toy-step00000002-00-0.png: {why}"
    assert told[-1] == (
        "4 exports and pictures are missing: `samples/toy-step00000002-00-0.png`, "
        "`samples/toy-step00000002-01-3.png`, `samples/toy-00-0.png` and 1 more; "
        "the same command tries them again"
    )
    assert list((tmp_path / "runs").glob("*/toy.safetensors"))


def _another(path: Path, tensors: Any) -> None:
    raise ProofError("the export reads back as other numbers", "check the disk, run again")


def test_an_export_on_the_way_that_fails_is_told_at_the_end(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its step's checkpoint serves to make it, while it is there; then the person decides."""
    assert _main(*words[:-1], str(tmp_path / "whole")) == 0
    real = lora_file.check_same
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            lora_file,
            "check_same",
            lambda path, t: (real if _steps(path) == 4 else _another)(path, t),
        )
        assert [_main(*words), _main(*words)] == [3, 3]
    told = capsys.readouterr().err.splitlines()
    (run,) = (tmp_path / "runs").iterdir()
    kept = run / "toy-step00000002-not-proven.safetensors"
    line = "`toy-step00000002.safetensors` is missing; the same command tries it again"
    assert told == [
        f"the export reads back as other numbers; it is kept as `{kept}`", line,
    ] * 2  # fmt: skip

    saved = run / "checkpoints/step-00000002"
    saved.rename(tmp_path / "away")
    assert _main(*words) == 3
    assert capsys.readouterr().err.splitlines() == [
        (
            "`toy-step00000002.safetensors` cannot be made any more: its checkpoint is gone; "
            f"to have done with it, delete `{kept}`"
        ),
        line,
    ]
    (tmp_path / "away").rename(saved)
    assert _main(*words) == 0
    assert _seen(tmp_path / "runs") == _seen(tmp_path / "whole")


def _steps(path: Path) -> int:
    return lora_file.steps_of(path)


def test_what_was_deleted_on_the_way_is_not_asked_for(
    words: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An export that a person deleted stays away; so do its pictures."""
    assert _main(*words) == 0
    for path in (tmp_path / "runs").rglob("toy-step00000002*"):
        path.unlink()
    capsys.readouterr()

    assert _main(*words) == 0
    assert capsys.readouterr().err == ""
    assert not list((tmp_path / "runs").rglob("toy-step00000002*"))


@pytest.mark.parametrize("form", ["folder", "file"])
def test_pictures_of_a_fine_tune_are_tried_again(
    narrow_base: Callable[[str], Path], tmp_path: Path, models: Models, prompts: Path, form: str
) -> None:
    """The exported model draws what the trained one drew, also where its name has a dot."""
    meta = build_dataset(tmp_path / "data", narrow_base("sd15"))
    more = {"steps": 2, "save_every_steps": 1, "method": "finetune", "name": "toy-v1.5",
            "save_as": form, "prompts": prompts}  # fmt: skip
    made = lora(meta, tmp_path / "out", models, new_console(), **more)
    before = _seen(tmp_path / "out")
    names = sorted(name for name in before if name.startswith("samples/"))
    for name in names:
        (made.parent / name).unlink()
    lora(meta, tmp_path / "out", models, new_console(), **more)

    assert names == [
        f"samples/toy-v1.5{word}-{which}.png"
        for word in ("", "-step00000001")
        for which in ("00-0", "01-3")
    ]
    assert _seen(tmp_path / "out") == before


def test_edited_prompts_of_a_run_that_is_done_are_drawn(
    words: list[str], tmp_path: Path, prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Pictures that show another prompt now are drawn again, of every export; others are kept.

    A picture that says nothing, as those of earlier versions, is kept, too.
    """
    assert _main(*words) == 0
    (made,) = (tmp_path / "runs").glob("*/toy.safetensors")
    folder = made.parent / "samples"
    silent = folder / "toy-step00000002-00-0.png"
    with Image.open(silent) as picture:
        Image.frombytes("RGB", picture.size, picture.tobytes()).save(silent)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    prompts.write_text("mascot, hat --s 2\nmascot, pose 1 --s 2 --d 3\n")
    capsys.readouterr()

    codes = _main("check", *words[1:]), _main(*words), _main("check", *words[1:])

    whole = capsys.readouterr()
    told = whole.out.splitlines()
    assert "1 picture drawn again: `samples/toy-00-0.png`" in whole.err.splitlines()
    assert codes == (0, 0, 0)
    assert f"already done: {made}" in told
    assert [line for line in told if line.startswith(f"{made.parent}: ")] == [
        (
            f"{made.parent}: is done; `samples/toy-00-0.png` is of a prompt that was edited; "
            "the same command draws it again"
        ),
        f"{made.parent}: is done",
    ]
    after = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert [name for name in sorted(before) if after[name] != before[name]] == ["toy-00-0.png"]
    prompts.write_text("mascot, hat --s 2\n")
    assert _main(*words) == 0
    assert capsys.readouterr().err.splitlines() == [
        (
            "2 pictures are of prompts that the file of prompts has no more; they are left: "
            "`samples/toy-step00000002-01-3.png`, `samples/toy-01-3.png`"
        )
    ]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == after


def test_prompts_that_are_lost_while_it_trains_spoil_nothing(
    words: list[str], tmp_path: Path, prompts: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The run ends well, with the pictures that it had read the prompts of."""
    real = Drawer.picture

    def picture(drawer: Drawer, prompt: Any) -> Any:
        prompts.unlink(missing_ok=True)
        return real(drawer, prompt)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Drawer, "picture", picture)
        assert _main(*words) == 0

    assert capsys.readouterr().err == ""
    assert len(list((tmp_path / "runs").glob("*/samples/*.png"))) == 4
    assert _main(*words) == 1


def test_a_run_that_is_made_longer_keeps_its_pictures(
    meta: Path, tmp_path: Path, models: Models, prompts: Path
) -> None:
    """Pictures go with their export; those of the longer run are drawn and not taken for these."""
    more = {"name": "toy", "prompts": prompts}
    lora(meta, tmp_path / "out", models, new_console(), steps=2, **more)
    short = {name: data for name, data in _seen(tmp_path / "out").items() if "samples/" in name}
    lora(meta, tmp_path / "out", models, new_console(), steps=4, **more)
    lora(meta, tmp_path / "whole", models, new_console(), steps=4, **more)
    found, whole = _seen(tmp_path / "out"), _seen(tmp_path / "whole")

    assert {n.replace("toy-step00000002", "toy"): d for n, d in found.items() if "2-0" in n} == (
        short
    )
    assert {name: found[name] for name in whole} == whole
