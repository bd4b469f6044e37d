"""The losses: a row each, and how timesteps weigh. What learns with them knows none by name.

Source: kohya-ss/sd-scripts (commit 48d368fa), train_util.py `conditional_loss` and
`get_huber_threshold_if_needed`, custom_train_functions.py; papers where a function names one.

Letters: B batch, C channels, H and W height and width of latents.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from train.option_fields import option

if TYPE_CHECKING:
    from torch import Tensor

HUBER_SCHEDULES = ("snr", "exponential", "constant")
_MOST_SNR = 1000  # the first timestep's may have no end


@dataclass(frozen=True)
class Loss:
    """One loss.

    Attributes:
        name: As it is typed after `--loss`.
        of: (answer less target, BCHW; width, (B, 1, 1, 1), or None) -> loss of each number.
        wide: Whether it has a width: where it turns from a square into a line.
    """

    name: str
    of: "Callable[[Tensor, Any], Tensor]"
    wide: bool = False


def _smooth_l1(off_BCHW: "Tensor", width_B111: "Tensor") -> "Tensor":
    return 2 * ((off_BCHW.square() + width_B111.square()).sqrt() - width_B111)


def _huber(off_BCHW: "Tensor", width_B111: "Tensor") -> "Tensor":
    return width_B111 * _smooth_l1(off_BCHW, width_B111)


_ROWS = (
    Loss("l2", lambda off_BCHW, width_B111: off_BCHW.square()),
    Loss("l1", lambda off_BCHW, width_B111: off_BCHW.abs()),
    Loss("huber", _huber, wide=True),
    Loss("smooth-l1", _smooth_l1, wide=True),
)
LOSSES: Mapping[str, Loss] = MappingProxyType({row.name: row for row in _ROWS})


@dataclass(frozen=True, kw_only=True)
class LossOptions:
    """What a person may choose of the loss. The words are kohya's."""

    loss: str = option("l2", f"One of {', '.join(LOSSES)}", later=True, words=tuple(LOSSES))
    huber_schedule: str = option(
        "snr", "Width of huber and smooth-l1 over the timesteps: snr, exponential or constant",
        later=True, words=HUBER_SCHEDULES,
    )  # fmt: skip
    huber_c: float = option(
        0.1, "Their width, of snr and exponential that at the last timestep", later=True,
        least=1e-6, most=1000,
    )  # fmt: skip
    huber_scale: float = option(
        1.0, "Their width times this, of constant and exponential", later=True, least=1e-6,
        most=1000,
    )  # fmt: skip
    min_snr: float = option(
        0.0, "Timesteps of a higher ratio of signal to noise weigh less (Min-SNR gamma; 5 is "
        "usual); 0: all alike", later=True, least=0, most=1000,
    )  # fmt: skip
    debiased_estimation_loss: bool = option(
        False, "Timesteps weigh as the root of noise to signal; of v, its share", later=True
    )
    scale_v_pred_loss_like_noise_pred: bool = option(
        False, "Timesteps of a model that predicts v weigh as if it predicted noise", later=True
    )
    v_pred_like_loss: float = option(
        0.0, "Add so much of the loss as if v were predicted, of a model that predicts noise",
        later=True, least=0, most=1000,
    )  # fmt: skip

    masked_loss: bool = option(
        False, "Where a picture's mask is black nothing is learned of it", later=True
    )

    def loss_row(self) -> Loss:
        """Return the loss."""
        return LOSSES[self.loss]

    def weights(self, snr_B: "Tensor", velocity: bool) -> "Tensor | None":
        """Return what the loss of each sample weighs by its timestep; None where all weigh 1.

        Args:
            snr_B: Ratio of signal to noise, as variances; it may be 0 and infinite.
            velocity: Whether the network says v; else it says the noise.
        """
        found = []
        if self.min_snr:
            found.append(min_snr_weight(snr_B, self.min_snr, velocity))
        if self.scale_v_pred_loss_like_noise_pred:
            found.append(noise_like_weight(snr_B))
        if self.v_pred_like_loss:
            found.append(1 + self.v_pred_like_loss / noise_like_weight(snr_B))
        if self.debiased_estimation_loss:
            found.append(debiased_weight(snr_B, velocity))
        whole = None
        for one in found:
            whole = one if whole is None else whole * one
        return whole

    def widths(self, snr_B: "Tensor", depth_B: "Tensor") -> "Tensor":
        """Return the width of each sample's loss, shape (B,).

        Args:
            depth_B: Timesteps over their number.
        """
        if self.huber_schedule == "snr":
            return (1 - self.huber_c) / (1 + 1 / snr_B.sqrt()).square() + self.huber_c
        if self.huber_schedule == "exponential":
            return self.huber_c**depth_B * self.huber_scale
        return depth_B * 0 + self.huber_c * self.huber_scale


def min_snr_weight(snr_B: "Tensor", gamma: float, velocity: bool) -> "Tensor":
    """Return min(snr, gamma) / snr, of v min(snr, gamma) / (snr + 1).

    Source: Hang et al. 2023, section 3.4; for noise it is 1 where nothing of the signal is left.
    """
    if velocity:
        return snr_B.clamp(max=gamma) / (snr_B + 1)
    return (gamma / snr_B).clamp(max=1)


def debiased_weight(snr_B: "Tensor", velocity: bool) -> "Tensor":
    """Return 1 / sqrt(snr), of v 1 / (snr + 1).

    Source: Yu et al. 2024 (debiased estimation loss), eq. 9; kohya's scripts for v.
    """
    least_B = snr_B.clamp(max=_MOST_SNR)
    return 1 / (least_B + 1) if velocity else 1 / least_B.sqrt()


def noise_like_weight(snr_B: "Tensor") -> "Tensor":
    """Return snr / (snr + 1): a loss of v times this is one of the noise.

    Source: Salimans and Ho 2022, section 4: the noise that an answer of v means is off by sqrt of
    alpha_bar times what v is off by, and alpha_bar is this very number.
    """
    least_B = snr_B.clamp(max=_MOST_SNR)
    return least_B / (least_B + 1)


def errors(
    answer_BCHW: "Tensor",
    target_BCHW: "Tensor",
    loss: Loss,
    width_B: "Tensor | None" = None,
    mask_BHW: "Tensor | None" = None,
) -> "Tensor":
    """Return each sample's mean loss, shape (B,).

    Args:
        width_B: See `LossOptions.widths`; None of a loss without a width.
        mask_BHW: How much each place counts in that mean, 0 to 1, not 0 everywhere: what a mask
            hides makes the loss of a picture neither smaller nor larger. None: all alike.
    """
    width_B111 = None if width_B is None else width_B.view(-1, 1, 1, 1)
    each_BCHW = loss.of(answer_BCHW - target_BCHW, width_B111)
    if mask_BHW is None:
        return each_BCHW.mean(dim=(1, 2, 3))
    return (each_BCHW.mean(dim=1) * mask_BHW).sum(dim=(1, 2)) / mask_BHW.sum(dim=(1, 2))
