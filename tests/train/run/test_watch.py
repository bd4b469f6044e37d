"""What is seen of a run: held-out loss, the loss of every showing, and that none of it is felt."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from prep.dataset import dataset_file
from prep.models import vae
from prep.models.locate import Models
from prep.runtime import files
from tests.train.conftest import build_dataset
from tests.train.runs import lora, new_console, said
from train.families.sd15 import FAMILY
from train.generators import generator_for
from train.run import picture_losses
from train.run.fixed_losses import FixedLosses
from train.run.metrics import Metrics
from train.run.picture_losses import PictureLosses
from train.run.watch import Samples, Watch
from train.step.loop import ShownLoss, Step

FILES = ("metrics.jsonl", "picture_losses.bin", "fixed_losses.jsonl", "images.safetensors")
HELD_OUT = {"2.png", "5.png"}


def _rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, built_base: Callable[..., Path]
) -> tuple[Path, Path]:
    """The folder of a run of six steps with two pictures of six held out, and its dataset."""
    top = tmp_path_factory.mktemp("watched")
    meta = build_dataset(top / "data", built_base(top / "base"))
    found = dataset_file.load(meta)
    kept = {key: replace(found.samples[key], split="validation") for key in HELD_OUT}
    files.write(meta, dataset_file.dump(replace(found, samples={**found.samples, **kept})))
    return _trained(meta, top / "whole", save_every_steps=3).parent, meta


def _trained(meta: Path, out: Path, **given: object) -> Path:
    return lora(meta, out, Models(out / "home", offline=True), new_console(), batch=2, **given)


def test_it_is_measured_at_every_save(run: tuple[Path, Path]) -> None:
    """Before the first step, at each save and at the end: held-out and trained loss are logged.

    What is measured at first is the error of the base model, computed here by the formula.
    """
    folder, meta = run
    rows = [json.loads(line) for line in (folder / "fixed_losses.jsonl").read_text().splitlines()]
    logged = [row for row in _rows(folder) if "loss" not in row]

    assert [row["step"] for row in rows] == [row["step"] for row in logged] == [0, 3, 6]
    for row, means in zip(rows, logged, strict=True):
        assert row["held_out"].keys() == HELD_OUT
        assert len(row["trained"]) == 2
        assert not HELD_OUT & row["trained"].keys()
        for name in ("held_out", "trained"):
            mean = np.mean(list(row[name].values()))
            assert means[f"{name}_loss"] == pytest.approx(mean)
    assert rows[0] != rows[1] | {"step": 0}
    assert rows[0]["held_out"]["2.png"] == pytest.approx(_by_formula(meta, "2.png"), rel=1e-4)


def _by_formula(meta: Path, key: str) -> list[float]:
    """Return the base model's error at the noise and the times that are fixed."""
    found = dataset_file.load(meta)
    base = FAMILY.load(Path(str(found.base)), "cpu")
    alpha_bar = torch.as_tensor(base.process.alpha_bar_T)  # type: ignore[attr-defined]
    drawn = sorted(
        int(torch.randint(0, 1000, (), generator=generator_for(0, "timestep", step, 0)))
        for step in range(255)
    )
    x0 = vae.load(meta.parent / "images/.prep" / str(found.samples[key].latents)).mean
    x0 = x0 * found.vae.scaling_factor if found.vae else x0
    text = found.samples[key].training_text("mascot")
    (states,) = FAMILY.encode(base, [text])
    states = {name: one[None] for name, one in states.items()}
    losses = []
    for number in range(4):
        time = drawn[(2 * number + 1) * 255 // 8]
        noise = torch.randn(x0.shape, generator=generator_for(0, "fixed noise", number, 0))
        noisy = alpha_bar[time].sqrt() * x0 + (1 - alpha_bar[time]).sqrt() * noise
        with torch.no_grad():
            answer = FAMILY.denoise(base.network, noisy[None], torch.tensor([time]), states)
        losses.append(float((answer[0] - noise).square().mean()))
    return losses


def test_it_is_not_felt(run: tuple[Path, Path], tmp_path: Path) -> None:
    """The export is that of a run in which the held-out pictures lie in no file at all."""
    folder, meta = run
    found = dataset_file.load(meta)
    bare = tmp_path / "data" / meta.name
    shutil.copytree(meta.parent, bare.parent)
    rest = {key: one for key, one in found.samples.items() if key not in HELD_OUT}
    files.write(bare, dataset_file.dump(replace(found, samples=rest)))

    plain = _trained(bare, tmp_path / "plain")

    assert not (plain.parent / "fixed_losses.jsonl").exists()
    shown = [row for row in _rows(folder) if "loss" in row]
    assert shown == _rows(plain.parent)
    one, two = load_file(plain), load_file(folder / plain.name)
    assert all(torch.equal(one[name], tensor) for name, tensor in two.items())


def test_a_run_in_two_parts_has_seen_the_same(run: tuple[Path, Path], tmp_path: Path) -> None:
    """Every file is that of the run in one part, byte for byte.

    So it is where a killed run had written of later steps, and had not measured the last one.
    """
    folder, meta = run
    made = _trained(meta, tmp_path / "two", steps=3, save_every_steps=3)
    fixed = made.parent / "fixed_losses.jsonl"
    fixed.write_text(fixed.read_text().splitlines(True)[0])
    log = made.parent / "metrics.jsonl"
    log.write_text("".join(log.read_text().splitlines(True)[:-1]))
    with (made.parent / "picture_losses.bin").open("ab") as file:
        file.write(b"\x04\0\0\0" + bytes(15))  # of step 4, and torn
    _trained(meta, tmp_path / "two", save_every_steps=3)

    for name in FILES:
        assert (made.parent / name).read_bytes() == (folder / name).read_bytes(), name


def test_every_showing_is_written_down(run: tuple[Path, Path]) -> None:
    """The losses of a step's showings have the mean that is logged; keys and times are theirs."""
    folder, _ = run
    found = picture_losses.read(folder)

    assert found is not None
    assert found.keys == ["0.png", "1.png", "3.png", "4.png"]
    shown = [row for row in _rows(folder) if "loss" in row]
    for row in shown:
        here = found.step_N == row["step"]
        assert 1 <= here.sum() <= 2
        assert found.loss_N[here].mean() == pytest.approx(row["loss"], rel=1e-6)
    assert np.all(found.time_N == found.time_N.round())
    assert 0 <= found.time_N.min() < found.time_N.max() < 1000
    assert len(set(found.number_N.tolist())) == 4


def test_what_a_killed_run_wrote_is_cut_back(tmp_path: Path) -> None:
    """Whatever the step that it goes on from, the file is that of a run that was never stopped."""
    path = tmp_path / "losses"

    def write(first: int, last: int) -> None:
        with PictureLosses.opened(path, ["b", "a"], first) as file:
            for step in range(first + 1, last + 1):
                file.add(step, [ShownLoss("ab"[step % 2], 10.0 * step, 1 / step)] * (step % 3))

    write(0, 9)
    whole = path.read_bytes()
    for done in range(10):
        write(done, 9)
        assert path.read_bytes() == whole
    with PictureLosses.opened(path, ["a", "c"], 5) as file:  # of other pictures: it begins anew
        assert file.number_of == {"a": 0, "c": 1}
    assert picture_losses.read(tmp_path) is None


def test_what_goes_wrong_is_told_once(tmp_path: Path) -> None:
    """A picture that is learnt by heart, and a loss that leaves its range, in plain words."""
    keys, console, falls = [f"{n}.png" for n in range(9)], new_console(), [1.0, 0.95, 0.4, 0.3]
    with (
        Metrics.opened(tmp_path / "metrics.jsonl", 0) as metrics,
        PictureLosses.opened(tmp_path / "pictures", keys, 0) as pictures,
        FixedLosses.opened(tmp_path / "fixed", 0) as fixed,
    ):

        def measure(samples: Samples) -> dict[str, list[float]]:
            usual = {key: [1.0 - 0.01 * n] * 4 for n, key in enumerate(samples)}
            return usual | {"4.png": [falls[len(fixed.rows)]] * 4} if samples else {}

        seen = Watch(console, pictures, fixed, measure, metrics, dict.fromkeys(keys), {})  # type: ignore[arg-type]
        for step in range(4):
            seen.look(step)
        for step in range(1, 401):
            seen.after(Step(step, 0.1 + (step % 10) / 100 + (step > 200), 0.1, ""))
        told = seen.told()

    assert told == "trained 0.8867, "
    heart, left = said(console)[1].splitlines()
    assert heart == (
        "`4.png` is being learnt by heart: at the same noise its loss is 0.40 of what it was, much "
        f"further from it than that of the other 8 pictures; `train losses {tmp_path}` lists them"
    )
    assert left == (
        "the loss has left its range: over the last 100 steps it is 1.6 times that of the first "
        "100; a lower `--learning-rate` is what helps most often"
    )
