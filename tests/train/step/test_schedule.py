import json
from pathlib import Path

import numpy as np
import pytest

from prep.runtime.errors import ModelFileError
from train.config import Config
from train.families.noise_process import Prediction, noise_schedule
from train.step.schedule import learning_rate


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


@pytest.mark.parametrize(
    ("config", "name", "more"),
    [
        (Config(), "constant", {}),
        (Config(warmup=5), "constant_with_warmup", {"num_warmup_steps": 5}),
        (Config(schedule="cosine", warmup=3), "cosine", {"num_warmup_steps": 3}),
        (
            Config(schedule="cosine-with-restarts", warmup=2, cycles=3),
            "cosine_with_restarts",
            {"num_warmup_steps": 2, "num_cycles": 3},
        ),
    ],
)
def test_learning_rates_are_diffusers_own(config: Config, name: str, more: dict[str, int]) -> None:
    """The rate of each step is the one that diffusers' scheduler of that name comes to."""
    import torch
    from diffusers.optimization import get_scheduler

    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=config.learning_rate)
    scheduler = get_scheduler(name, optimizer, num_training_steps=40, **more)
    for step in range(40):
        assert learning_rate(step, config, 40) == pytest.approx(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()


def test_a_constant_rate_does_not_know_the_end() -> None:
    """A run can be made longer: with a constant rate no step that is done would be another one."""
    config = Config(warmup=4)

    rates = [[learning_rate(step, config, steps) for step in range(20)] for steps in (20, 2000)]
    assert rates[0] == rates[1]
