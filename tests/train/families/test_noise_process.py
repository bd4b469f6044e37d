import json
from pathlib import Path

import numpy as np
import pytest
import torch

from prep.runtime.errors import ModelFileError
from train.families.noise_process import Prediction, loss, noise_schedule, noisy_and_target


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("prediction", list(Prediction))
def test_mixture_and_target_are_those_of_diffusers(prediction: Prediction) -> None:
    """Mixture and target equal the scheduler's own, for every prediction."""
    from diffusers import DDPMScheduler

    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    x0, noise = _random(3, 4, 2, 5), _random(3, 4, 2, 5, seed=1)
    when = torch.tensor([0, 500, 999])

    noisy, target = noisy_and_target(x0, noise, scheduler.alphas_cumprod[when], prediction)

    torch.testing.assert_close(noisy, scheduler.add_noise(x0, noise, when))
    wanted = noise
    if prediction is Prediction.V_PREDICTION:
        wanted = scheduler.get_velocity(x0, noise, when)
    torch.testing.assert_close(target, wanted)


def test_v_and_mixture_give_the_clean_latents_back() -> None:
    """sqrt(alpha_bar) * mixture - sqrt(1 - alpha_bar) * v is the clean picture."""
    x0, noise, alpha_bar = (
        _random(2, 4, 3, 3),
        _random(2, 4, 3, 3, seed=1),
        torch.tensor([0.9, 0.1]),
    )

    noisy, v = noisy_and_target(x0, noise, alpha_bar, Prediction.V_PREDICTION)

    a, s = alpha_bar.sqrt().view(-1, 1, 1, 1), (1 - alpha_bar).sqrt().view(-1, 1, 1, 1)
    torch.testing.assert_close(a * noisy - s * v, x0)


def test_a_weight_multiplies_its_sample() -> None:
    """The loss is the mean of each sample's squared error times its weight."""
    said, wanted = _random(2, 4, 3, 3), _random(2, 4, 3, 3, seed=1)

    found = loss(said, wanted, torch.tensor([2.0, 0.5]))

    each = ((said.numpy() - wanted.numpy()) ** 2).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(found.item(), (2.0 * each[0] + 0.5 * each[1]) / 2, rtol=1e-6)


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
