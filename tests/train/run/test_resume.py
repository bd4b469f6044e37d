import errno
import os
import re
import shutil
from pathlib import Path

import pytest

from prep.models.locate import Models
from prep.runtime.errors import UserError
from tests.train.killing import killed, trained
from tests.train.runs import lora, new_console, said, settings, steps
from train.run import checkpoint


def test_three_kills_end_in_the_same_file(meta: Path, tmp_path: Path) -> None:
    """Row 72: killed after a step, inside a checkpoint and across an epoch, bytes are the same."""
    more = {"steps": 7, "batch": 1, "accumulate": 2, "save_every_steps": 2, "shuffle_tags": True,
            "keep_tags": 0, "caption_dropout": 0.2, "text_encoder": True}  # fmt: skip
    stopped = settings(tmp_path / "stopped", **more)  # 3 steps are an epoch
    home = tmp_path / "home"

    # After step 3, of which 2 are saved; in the checkpoint of step 4; after step 5 again.
    codes = [killed(meta, home, *at, stopped) for at in ((3, 0), (2, 4), (3, 0))]
    console = new_console()
    made = trained(meta, home, stopped, console)
    whole = trained(meta, home, settings(tmp_path / "whole", **more), new_console())

    assert codes == [-9, -9, -9]
    assert said(console)[1] == "2 samples a step: 2 batches of 1\ncontinues after step 4 of 7\n"
    assert made.read_bytes() == whole.read_bytes()
    for name in ("metrics.jsonl", "checkpoints/step-00000007/weights.safetensors",
                 "checkpoints/step-00000007/optimizer.safetensors"):  # fmt: skip
        assert (made.parent / name).read_bytes() == (whole.parent / name).read_bytes()
    assert sorted(path.name for path in (made.parent / "checkpoints").iterdir()) == [
        "lock", "step-00000006", "step-00000007",
    ]  # fmt: skip


def test_a_torn_checkpoint_costs_only_time(meta: Path, tmp_path: Path, models: Models) -> None:
    """Row 85: the one before the torn one is used, that is said, and the file is the usual one."""
    more = {"steps": 4, "save_every_steps": 2}
    whole = lora(meta, tmp_path / "whole", models, new_console(), **more)
    torn = shutil.copytree(tmp_path / "whole", tmp_path / "torn") / whole.parent.name
    (torn / whole.name).unlink()
    os.truncate(torn / "checkpoints/step-00000004/weights.safetensors", 100)
    console = new_console()

    made = lora(meta, tmp_path / "torn", models, console, **more)

    assert said(console)[1] == (
        "the checkpoint `step-00000004` is torn; the one before it is used\n"
        "continues after step 2 of 4\n"
    )
    assert made.read_bytes() == whole.read_bytes()
    assert steps(made) == [1, 2, 3, 4]


def test_more_steps_go_on(meta: Path, tmp_path: Path, models: Models) -> None:
    """At a constant rate a finished run is made longer; its shorter export is kept by its step."""
    whole = lora(meta, tmp_path / "whole", models, new_console(), steps=5)
    short = lora(meta, tmp_path / "out", models, new_console(), steps=3)
    before, console = short.read_bytes(), new_console()

    made = lora(meta, tmp_path / "out", models, console, steps=5)

    assert said(console)[1] == "continues after step 3 of 5\n"
    assert made.read_bytes() == whole.read_bytes()
    assert (made.parent / "images-step00000003.safetensors").read_bytes() == before


