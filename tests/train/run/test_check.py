import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import DatasetError
from train.cli.app import main
from train.config import Config
from train.families.sd15 import FAMILY
from train.methods import all_methods, config_of
from train.methods.lora import adapter_size
from train.run import decide, start
from train.run.check import check, lines
from train.run.disk import disk


def _config(tmp_path: Path, **given: Any) -> Config:
    usual = {"steps": 9, "out": tmp_path / "runs", "name": "toy"}
    own = {} if given.get("method") == "finetune" else {"rank": 4}
    return config_of(**usual | own | given)


def _told(meta: Path, config: Config, models: Models) -> list[str]:
    out = io.StringIO()
    check([meta], config, models, Console(out=out, err=out))
    return out.getvalue().splitlines()


def test_everything_is_told_before_it_costs_anything(
    meta: Path, tmp_path: Path, models: Models, base: Path
) -> None:
    """Base, settings, buckets, steps, rates, disk and the folder, and nothing is written."""
    config = _config(tmp_path, schedule="cosine", batch=2)

    told = _told(meta, config, models)

    assert told[0] == f"toy: a LoRA on `{base}` (sd15)"
    assert told[1].startswith(
        "settings: method lora, rank 4, alpha 4.0, targets transformer, learning_rate 0.0001, te"
    )
    assert told[2:8] == [
        "samples: 6, kept for validation: 0",
        "  32x64: 2 samples, shown 2, batches 1",
        "  64x32: 2 samples, shown 2, batches 1",
        "  64x64: 2 samples, shown 2, batches 1",
        "steps: 9, 3 an epoch, 3.0 epochs, 2 samples each",
        "learning rate: cosine, 0.0001 at first, 5.87e-05 half way, 3.02e-06 at last",
    ]
    assert (told[8], told[15]) == ("  0.0001 |**", "    step  1       9")
    assert told[16].startswith("disk: an export 0.1 MB, a checkpoint 0.")
    assert told[17].startswith("memory: ")
    assert told[18] == "  fits a GPU of 8 GiB as it is"
    assert told[19].endswith(": begins at step 1")
    assert len(told) == 20
    assert not (tmp_path / "runs").exists()


def test_what_is_there_is_told(meta: Path, tmp_path: Path, models: Models) -> None:
    """A run that is done says so; asked for more steps, it says where it would go on."""
    start.start([meta], _config(tmp_path, steps=2), models, Console(level=0))

    assert _told(meta, _config(tmp_path, steps=2), models)[-1].endswith(": is done")
    assert _told(meta, _config(tmp_path, steps=5), models)[-1].endswith(
        ": continues after step 2 of 5"
    )


def test_the_sizes_are_those_of_the_files(meta: Path, tmp_path: Path, models: Models) -> None:
    """The export that is foretold has the size of the one that is made, but for its header."""
    config = _config(tmp_path, steps=1, text_encoder=True, targets="convolutions")
    wanted = disk(decide.decide([meta], config, models))

    made = start.start([meta], config, models, Console(level=0))

    tensors = made.stat().st_size - 8 - int.from_bytes(made.read_bytes()[:8], "little")
    alphas = made.read_bytes().count(b".alpha")
    assert tensors == wanted["export"] + 4 * alphas


@pytest.mark.parametrize(("text_encoder", "half"), [(False, False), (True, False), (True, True)])
def test_a_fine_tune_is_foretold(
    meta: Path, tmp_path: Path, models: Models, base: Path, text_encoder: bool, half: bool
) -> None:
    """Of a fine-tune no setting of LoRAs is told; model and checkpoint get the sizes foretold."""
    config = _config(
        tmp_path, method="finetune", steps=1, text_encoder=text_encoder, learning_rate=1e-4,
        full_bf16=half,
    )  # fmt: skip
    told = _told(meta, config, models)
    wanted = disk(decide.decide([meta], config, models))

    made = start.start([meta], config, models, Console(level=0))

    assert told[0] == f"toy: a fine-tune of `{base}` (sd15)"
    assert told[1].startswith("settings: method finetune, learning_rate 0.0001, text_encoder ")
    assert told[-1].endswith(": begins at step 1")
    assert _told(meta, config, models)[-1].endswith(": is done")
    sizes = [path.stat().st_size for path in made.rglob("*.safetensors")]
    assert wanted["export"] <= sum(sizes) < 1.1 * wanted["export"]
    (saved,) = (made.parent / "checkpoints").glob("step-*")
    kept = sum(path.stat().st_size for path in saved.glob("*.safetensors"))
    assert wanted["checkpoint"] <= kept < 1.1 * wanted["checkpoint"]


