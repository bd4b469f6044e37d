"""Losses, widths and weights against NumPy in float64, by the formulas of papers and scripts."""

import itertools
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prep.runtime.errors import ConfigError
from train.data import dataset
from train.data.batches import Batches
from train.data.order import step_order
from train.data.text_states import TextCache
from train.families.diffusion_process import Diffusion
from train.families.flow_process import Flow
from train.families.noise_process import Prediction
from train.families.sd15 import FAMILY
from train.loss_rows import LOSSES, LossOptions, errors
from train.methods import config_of
from train.methods.lora import attach
from train.run.base_checks import check_loss
from train.step.distributed import Processes
from train.step.loop import Step, Training, stacked, train
from train.step.trainer import Trainer

Numbers = np.ndarray[Any, Any]
# Scaled-linear betas of Stable Diffusion 1.x, and their product made to end in 0 (Lin et al. 2024,
# algorithm 1), both in float64.
BETAS = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
PLAIN = np.cumprod(1 - BETAS)
_ROOT = np.sqrt(PLAIN)
ZERO = ((_ROOT - _ROOT[-1]) * _ROOT[0] / (_ROOT[0] - _ROOT[-1])) ** 2


def _snr(alpha_bar: Numbers) -> Numbers:
    found: Numbers = alpha_bar / (1 - alpha_bar)
    return found


def _width(c: float, scale: float, kind: str, alpha_bar: Numbers, t: Numbers) -> Numbers:
    """Return `huber_c` of a timestep as kohya's scripts have it."""
    with np.errstate(divide="ignore"):
        sigma = np.sqrt((1 - alpha_bar) / alpha_bar)
    widths: dict[str, Numbers] = {
        "snr": (1 - c) / (1 + sigma) ** 2 + c,
        "exponential": np.exp(-(-np.log(c) / 1000) * t) * scale,
        "constant": np.full(len(t), c * scale),
    }
    return widths[kind]


OF: dict[str, Callable[[Numbers, Numbers], Numbers]] = {
    "l2": lambda d, c: d**2,
    "l1": lambda d, c: np.abs(d),
    "huber": lambda d, c: 2 * c * (np.sqrt(d**2 + c**2) - c),
    "smooth-l1": lambda d, c: 2 * (np.sqrt(d**2 + c**2) - c),
}


@pytest.mark.parametrize("kind", ["snr", "exponential", "constant"])
@pytest.mark.parametrize("alpha_bar", [PLAIN, ZERO], ids=["plain", "zero terminal"])
def test_every_loss_has_its_formula(kind: str, alpha_bar: Numbers) -> None:
    """Each row is the mean of its formula over a sample's numbers, at every width's schedule."""
    t = np.array([0, 1, 250, 998, 999])
    process = Diffusion(torch.tensor(alpha_bar), Prediction.EPSILON)
    when = torch.tensor(t)
    drawn = torch.randn((2, 5, 4, 3, 2), generator=torch.Generator().manual_seed(0))
    off = (drawn[0] - drawn[1]).numpy().astype(np.float64)
    options = LossOptions(huber_schedule=kind, huber_c=0.2, huber_scale=1.7)

    width = options.widths(process.snr(when), process.depth(when))

    wanted = _width(0.2, 1.7, kind, alpha_bar[t], t)
    np.testing.assert_allclose(width, wanted, rtol=1e-6)
    assert [*LOSSES] == [*OF]
    for name, of in OF.items():
        found = errors(*drawn, LOSSES[name], width.float())
        each = of(off, wanted[:, None, None, None]).mean(axis=(1, 2, 3))
        np.testing.assert_allclose(found, each, rtol=1e-5)


def test_the_usual_loss_is_mean_squared_error() -> None:
    """L2 is torch's own mean squared error of each sample, with and without a width."""
    drawn = torch.randn((2, 3, 4, 5, 6), generator=torch.Generator().manual_seed(0))
    wanted = torch.stack([torch.nn.functional.mse_loss(*pair) for pair in zip(*drawn, strict=True)])

    torch.testing.assert_close(errors(*drawn, LOSSES["l2"]), wanted)
    assert LossOptions().loss_row() is LOSSES["l2"]


