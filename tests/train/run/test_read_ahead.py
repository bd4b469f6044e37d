"""Texts are read before the training, kept in memory or on the disk, and decide no bit by it."""

import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.dataset.dataset_file import Concept
from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.errors import MachineError
from tests.train.killing import killed
from tests.train.runs import lora, new_console, settings
from train.data import text_states
from train.families.diffusion_process import Diffusion
from train.families.family import Base
from train.families.noise_process import Prediction
from train.methods import config_of
from train.run import decide, execute
from train.run.read_ahead import read_ahead
from train.step.distributed import Processes
from train.step.loop import Training, train
from train.step.trainer import Trainer

Change = Callable[..., Path]
MANY = {"shuffle_tags": True, "keep_tags": 0, "tag_dropout": 0.2}


@pytest.fixture
def repeated(meta: Path, changed: Change) -> Path:
    """The dataset with four repeats of each sample, tags to shuffle, and two captions of one."""
    for number in range(6):
        changed(meta, f"{number}.png", tags=("mascot", "hat", "red", f"pose {number}"))
    changed(meta, "0.png", caption="one\ntwo", text="both")
    return changed(meta, concepts={"toy": Concept(repeats=4, trigger="mascot")})


def _opened(meta: Path, out: Path, models: Models, **given: Any) -> tuple[decide.Run, Training]:
    config = config_of(**settings(out, **given) | {"out": out})
    run = decide.decide([meta], config, models)
    return run, execute.opened(run, Processes())


def _calls(training: Training) -> "Counter[str]":
    """Return a counter of the forward passes of each text encoder, from now on."""
    found: Counter[str] = Counter()
    for name, encoder in training.base.encoders.items():
        encoder.register_forward_hook(lambda *_, name=name: found.update([name]))
    return found


@pytest.mark.parametrize(
    ("given", "count"),
    [
        ({}, 7),
        ({"caption_dropout": 0.5}, 8),
        ({**MANY, "text_variants": 2}, None),
        ({**MANY, "text_cache": "disk"}, None),
        ({**MANY, "tag_warmup": 20, "text_cache": "disk"}, None),
    ],
)
def test_each_text_is_read_once_and_before_the_first_step(
    repeated: Path, tmp_path: Path, models: Models, given: dict[str, Any], count: int | None
) -> None:
    """Then no step asks a text encoder for anything: it may be gone."""
    run, training = _opened(repeated, tmp_path, models, **given, steps=28)  # 24 an epoch
    calls, shown = _calls(training), list[str]()

    read_ahead(run, training, 0, new_console())
    before = Counter(calls)
    batch = training.batches.batch

    def noted(*words: Any) -> Any:
        found = batch(*words)
        shown.extend(found.texts)
        return found

    training.batches.batch = noted  # type: ignore[method-assign]
    train(training, Trainer(training.base.learning(), run.config, "cpu"), 0, 28, lambda _: None)

    assert calls == before
    assert len(shown) == 28
    assert len(set(shown)) <= before["text_encoder"]
    assert count is None or before["text_encoder"] == count
    if "text_cache" in given:
        assert len(set(shown)) == before["text_encoder"]


