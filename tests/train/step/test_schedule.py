import pytest

from train.config import Config
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.methods.lora import share
from train.step.schedule import learning_rate, peak_of


@pytest.mark.parametrize(
    ("config", "name", "more"),
    [
        (config_of(), "constant", {}),
        (config_of(warmup=5), "constant_with_warmup", {"num_warmup_steps": 5}),
        (config_of(schedule="cosine", warmup=3), "cosine", {"num_warmup_steps": 3}),
        (
            config_of(schedule="cosine-with-restarts", warmup=2, cycles=3),
            "cosine_with_restarts",
            {"num_warmup_steps": 2, "num_cycles": 3},
        ),
    ],
)
def test_learning_rates_are_diffusers_own(config: Config, name: str, more: dict[str, int]) -> None:
    """The rate of each step is the one that diffusers' scheduler of that name comes to."""
    import torch
    from diffusers.optimization import get_scheduler

    optimizer = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    scheduler = get_scheduler(name, optimizer, num_training_steps=40, **more)
    for step in range(40):
        assert learning_rate(step, 1e-4, config, 40) == pytest.approx(scheduler.get_last_lr()[0])
        optimizer.step()
        scheduler.step()


def test_a_constant_rate_does_not_know_the_end() -> None:
    """A run can be made longer: with a constant rate no step that is done would be another one."""
    config = config_of(warmup=4)

    rates = [
        [learning_rate(step, 1e-4, config, steps) for step in range(20)] for steps in (20, 2000)
    ]
    assert rates[0] == rates[1]


def test_a_weight_learns_at_the_rate_of_its_part() -> None:
    """A text encoder's own rate, and LoRA+ for the up weights of both; else all learn alike."""
    config = config_of(
        learning_rate=1e-4, text_encoder=True, text_encoder_learning_rate=1e-5, lora_plus=16.0
    )
    names = ("up.lora_A.lora.weight", "up.lora_B.lora.weight", "text_encoder.q.lora_B.lora.weight")

    assert [peak_of(name, config, FAMILY, share) for name in names] == [
        1e-4, pytest.approx(1.6e-3), pytest.approx(1.6e-4),
    ]  # fmt: skip
    assert {peak_of(name, config_of(), FAMILY, share) for name in names} == {1e-4}