def test_an_epoch_that_was_the_last_is_there_once(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """A run that is made longer has each epoch once, so that all its exports can be averaged."""
    for epochs in (1, 2):
        made = lora(
            meta, tmp_path / "out", models, new_console(),
            steps=None, epochs=epochs, save_every_epochs=1,
        )  # fmt: skip

    exports = sorted(path.name for path in made.parent.glob("*.safetensors"))
    assert exports == ["images-000001.safetensors", "images.safetensors"]


def test_a_run_that_diverges_keeps_its_checkpoints(
    meta: Path, tmp_path: Path, models: Models
) -> None:
    """Row 91: where the loss is no number any more, the last good checkpoint stays untouched."""
    told = []
    for _ in range(2):
        with pytest.raises(UserError) as caught:
            lora(
                meta, tmp_path / "out", models, new_console(),
                save_every_steps=1, learning_rate=10, steps=40,
            )  # fmt: skip
        told.append((str(caught.value), caught.value.hint))

    # At which step it is depends on the last bits of the processor's products.
    words = r"the (?:gradients|loss) of step (\d+) (?:are not finite|is .*)"
    found = re.fullmatch(words, told[0][0])
    assert found, told
    number = int(found[1])
    hint = "train with a lower `--learning-rate`; what was saved before is kept"
    assert told == [(told[0][0], hint)] * 2
    (folder,) = (tmp_path / "out").glob("*/checkpoints")
    whole = [step for step, path in checkpoint.steps(folder) if checkpoint.whole(path)]
    assert whole == [number - 1, number - 2]
    assert not list((tmp_path / "out").glob("*/images.safetensors"))


def test_a_full_disk_in_a_checkpoint(
    meta: Path, tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row 86: full while a checkpoint is saved, the one before it is gone on with later."""
    whole = lora(meta, tmp_path / "whole", models, new_console(), steps=4)
    more = {"steps": 4, "save_every_steps": 1}
    real = Path.open

    def full(path: Path, *words: object, **given: object) -> object:
        if path.name == "optimizer.safetensors" and (path.parents[1] / "step-00000002").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(path, *words, **given)  # type: ignore[call-overload]

    with monkeypatch.context() as patched:
        patched.setattr(Path, "open", full)
        with pytest.raises(UserError) as caught:
            lora(meta, tmp_path / "full", models, new_console(), **more)
    (folder,) = (tmp_path / "full").glob("*/checkpoints")
    console = new_console()

    assert (str(caught.value), caught.value.hint) == (
        f"`{folder / 'step-00000003'}` cannot be written: No space left on device",
        "free some space, then run the same command: it goes on where it stopped",
    )
    made = lora(meta, tmp_path / "full", models, console, **more)
    assert said(console)[1] == "continues after step 2 of 4\n"
    assert made.read_bytes() == whole.read_bytes()


def test_half_precision_goes_on_bit_for_bit(meta: Path, tmp_path: Path, models: Models) -> None:
    """In bfloat16 too, with a base model in it, a run in two parts is the run in one."""
    more = {"precision": "bf16", "gradient_checkpointing": True}
    whole = lora(meta, tmp_path / "whole", models, new_console(), steps=4, **more)
    lora(meta, tmp_path / "out", models, new_console(), steps=2, **more)

    made = lora(meta, tmp_path / "out", models, new_console(), steps=4, **more)

    assert made.read_bytes() == whole.read_bytes()


def test_a_fine_tune_goes_on_bit_for_bit(meta: Path, tmp_path: Path, models: Models) -> None:
    """A whole U-Net that is trained in two parts is the one that is trained in one."""
    more = {"method": "finetune", "learning_rate": 1e-5, "batch": 1, "accumulate": 2}
    whole = lora(meta, tmp_path / "whole", models, new_console(), steps=4, **more)
    lora(meta, tmp_path / "out", models, new_console(), steps=2, **more)

    made = lora(meta, tmp_path / "out", models, new_console(), steps=4, **more)

    one, two = (place / "unet/diffusion_pytorch_model.safetensors" for place in (made, whole))
    assert one.read_bytes() == two.read_bytes()


def test_sample_pictures_change_no_bit(meta: Path, tmp_path: Path, models: Models) -> None:
    """Whether pictures are drawn on the way or not, the run ends in the same file."""
    prompts = tmp_path / "prompts.txt"
    prompts.write_text("mascot --w 64 --h 64 --s 1\n")
    more = {"steps": 3, "save_every_steps": 1, "text_encoder": True}

    plain = lora(meta, tmp_path / "plain", models, new_console(), **more)
    drawn = lora(meta, tmp_path / "drawn", models, new_console(), prompts=prompts, **more)

    assert len(list((drawn.parent / "samples").iterdir())) == 3
    assert drawn.read_bytes() == plain.read_bytes()


def test_exports_on_the_way(meta: Path, tmp_path: Path, models: Models) -> None:
    """Every so many steps or epochs there is an export: that of a run of so many steps."""
    more = {"steps": 13, "save_every_epochs": 1, "save_every_steps": 5}
    made = lora(meta, tmp_path / "a", models, new_console(), **more)
    short = lora(meta, tmp_path / "b", models, new_console(), steps=5)

    assert sorted(path.name for path in made.parent.glob("*.safetensors")) == [
        "images-000001.safetensors",
        "images-000002.safetensors",
        "images-step00000005.safetensors",
        "images-step00000010.safetensors",
        "images.safetensors",
    ]
    step5 = made.parent / "images-step00000005.safetensors"
    from safetensors.torch import load_file

    one, two = load_file(step5), load_file(short)
    assert all(one[name].equal(two[name]) for name in two)
