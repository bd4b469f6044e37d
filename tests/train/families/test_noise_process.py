import numpy as np
import pytest
import torch

from train.families.noise_process import Prediction, loss, noisy_and_target


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
