"""What the network is shown and what it must answer.

Letters: B batch, C channels, H and W height and width of latents.
"""

from typing import TYPE_CHECKING

from train.family import Prediction

if TYPE_CHECKING:
    from torch import Tensor


def noisy_and_target(
    x0_BCHW: "Tensor", noise_BCHW: "Tensor", alpha_bar_B: "Tensor", prediction: Prediction
) -> "tuple[Tensor, Tensor]":
    """Mix clean latents with noise and return the mixture and what the network must say of it.

    Args:
        x0_BCHW: Clean latents, scaled and shifted as the VAE asks; float32.
        noise_BCHW: Standard normal noise; float32.
        alpha_bar_B: Cumulative product of 1 - beta at each sample's timestep, in [0, 1].
        prediction: What the base model was trained to output.

    Returns:
        The mixture and the target, float32.

    Source:
        Mixture: Ho et al. 2020, eq. 4. v: Salimans and Ho 2022, section 4.
    """
    a_B111 = alpha_bar_B.sqrt().view(-1, 1, 1, 1)
    s_B111 = (1 - alpha_bar_B).sqrt().view(-1, 1, 1, 1)
    noisy_BCHW = a_B111 * x0_BCHW + s_B111 * noise_BCHW
    match prediction:
        case Prediction.EPSILON:
            return noisy_BCHW, noise_BCHW
        case Prediction.V_PREDICTION:
            return noisy_BCHW, a_B111 * noise_BCHW - s_B111 * x0_BCHW


def errors(predicted_BCHW: "Tensor", target_BCHW: "Tensor") -> "Tensor":
    """Return each sample's mean squared error, shape (B,)."""
    return (predicted_BCHW - target_BCHW).square().mean(dim=(1, 2, 3))


def loss(predicted_BCHW: "Tensor", target_BCHW: "Tensor", weight_B: "Tensor") -> "Tensor":
    """Return the mean over the batch of each sample's mean squared error times its weight."""
    return (errors(predicted_BCHW, target_BCHW) * weight_B).mean()