@pytest.mark.parametrize("given", [MANY, {"text_encoder": True}, {}])
def test_nothing_is_read_ahead_in_vain(
    repeated: Path,
    tmp_path: Path,
    models: Models,
    given: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where each showing draws its text, the encoder learns, or memory is too small: as ever."""
    if not given:
        monkeypatch.setattr(text_states, "_CACHE_BYTES", 77 * 32 * 4 * 6)
    run, training = _opened(repeated, tmp_path, models, **given, steps=24)
    calls = _calls(training)

    read_ahead(run, training, 0, new_console())

    assert calls["text_encoder"] <= (0 if given else 1)  # one tells how large states are


def test_only_the_texts_to_come_are_read(repeated: Path, tmp_path: Path, models: Models) -> None:
    """A short run reads no text that it never shows, one that is done nothing at all."""
    run, training = _opened(repeated, tmp_path, models, steps=24)
    calls = _calls(training)

    read_ahead(run, training, 24, new_console())
    assert not calls
    read_ahead(run, training, 22, new_console())
    assert 1 <= calls["text_encoder"] <= 3


def _bytes(export: Path) -> list[bytes]:
    """Return the bytes of an export, a file or a folder."""
    inner = sorted(path for path in export.rglob("*") if path.is_file())
    return [path.read_bytes() for path in inner or [export]]


@pytest.mark.parametrize(
    ("method", "precision"), [("lora", "fp32"), ("lora", "bf16"), ("finetune", "bf16")]
)
def test_the_disk_decides_no_bit(
    repeated: Path,
    tmp_path: Path,
    models: Models,
    method: str,
    precision: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From memory, from the disk, or read anew at every step: the same bytes, and no file stays."""
    more = {**MANY, "caption_dropout": 0.2, "steps": 7, "name": "toy", "precision": precision}
    more |= {"method": method}
    plain = lora(repeated, tmp_path / "memory", models, new_console(), **more)
    disk = lora(repeated, tmp_path / "disk", models, new_console(), **more, text_cache="disk")
    monkeypatch.setattr(text_states, "_CACHE_BYTES", 0)
    none = lora(repeated, tmp_path / "none", models, new_console(), **more, text_cache="disk")

    assert disk.parent.name == plain.parent.name  # one recipe
    assert _bytes(plain) == _bytes(disk) == _bytes(none)
    assert not (disk.parent / "texts").exists()


def test_damaged_states_are_made_again(repeated: Path, tmp_path: Path, models: Models) -> None:
    """Killed, and its states cut, emptied, changed and gone: the run ends in the same bytes."""
    more = {**MANY, "steps": 8, "save_every_steps": 3, "name": "toy", "text_cache": "disk"}
    whole = lora(repeated, tmp_path / "whole", models, new_console(), **more)
    assert killed(repeated, models.home, 4, 0, settings(tmp_path / "cut", **more)) == (
        -signal.SIGKILL
    )
    found = sorted((tmp_path / "cut").glob("*/texts/*/*"))
    assert len(found) >= 6
    data = found[0].read_bytes()
    found[0].write_bytes(data[:-7])
    found[1].write_bytes(b"")
    found[2].write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    found[3].unlink()
    found[4].write_bytes(found[5].read_bytes()[:20])

    made = lora(repeated, tmp_path / "cut", models, new_console(), **more)

    assert made.read_bytes() == whole.read_bytes()


def test_a_disk_that_is_too_small_is_told_before_the_first_text(
    repeated: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two lines say what is needed and what would need less."""
    run, training = _opened(repeated, tmp_path, models, **MANY, steps=24, text_cache="disk")
    monkeypatch.setattr(files, "free_bytes", lambda path: 0)

    with pytest.raises(MachineError) as caught:
        read_ahead(run, training, 0, new_console())

    assert str(caught.value).startswith("`--text-cache disk` needs 0.0 GB for the states of ")
    assert str(caught.value).endswith(f" 0.0 GB are free on the disk of `{run.folder}`")
    assert caught.value.hint == (
        "leave it out, have fewer texts by `--text-variants`, or name another disk: `--out FOLDER`"
    )


class _Encoder(torch.nn.Linear):
    """A text encoder that notes where it is sent; it is `meta`, so on no device that computes."""

    def __init__(self) -> None:
        super().__init__(1, 1, device="meta")
        self.sent: list[str] = []

    def to(self, device: str) -> "_Encoder":  # type: ignore[override]
        """Note a device."""
        self.sent.append(device)
        return self


def test_encoders_that_are_away_come_back_to_be_read() -> None:
    """For an export or a picture they are on the device, and away again afterwards."""
    encoder, process = _Encoder(), Diffusion(torch.ones(2), Prediction.EPSILON)
    base = Base(torch.nn.Identity(), {}, process, "cpu", {"text_encoder": encoder})

    with base.reading():
        assert encoder.sent == ["cpu"]
    base.put_away()

    assert encoder.sent == ["cpu"] * 3


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_encoders_leave_the_gpu(repeated: Path, tmp_path: Path, models: Models) -> None:
    """After texts are read they are on the CPU; sheets and exports find them there."""
    config = config_of(**settings(tmp_path, steps=4) | {"out": tmp_path})
    run = decide.decide([repeated], config, models)
    training = execute.opened(run, Processes("cuda"))
    where = [next(one.parameters()).device.type for one in training.base.encoders.values()]
    (before,) = run.family.encode(training.base, ["mascot"])

    read_ahead(run, training, 0, new_console())

    assert {*where} == {"cuda"}
    assert {p.device.type for one in training.base.encoders.values() for p in one.parameters()} == {
        "cpu"
    }
    (after,) = run.family.encode(training.base, ["mascot"])
    assert torch.equal(before["text"], after["text"])
