"""What a base model in one file predicts: taken from it, from a person, and written again."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from prep.models import safetensors_file
from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from tests.train.conftest import build_dataset
from tests.train.narrow import LAYOUT, write_single
from tests.train.runs import lora, new_console, said
from train.families.ldm_file import LdmFile
from train.families.noise_process import Prediction
from train.methods import config_of
from train.run import start
from train.samples.prompts import Prompt
from train.samples.sheet import sample
from train.samples.subject import Subject, subject_of
from train.samples.wish import Wish


@pytest.fixture(scope="module")
def places(
    narrow_base: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path, Path]:
    """A narrow SD 2.x as folder and file, and a file like NoobAI's."""
    top = tmp_path_factory.mktemp("narrow")
    folder, empty = narrow_base("sd2"), torch.zeros(0)
    noob = write_single(
        "sdxl", narrow_base("sdxl"), top / "noob.safetensors",
        v_pred=empty, ztsnr=empty,
    )  # fmt: skip
    return folder, write_single("sd2", folder, top / "sd2.safetensors"), noob


def _lora(base: Path, tmp_path: Path, models: Models, **given: object) -> tuple[Path, str]:
    """Return a LoRA of one step, and what was told of it."""
    meta, console = build_dataset(tmp_path / "data", base, count=1), new_console()
    made = lora(meta, tmp_path / "runs", models, console, steps=1, **given)
    return made, said(console)[1]


def test_a_person_says_what_a_file_predicts(
    places: tuple[Path, Path, Path], tmp_path: Path, models: Models
) -> None:
    """`--prediction v` is another run than the file's own, and its LoRA says v; a guess is told."""
    file = places[1]

    plain, told = _lora(file, tmp_path, models)
    made, silent = _lora(file, tmp_path, models, prediction="v_prediction")

    assert (
        f"`{file}` does not say what it predicts; by one of its weights it is noise: if that is "
        "wrong, give `--prediction v`"
    ) in told
    assert "does not say" not in silent
    said_of = [safetensors_file.header(one).metadata for one in (plain, made)]
    assert [one["modelspec.prediction_type"] for one in said_of] == ["epsilon", "v"]
    assert [one["ss_base_model_version"] for one in said_of] == ["sd_v2", "sd_v2_v"]
    assert json.loads((made.parent / "config.json").read_text())["prediction"] == "v"
    assert json.loads((plain.parent / "config.json").read_text())["prediction"] is None
    losses = [
        json.loads((one.parent / "metrics.jsonl").read_text())["loss"] for one in (plain, made)
    ]
    assert losses[0] != losses[1]


def test_a_folder_says_it_itself(
    places: tuple[Path, Path, Path], tmp_path: Path, models: Models
) -> None:
    """Beside a folder, whose scheduler's config decides, the option is two lines."""
    with pytest.raises(ConfigError) as caught:
        _lora(places[0], tmp_path, models, prediction="v")

    assert (str(caught.value), caught.value.hint) == (
        f"`{places[0]}` says itself what it predicts, and `--prediction` is given",
        "leave it out: it is for base models in one file",
    )


@pytest.mark.parametrize("form", ["folder", "file"])
def test_a_fine_tune_of_a_model_like_noobai_s_says_what_it_is(
    places: tuple[Path, Path, Path], tmp_path: Path, models: Models, form: str
) -> None:
    """V and a schedule that ends in noise are written as diffusers and ComfyUI read them."""
    meta = build_dataset(tmp_path / "data", places[2], count=1)
    config = config_of("finetune", steps=1, save_as=form, out=tmp_path / "runs", name="toy")

    made = start.start([meta], config, models, new_console())

    if form == "folder":
        written: dict[str, Any] = json.loads(
            (made / "scheduler" / "scheduler_config.json").read_text()
        )
        given = {"prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
        assert written == LAYOUT["sdxl"].settings("scheduler") | given | {
            "timestep_spacing": "trailing"
        }
    else:
        head = safetensors_file.header(made)
        assert [head.tensors[name].shape for name in ("v_pred", "ztsnr")] == [(0,), (0,)]
        assert head.metadata["modelspec.prediction_type"] == "v"
        assert head.metadata["ss_zero_terminal_snr"] == "True"
        found = LdmFile(LAYOUT["sdxl"]).process(made)
        assert found.prediction is Prediction.V_PREDICTION
        assert found.ends_in_noise()


def test_a_sheet_draws_as_it_was_trained(
    places: tuple[Path, Path, Path], tmp_path: Path, models: Models
) -> None:
    """What a person said of a file holds for the sheet: it is that of a file that says v itself."""
    folder, file, _ = places
    made, _ = _lora(file, tmp_path, models, prediction="v")
    marked = write_single("sd2", folder, tmp_path / "v.safetensors", v_pred=torch.zeros(0))
    console, wish = new_console(), Wish([Prompt("mascot", width=64, height=64, steps=2)], [1.0], [])
    drawn = [tmp_path / "a.png", tmp_path / "b.png"]

    sample(_subject(made), replace(wish, base=str(file)), drawn[0], models, console)
    sample(_subject(made), replace(wish, base=str(marked)), drawn[1], models, new_console())

    assert "prediction v, as it was trained\n" in said(console)[1]
    one, two = (Image.open(path) for path in drawn)
    assert one.tobytes() == two.tobytes()

    other = new_console()
    sample(_subject(made), replace(wish, base=str(folder)), tmp_path / "c.png", models, other)
    predicts = json.loads((folder / "scheduler/scheduler_config.json").read_text())
    told = f"`{made.name}` was trained for a base model of another prediction (v)"
    assert predicts.get("prediction_type", "epsilon") != "v_prediction"
    assert f"{told}: what is drawn says little\n" in said(other)[1]


def _subject(path: Path) -> Subject:
    return subject_of([str(path)])


def test_weights_are_those_of_what_is_predicted(
    places: tuple[Path, Path, Path], tmp_path: Path, models: Models
) -> None:
    """Before a training begins the model's own schedule and prediction decide what can weigh."""
    for given, message in (
        ({"v_pred_like_loss": 0.1},
         "`--v-pred-like-loss` is given, and the base model predicts v"),
        ({"debiased_estimation_loss": True, "prediction": "epsilon"},
         ("`--debiased-estimation-loss` is given, and the base model's last timestep has no "
          "signal: it would weigh without end")),
    ):  # fmt: skip
        with pytest.raises(ConfigError) as caught:
            _lora(places[2], tmp_path, models, **given)
        assert str(caught.value) == message
        assert not (tmp_path / "runs").exists()