def test_every_weight_has_its_formula() -> None:
    """Min-SNR, debiased, noise-like and v-like, of noise and of v, alone and multiplied."""
    t = torch.tensor([0, 1, 250, 600, 999])
    for alpha_bar, velocity in ((PLAIN, False), (PLAIN, True), (ZERO, True)):
        kind = Prediction.V_PREDICTION if velocity else Prediction.EPSILON
        snr = _snr(alpha_bar[t.numpy()])
        tensor = Diffusion(torch.tensor(alpha_bar), kind).snr(t)
        capped = np.minimum(snr, 1000)
        share = capped / (capped + 1)
        wanted: dict[str, tuple[Any, Numbers]] = {
            "min_snr": (5.0, np.minimum(snr, 5) / (snr + 1 if velocity else snr)),
            "debiased_estimation_loss": (
                True, 1 / (capped + 1) if velocity else 1 / np.sqrt(capped),
            ),
        }  # fmt: skip
        if velocity:
            wanted["scale_v_pred_loss_like_noise_pred"] = (True, share)
        else:
            wanted["v_pred_like_loss"] = (0.3, 1 + 0.3 / share)
        for name, (value, weight) in wanted.items():
            found = LossOptions(**{name: value}).weights(tensor, velocity)
            np.testing.assert_allclose(found, weight, rtol=1e-9, err_msg=name)
        whole = LossOptions(**{name: value for name, (value, _) in wanted.items()})
        product = np.prod([weight for _, weight in wanted.values()], axis=0)
        np.testing.assert_allclose(whole.weights(tensor, velocity), product, rtol=1e-9)


def test_weights_are_numbers_at_both_ends() -> None:
    """Without noise and without signal min-SNR weighs as its limits do."""
    ends = torch.tensor([0.0, float("inf")])

    assert LossOptions(min_snr=5.0).weights(ends, False).tolist() == [1, 0]  # type: ignore[union-attr]
    assert LossOptions(min_snr=5.0).weights(ends, True).tolist() == [0, 0]  # type: ignore[union-attr]
    assert LossOptions().weights(ends, False) is None


def test_a_flow_s_width_has_the_same_time() -> None:
    """Of a flow the exponential width goes by t over a thousand, as in kohya's scripts."""
    flow, t = Flow(), np.array([3.0, 500.25, 998.5])
    when = flow.times(t.tolist())
    options = LossOptions(huber_schedule="exponential", huber_c=0.3)

    found = options.widths(flow.snr(when), flow.depth(when))

    np.testing.assert_allclose(found, np.exp(np.log(0.3) * t / 1000), rtol=1e-6)


@pytest.mark.parametrize("zero", [False, True])
def test_a_step_learns_from_the_loss_that_is_chosen(base: Path, meta: Path, zero: bool) -> None:
    """A step's loss is that of the formulas at its samples' timesteps, by the model's own table."""
    config = config_of(
        steps=1, rank=2, batch=2, loss="huber", min_snr=1.5, scale_v_pred_loss_like_noise_pred=zero
    )
    kind = Prediction.V_PREDICTION if zero else Prediction.EPSILON
    table = ZERO if zero else PLAIN
    process = Diffusion(torch.tensor(table, dtype=torch.float32), kind)
    opened = replace(FAMILY.load(base, "cpu"), process=process)
    attach(opened, FAMILY, config)
    batches = Batches(dataset.load([meta]), config, 0.18215, 0.0)
    states = TextCache(lambda texts: FAMILY.encode(opened, texts), False)
    training = Training(opened, FAMILY, batches, states, Processes())
    ((shown,),) = itertools.islice(step_order(batches.data.repeats(), 2, 1, 0), 1)
    batch = batches.batch(shown, 0, 0, range(len(shown)), process)
    state = stacked(states.of(batch.texts), "cpu")["text"]
    mixed = process.mixture(batch.x0_BCHW, batch.noise_BCHW, batch.time_B)
    said = opened.network(mixed, batch.time_B, state).sample.detach().numpy().astype(np.float64)
    target = process.target(batch.x0_BCHW, batch.noise_BCHW, batch.time_B).numpy()
    seen: list[Step] = []

    train(training, Trainer(opened.learning(), config, "cpu"), 0, 1, seen.append)

    t = batch.time_B.numpy()
    width = _width(0.1, 1.0, "snr", table[t], t)[:, None, None, None]
    each = OF["huber"](said - target, width).mean(axis=(1, 2, 3))
    snr = _snr(table[t])
    weight = (
        np.minimum(snr, 1.5) / (snr + 1) * snr / (snr + 1) if zero else np.minimum(1.5 / snr, 1)
    )
    assert seen[0].loss == pytest.approx((each * weight).mean(), rel=1e-4)