def _main(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[object, str, str]:
    with pytest.raises(SystemExit) as stopped:
        main(["check", *words])
    return (stopped.value.code, *capsys.readouterr())


def test_the_method_has_its_own_learning_rate(
    meta: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--method finetune` foretells what `train finetune` does: its folder, its learning rate."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    rates = []
    for method in ("lora", "finetune"):
        code, out, err = _main(capsys, str(meta), "--method", method, "--json", "--steps", "2")
        assert (code, err) == (0, "")
        rates.append(json.loads(out)["config"]["learning_rate"])
    assert rates == [1e-4, 1e-5]
    given = _main(capsys, str(meta), "--method", "finetune", "--learning-rate", "0.5", "--json")
    assert json.loads(given[1])["config"]["learning_rate"] == 0.5


def test_the_other_method_s_options_are_refused(
    meta: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the command of the method does not know, `train check` does not take either."""
    words = ["--rank", "4", "--targets", "attention", "--method", "finetune"]
    assert _main(capsys, str(meta), *words) == (
        2,
        "",
        (
            "error: `train finetune` has no `--rank`\nhint: leave it out\n"
            "error: `train finetune` has no `--targets`\nhint: leave it out\n"
        ),
    )
    assert _main(capsys, str(meta), "--save-as", "file") == (
        2, "", "error: `train lora` has no `--save-as`\nhint: leave it out\n",
    )  # fmt: skip
    assert _main(capsys, str(meta), "--method", "lara") == (
        2, "", f"error: `--method` is `lara`\nhint: known: {', '.join(all_methods())}\n",
    )  # fmt: skip


def test_the_full_size_adapter_is_foretold() -> None:
    """At rank 16 the real U-Net's adapter has as many numbers as peft gives it."""
    from diffusers import UNet2DConditionModel

    from train.adapters import lora_layers

    for scope in ("transformer", "convolutions"):
        with torch.device("meta"):
            unet: Any = UNet2DConditionModel(
                sample_size=64, cross_attention_dim=768, attention_head_dim=8
            )
            shapes = {name: tuple(value.shape) for name, value in unet.state_dict().items()}
            lora_layers.add(unet, FAMILY.targets(scope), 16, 16.0)
        made = sum(w.numel() for w in lora_layers.trainable(unet))
        assert adapter_size(shapes, FAMILY.targets(scope), lambda name, shape: 16) == made


def test_all_mistakes_are_told_at_once(
    meta: Path, tmp_path: Path, models: Models, changed: Callable[..., Path]
) -> None:
    """A dataset without texts, one that is missing and a wrong base model come together."""
    for number in range(6):
        changed(meta, f"{number}.png", tags=())
    gone, wrong = tmp_path / "no.json", tmp_path / "base"
    wrong.mkdir()

    with pytest.raises(DatasetError) as caught:
        check([meta, gone], _config(tmp_path, base=str(wrong)), models, Console())

    assert str(caught.value) == "none of the 6 samples of `meta_lat.json` has a text"
    told = [message for message, _ in caught.value.others]
    assert told[0] == f"there is no `{gone}`"
    assert told[1].startswith(f"`{wrong}` is not a base: it has none of")


def test_nothing_heavy_is_loaded(meta: Path, tmp_path: Path) -> None:
    """`train check` imports no torch, diffusers, transformers, numpy or Pillow; JSON holds all."""
    heavy = "torch transformers diffusers peft numpy PIL safetensors"
    code = (
        "import sys\nfrom train.cli.app import main\ntry:\n    main(sys.argv[1:])\n"
        f"finally:\n    print(sorted(set('{heavy}'.split()) & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "check", str(meta), "--steps", "3", "--json"],
        capture_output=True, text=True, check=False,
        env={**os.environ, "XDG_DATA_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"},
    )  # fmt: skip

    assert (done.returncode, done.stderr) == (0, "[]\n")
    told = json.loads(done.stdout)
    assert (told["steps"], told["steps_per_epoch"], told["state"]) == (3, 6, "begins at step 1")
    assert told["config"]["rank"] == 16


def test_what_is_measured_is_told(meta: Path, tmp_path: Path, models: Models) -> None:
    """How many pictures that train are measured beside those that are held out; else no line."""
    told = []
    for given in ({"held_out": 2.0}, {"held_out": 2.0, "watch": 3}, {"watch": 9}, {}):
        run = decide.decide([meta], _config(tmp_path, **given), models)
        told.append([line for line in lines(run, {}, 0, {}) if line.startswith("measured ")])

    at = "measured at fixed noise at first, at every save and at last:"
    assert told == [
        [f"{at} 2 of the pictures that train, 2 held out"],
        [f"{at} 3 of the pictures that train, 2 held out"],
        [f"{at} 6 of the pictures that train, 0 held out"],
        [],
    ]


def test_an_average_takes_room(meta: Path, tmp_path: Path, models: Models) -> None:
    """A checkpoint with a moving average has four bytes more for each number that learns.

    Without it there are twelve: the number, and AdamW's two.
    """
    plain, averaged = (
        disk(decide.decide([meta], _config(tmp_path, **given), models))
        for given in ({}, {"ema": 0.9})
    )

    assert averaged["export"] == plain["export"]
    assert averaged["checkpoint"] * 12 == plain["checkpoint"] * 16
