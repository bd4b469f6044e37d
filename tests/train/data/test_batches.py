from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from prep.dataset.dataset_file import Concept
from prep.models import vae
from train.data import batches, dataset
from train.data.batches import Batches, inputs_digest
from train.data.order import normal
from train.families.diffusion_process import Diffusion
from train.families.flow_process import Flow
from train.families.noise_process import Prediction
from train.methods import config_of
from train.timestep_options import Density

KEYS = ("0.png", "3.png")


def _process(count: int = 1000) -> Diffusion:
    return Diffusion(torch.linspace(0.99, 0.01, count), Prediction.EPSILON)


def _feed(meta: Path, **given: object) -> Batches:
    return Batches(dataset.load([meta]), config_of(**given), 0.18215, 0.0)  # type: ignore[arg-type]


def test_clean_latents_are_drawn_and_scaled(meta: Path) -> None:
    """Latents are mean plus deviation times the posterior's noise, less shift, times scale."""
    moved = Batches(dataset.load([meta]), config_of(seed=1), 0.5, 0.25)
    batch = moved.batch(KEYS, 7, 0, range(2), _process())

    mean, logvar = vae.load(moved.data.samples["3.png"].latents)
    drawn = mean + torch.exp(logvar / 2) * normal(1, "posterior", 7, 1, (4, 8, 8))
    torch.testing.assert_close(batch.x0_BCHW[1], (drawn - 0.25) * 0.5)
    assert batch.noise_BCHW.shape == (2, 4, 8, 8)
    assert torch.equal(batch.noise_BCHW[1], normal(1, "noise", 7, 1, (4, 8, 8)))
    assert batch.texts == ("mascot, pose 0", "mascot, pose 1")
    assert torch.equal(batch.weight_B, torch.tensor([1.0, 1.0]))


def test_regularisation_weighs_by_its_own_number(meta: Path, changed: Callable[..., Path]) -> None:
    """The loss of a regularisation picture counts its weight times `--prior-loss-weight`."""
    changed(meta, "0.png", concept="class", weight=0.5)
    changed(meta, "3.png", weight=0.5)
    changed(meta, concepts={"toy": Concept(), "class": Concept(regularisation=True)})

    for prior, wanted in ((1.0, [0.5, 0.5]), (0.25, [0.125, 0.5]), (0.0, [0.0, 0.5])):
        found = _feed(meta, prior_loss_weight=prior).batch(KEYS, 0, 0, range(2), _process())
        assert found.weight_B.tolist() == wanted


def test_timesteps_are_drawn_as_asked(meta: Path) -> None:
    """With `--timesteps` the times of a step are those of that density, else the usual ones."""
    flow = Flow()
    for density in ("usual", "uniform", "logit-normal"):
        wanted = [flow.time(0, 3, place, Density(density)) for place in range(2)]

        found = _feed(meta, timesteps=density).batch(KEYS, 3, 0, range(2), flow)

        assert torch.equal(found.time_B, torch.tensor(wanted, dtype=torch.float32))


def test_a_step_sees_the_same_whoever_asks(meta: Path) -> None:
    """A step's input is the same whatever was drawn in between, and in how many parts it comes."""
    whole = _feed(meta).batch(KEYS, 3, 0, range(2), _process())
    other = _feed(meta)
    torch.manual_seed(99)
    other.batch(KEYS, 4, 0, range(2), _process())
    parts = [other.batch(KEYS, 3, 0, range(n, n + 1), _process()) for n in range(2)]

    for word in ("x0_BCHW", "noise_BCHW", "time_B", "weight_B"):
        assert torch.equal(torch.cat([getattr(one, word) for one in parts]), getattr(whole, word))
    assert parts[0].digests + parts[1].digests == whole.digests


@pytest.mark.parametrize(
    "change", ["key", "step", "epoch", "seed", "timesteps", "latents", "weight"]
)
def test_the_digest_tells_inputs_apart(meta: Path, change: str) -> None:
    """What stands in the log changes with key, text, noise, timestep and latents of any sample."""
    found = _feed(meta, shuffle_tags=True, keep_tags=0, seed=int(change == "seed"))
    if change == "latents":
        found = Batches(found.data, found.config, 0.2, 0.0)
    if change == "weight":  # of the loss: no input
        heavy = {key: replace(one, weight=2.0) for key, one in found.data.samples.items()}
        found = Batches(replace(found.data, samples=heavy), found.config, 0.18215, 0.0)
    keys = ("0.png", "4.png" if change == "key" else "3.png")
    keys = keys if change != "key" else ("3.png", "0.png")
    numbers = (3 + (change == "step"), 4 if change == "epoch" else 0)
    batch = found.batch(keys, *numbers, range(2), _process(10 if change == "timesteps" else 1000))

    plain = _feed(meta, shuffle_tags=True, keep_tags=0).batch(KEYS, 3, 0, range(2), _process())
    same = inputs_digest(batch.digests) == inputs_digest(plain.digests)
    assert same == (change == "weight" or (change == "epoch" and batch.texts == plain.texts))


def test_latents_are_read_once_while_they_fit(meta: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Latents stay in memory up to a limit; with less room the same numbers are read again."""
    roomy = _feed(meta)
    first = roomy.batch(KEYS, 0, 0, range(2), _process())
    for sample in roomy.data.samples.values():
        sample.latents.rename(sample.latents.with_suffix(".away"))
    assert roomy.batch(KEYS, 0, 0, range(2), _process()).digests == first.digests
    for sample in roomy.data.samples.values():
        sample.latents.with_suffix(".away").rename(sample.latents)

    monkeypatch.setattr(batches, "_CACHE_BYTES", 1)
    narrow = _feed(meta)
    assert [narrow.batch(KEYS, 0, 0, range(2), _process()).digests for _ in range(2)] == [
        first.digests
    ] * 2
