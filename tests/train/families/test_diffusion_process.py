import json
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch

from prep.runtime.errors import ModelFileError
from train.families.diffusion_process import Diffusion, diffusion_of
from train.families.noise_process import Prediction


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("prediction", [Prediction.EPSILON, Prediction.V_PREDICTION])
def test_mixture_and_target_are_those_of_diffusers(prediction: Prediction) -> None:
    """Mixture and target equal the scheduler's own, for every prediction."""
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    x0, noise = _random(3, 4, 2, 5), _random(3, 4, 2, 5, seed=1)
    when = torch.tensor([0, 500, 999])

    process = Diffusion(scheduler.alphas_cumprod, prediction)
    target = process.target(x0, noise, when)

    torch.testing.assert_close(
        process.mixture(x0, noise, when), scheduler.add_noise(x0, noise, when)
    )
    wanted = noise
    if prediction is Prediction.V_PREDICTION:
        wanted = scheduler.get_velocity(x0, noise, when)
    torch.testing.assert_close(target, wanted)


@pytest.mark.parametrize("prediction", [Prediction.EPSILON, Prediction.V_PREDICTION])
def test_mixture_and_answer_give_latents_and_noise_back(prediction: Prediction) -> None:
    """Of a right answer, latents and noise are those that were mixed."""
    x0, noise = _random(2, 4, 3, 3), _random(2, 4, 3, 3, seed=1)
    process, when = Diffusion(torch.tensor([0.9, 0.1]), prediction), torch.tensor([0, 1])
    mixed = process.mixture(x0, noise, when)

    found = process.unmixed(mixed, process.target(x0, noise, when), when)

    torch.testing.assert_close(found, (x0, noise))
    torch.testing.assert_close(process.snr(when), torch.tensor([9.0, 1 / 9]))


def _folder(tmp_path: Path, **config: object) -> Path:
    (tmp_path / "scheduler_config.json").write_text(json.dumps(config))
    return tmp_path


def test_alpha_bar_is_the_paper_s(tmp_path: Path) -> None:
    """Scaled-linear betas give the running product of 1 - beta, whatever scheduler is named."""
    folder = _folder(
        tmp_path, _class_name="PNDMScheduler", beta_start=0.00085, beta_end=0.012,
        beta_schedule="scaled_linear", skip_prk_steps=True, set_alpha_to_one=False,
    )  # fmt: skip

    process = diffusion_of(folder, Prediction.EPSILON)

    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    np.testing.assert_allclose(process.alpha_bar_T.numpy(), np.cumprod(1 - betas), rtol=1e-4)
    assert process.prediction is Prediction.EPSILON


def test_the_base_model_says_what_it_predicts(tmp_path: Path) -> None:
    """A scheduler's config that names v_prediction wins over the family's number."""
    folder = _folder(tmp_path, prediction_type="v_prediction")

    assert diffusion_of(folder, Prediction.EPSILON).prediction is Prediction.V_PREDICTION


@pytest.mark.parametrize(
    "config",
    [
        {"prediction_type": "sample"},
        {"prediction_type": "flow_prediction"},
        {"beta_schedule": "odd"},
    ],
)
def test_a_schedule_we_do_not_know_is_refused(tmp_path: Path, config: dict[str, str]) -> None:
    """A prediction or schedule that we could only guess at is an error."""
    with pytest.raises(ModelFileError, match=r"is not a noise schedule"):
        diffusion_of(_folder(tmp_path, **config), Prediction.EPSILON)


def test_a_base_model_without_a_scheduler_is_refused(tmp_path: Path) -> None:
    """A missing config names the file."""
    with pytest.raises(ModelFileError, match=r"scheduler_config\.json` is not a noise schedule"):
        diffusion_of(tmp_path, Prediction.EPSILON)


def test_timesteps_are_uniform() -> None:
    """Over many steps every tenth of the range is met about equally often, both ends included."""
    process = Diffusion(torch.zeros(10), Prediction.EPSILON)
    drawn = [process.time(0, step, 0) for step in range(2000)]

    assert set(drawn) == set(range(10))
    assert all(140 < count < 260 for count in Counter(drawn).values())