@pytest.mark.parametrize(
    ("given", "message", "hint"),
    [
        ({"huber_c": 0.2},
         "`--huber-c` is given, and `--loss l2` does not use it",
         "leave it out, or give `--loss huber` or `smooth-l1`"),
        ({"loss": "smooth_l1", "huber_scale": 2.0},
         "`--huber-scale` is given, and `--huber-schedule snr` does not use it",
         "leave it out, or give `--huber-schedule constant`"),
        ({"loss": "l3"}, "`--loss` is `l3`", "known: l2, l1, huber, smooth-l1"),
    ],
)  # fmt: skip
def test_an_option_that_would_decide_nothing_is_refused(
    given: dict[str, Any], message: str, hint: str
) -> None:
    """What has no effect beside the chosen loss is two lines, not silence."""
    with pytest.raises(ConfigError) as caught:
        config_of(**given)

    assert (str(caught.value), caught.value.hint) == (message, hint)


@pytest.mark.parametrize(
    ("given", "prediction", "ends", "message", "hint"),
    [
        ({"min_snr": 5.0}, "flow", False,
         "`--min-snr` is given, and the base model predicts a flow",
         "leave it out: it is for models that predict noise or v"),
        ({"v_pred_like_loss": 0.1}, "v_prediction", False,
         "`--v-pred-like-loss` is given, and the base model predicts v",
         "leave it out: it is for models that predict noise"),
        ({"scale_v_pred_loss_like_noise_pred": True}, "epsilon", False,
         "`--scale-v-pred-loss-like-noise-pred` is given, and the base model predicts noise",
         "leave it out: it is for models that predict v"),
        ({"loss": "huber"}, "flow", False,
         "`--loss huber` has its width by signal and noise, and the base model predicts a flow",
         "give `--huber-schedule constant` or `exponential`"),
        ({"debiased_estimation_loss": True}, "epsilon", True,
         ("`--debiased-estimation-loss` is given, and the base model's last timestep has no "
          "signal: it would weigh without end"), "leave it out"),
    ],
)  # fmt: skip
def test_a_weight_that_means_nothing_for_a_model_is_refused(
    given: dict[str, Any], prediction: str, ends: bool, message: str, hint: str
) -> None:
    """Weights of noise or v are refused for the others, and those without end at no signal."""
    with pytest.raises(ConfigError) as caught:
        check_loss(config_of(**given), prediction, ends)

    assert (str(caught.value), caught.value.hint) == (message, hint)
    check_loss(config_of(**given), "", False)  # nothing is known of the base model yet


def test_no_recipe_of_before_changes() -> None:
    """At their defaults the options of the loss are in no recipe; each other value is."""
    names = {item.name for item in fields(LossOptions)}
    more = {"loss": "huber", "huber_schedule": "constant", "huber_c": 0.2, "huber_scale": 2.0,
            "min_snr": 5.0, "debiased_estimation_loss": True, "v_pred_like_loss": 0.1,
            "scale_v_pred_loss_like_noise_pred": True, "masked_loss": True}  # fmt: skip

    assert names.isdisjoint(config_of().deciding())
    assert names == {*more}
    assert names <= config_of(**more).deciding().keys()
