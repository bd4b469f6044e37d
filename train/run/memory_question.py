"""The forecast of memory as question and answer in JSON: `train check` loads no torch."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from prep.runtime.errors import UserError
from train.config import Config
from train.data.captions import are_few
from train.families.family import Base, Family
from train.methods import config_of
from train.option_fields import described
from train.preservation_options import OWN_ANSWERS
from train.run.card_sizes import cards
from train.run.decide import Run
from train.run.memory_forecast import Forecast, PassShape, attached, forecast
from train.run.outputs import prompts

if TYPE_CHECKING:
    from torch import nn

# Options that decide how much memory a training takes, besides those of its method alone.
_WEIGH = (
    "text_encoder", "block_rates", "batch", "accumulate", "optimizer", "precision", "attention",
    "gradient_checkpointing", "clip_skip", "full_fp16", "full_bf16", "loss", *OWN_ANSWERS,
)  # fmt: skip


def question(run: Run) -> dict[str, Any]:
    """Return what decides how much memory a run takes, and nothing else."""
    config = run.config
    own = {item.name: getattr(config.own, item.name) for item in described(config.own)}
    counts = {size: sum(each.values()) for size, each in run.data.repeats().items()}
    size = max(counts, key=lambda one: min(counts[one], config.batch) * one[0] * one[1])
    shape = PassShape(
        min(counts[size], config.batch),
        size,
        run.chunks,
        config.text_cache == "disk" or are_few(config),
        _largest(run),
    )
    weigh = {name: getattr(config, name) for name in _WEIGH}
    return {"config": {"method": config.method, **own, **weigh}, "shape": asdict(shape)}


def answer(
    asked: Mapping[str, Any], base: Base, family: Family, vae: "nn.Module | None", device: str
) -> dict[str, Any]:
    """Return the forecast, what would make the training fit which card, and the card that is here.

    Args:
        asked: As `question` returned it.
        base: On the meta device: its modules change.
        device: As the person wished: auto, cpu or cuda.
    """
    import torch

    from prep.models.devices import torch_device

    place = torch_device(device)
    config = config_of(**asked["config"])
    shape = _shape(asked["shape"])
    here = attached(base, family, config, place)
    known: dict[str, Forecast] = {}

    def of(wish: Config) -> Forecast:
        mark = repr((wish.batch, wish.precision, wish.gradient_checkpointing, wish.optimizer))
        if mark not in known:
            batch = min(shape.batch, wish.batch)
            known[mark] = forecast(here, family, wish, replace(shape, batch=batch), vae)
        return known[mark]

    each = cards(config, lambda wish: of(wish).on_card)
    there = torch.cuda.get_device_properties(place).total_memory if place != "cpu" else 0
    told = {str(size): change for size, change in each.items()}  # as JSON has it
    return {**asdict(of(config)), "cards": told, "there": there}


def _shape(found: Mapping[str, Any]) -> PassShape:
    """Return a shape of what JSON keeps of it."""
    sides = {name: tuple(found[name]) for name in ("size", "drawn") if found[name]}
    return PassShape(**{**found, **sides})


def _largest(run: Run) -> tuple[int, int] | None:
    """Return the size of the largest picture that is drawn on the way; None where none is."""
    try:
        sizes = [(one.width, one.height) for one in prompts(run)]
    except UserError:  # told already
        return None
    return max(sizes, key=lambda one: one[0] * one[1], default=None)
