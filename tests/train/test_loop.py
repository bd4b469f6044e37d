import itertools
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from prep import vae
from prep.errors import MachineError
from train import data, lora
from train.config import Config
from train.families.sd15 import FAMILY
from train.family import Base
from train.loop import Feed, batch_of, train

Weights = dict[str, tuple[torch.Tensor, torch.Tensor]]


@pytest.fixture
def feed(meta: Path, base: Path) -> Feed:
    """Six samples and the states of their texts."""
    found = data.load([meta])
    opened = FAMILY.load(base, "cpu")
    texts = sorted({lesson.text for lesson in found.lessons.values()})
    return Feed(found, dict(zip(texts, FAMILY.encode(opened, texts), strict=True)), 0.18215, 0.0)


def _fresh(base: Path) -> Base:
    opened = FAMILY.load(base, "cpu")
    lora.add(opened.network, FAMILY.lora_targets, 2, 2.0)
    lora.seed_weights(opened.network, 0)
    return opened


def _trained(base: Path, feed: Feed, config: Config) -> tuple[Weights, list[float]]:
    opened, losses = _fresh(base), []
    train(opened, FAMILY, feed, config, lambda _, loss: losses.append(loss))
    pairs = lora.pairs(opened.network)
    return {name: (pair.down.detach(), pair.up.detach()) for name, pair in pairs.items()}, losses


def _equal(one: Weights, two: Weights) -> bool:
    return all(torch.equal(a, b) for name in one for a, b in zip(one[name], two[name], strict=True))


def test_clean_latents_are_drawn_and_scaled(feed: Feed) -> None:
    """Latents are mean plus deviation times the posterior's noise, less shift, times scale."""
    moved = Feed(feed.data, feed.states, 0.5, 0.25)
    batch = batch_of(moved, ("0.png", "3.png"), 7, 1, 1000)

    mean, logvar = vae.load(feed.data.lessons["3.png"].latents)
    # Noise of the posterior, taken out again, is that of step 7 and place 1.
    from train.order import normal

    drawn = mean + torch.exp(logvar / 2) * normal(1, "posterior", 7, 1, (4, 8, 8))
    torch.testing.assert_close(batch.x0_BCHW[1], (drawn - 0.25) * 0.5)
    assert batch.noise_BCHW.shape == (2, 4, 8, 8)
    assert torch.equal(batch.noise_BCHW[1], normal(1, "noise", 7, 1, (4, 8, 8)))
    assert batch.conditioning["text"].shape == (2, 77, 32)
    assert torch.equal(batch.weight_B, torch.tensor([1.0, 1.0]))


def test_a_step_sees_the_same_whoever_asks(feed: Feed) -> None:
    """A step's input is the same whatever was drawn in between."""
    one = batch_of(feed, ("0.png",), 3, 0, 1000)
    torch.manual_seed(99)
    batch_of(feed, ("3.png",), 4, 0, 1000)
    two = batch_of(feed, ("0.png",), 3, 0, 1000)

    assert torch.equal(one.x0_BCHW, two.x0_BCHW)
    assert torch.equal(one.noise_BCHW, two.noise_BCHW)
    assert torch.equal(one.timestep_B, two.timestep_B)


def test_one_seed_gives_one_result(base: Path, feed: Feed) -> None:
    """Two runs of one seed have equal losses and weights, bit for bit; another seed has others."""
    one, losses = _trained(base, feed, Config(steps=4, batch=2))
    torch.manual_seed(5)
    two, again = _trained(base, feed, Config(steps=4, batch=2))
    other, _ = _trained(base, feed, Config(steps=4, batch=2, seed=1))

    assert losses == again
    assert _equal(one, two)
    assert not _equal(one, other)


def test_the_loop_is_that_of_a_bare_script(base: Path, feed: Feed) -> None:
    """Three steps end in the weights that diffusers' own noising and torch's AdamW give."""
    from diffusers import DDPMScheduler

    from train.order import batches

    found, _ = _trained(base, feed, Config(steps=3, batch=2, learning_rate=1e-3))
    plain = _fresh(base)
    scheduler = DDPMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    wanted = lora.pairs(plain.network)
    weights = [weight for pair in wanted.values() for weight in (pair.down, pair.up)]
    optimizer = torch.optim.AdamW(weights, lr=1e-3)
    for step, keys in enumerate(itertools.islice(batches(feed.data.repeats(), 2, 0), 3)):
        batch = batch_of(feed, keys, step, 0, 1000)
        noisy = scheduler.add_noise(batch.x0_BCHW, batch.noise_BCHW, batch.timestep_B)
        said = plain.network(noisy, batch.timestep_B, batch.conditioning["text"]).sample
        torch.nn.functional.mse_loss(said, batch.noise_BCHW).backward()
        optimizer.step()
        optimizer.zero_grad()

    for name, pair in wanted.items():
        torch.testing.assert_close(found[name][0], pair.down)
        torch.testing.assert_close(found[name][1], pair.up)


def test_only_the_adapter_changes(base: Path, feed: Feed) -> None:
    """After training the base model's own weights are what they were."""
    opened = _fresh(base)
    before = {
        name: value.detach().clone()
        for name, value in opened.network.named_parameters()
        if "lora_" not in name
    }

    train(opened, FAMILY, feed, Config(steps=2, learning_rate=0.1))

    now = dict(opened.network.named_parameters())
    assert all(torch.equal(now[name], value) for name, value in before.items())


def test_a_weight_of_nought_teaches_nothing(
    base: Path, meta: Path, feed: Feed, changed: Callable[..., Path]
) -> None:
    """Samples of weight 0 leave the adapter where AdamW's decay alone takes it: up stays zero."""
    for number in range(6):
        changed(meta, f"{number}.png", weight=0.0)
    bare = Feed(data.load([meta]), feed.states, feed.scale, feed.shift)

    found, losses = _trained(base, bare, Config(steps=3))

    assert losses == [0.0] * 3
    assert not any(up.any() for _, up in found.values())


def test_a_loss_that_is_no_number_stops_the_run(base: Path, feed: Feed) -> None:
    """Row 91: a loss that is not finite ends the run at its step, with advice."""
    spoilt = {name: {"text": state["text"] * torch.nan} for name, state in feed.states.items()}
    seen: list[int] = []

    with pytest.raises(MachineError) as caught:
        train(
            _fresh(base),
            FAMILY,
            Feed(feed.data, spoilt, 1.0, 0.0),
            Config(steps=3),
            lambda step, _: seen.append(step),
        )

    assert (str(caught.value), caught.value.hint) == (
        "the loss of step 1 is nan",
        "train with a lower `--learning-rate`",
    )
    assert seen == []
