import json
from pathlib import Path

import numpy as np
import pytest

from prep.errors import ModelFileError
from train.family import Prediction
from train.schedule import noise_schedule


def _folder(tmp_path: Path, **config: object) -> Path:
    (tmp_path / "scheduler_config.json").write_text(json.dumps(config))
    return tmp_path


def test_alpha_bar_is_the_paper_s(tmp_path: Path) -> None:
    """Scaled-linear betas give the running product of 1 - beta, whatever scheduler is named."""
    folder = _folder(
        tmp_path, _class_name="PNDMScheduler", beta_start=0.00085, beta_end=0.012,
        beta_schedule="scaled_linear", skip_prk_steps=True, set_alpha_to_one=False,
    )  # fmt: skip

    alpha_bar, prediction = noise_schedule(folder, Prediction.EPSILON)

    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    np.testing.assert_allclose(alpha_bar.numpy(), np.cumprod(1 - betas), rtol=1e-4)
    assert prediction is Prediction.EPSILON


def test_the_base_model_says_what_it_predicts(tmp_path: Path) -> None:
    """A scheduler's config that names v_prediction wins over the family's number."""
    folder = _folder(tmp_path, prediction_type="v_prediction")

    assert noise_schedule(folder, Prediction.EPSILON)[1] is Prediction.V_PREDICTION


@pytest.mark.parametrize("config", [{"prediction_type": "sample"}, {"beta_schedule": "odd"}])
def test_a_schedule_we_do_not_know_is_refused(tmp_path: Path, config: dict[str, str]) -> None:
    """A prediction or schedule that we could only guess at is an error."""
    with pytest.raises(ModelFileError, match=r"is not a noise schedule"):
        noise_schedule(_folder(tmp_path, **config), Prediction.EPSILON)


def test_a_base_model_without_a_scheduler_is_refused(tmp_path: Path) -> None:
    """A missing config names the file."""
    with pytest.raises(ModelFileError, match=r"scheduler_config\.json` is not a noise schedule"):
        noise_schedule(tmp_path, Prediction.EPSILON)
