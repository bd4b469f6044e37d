"""What a LoRA leaves out of a showing, and how long its changes may be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from tests.train.conftest import build_dataset
from train.adapters import lora_layers
from train.adapters.lora_dropout import Shares, dropout
from train.adapters.norm_limit import norm_limit
from train.families.family import Base
from train.families.sd15 import FAMILY
from train.methods import config_of
from train.run import start


@pytest.fixture
def learning(base: Path) -> Base:
    """A small base model with a LoRA of rank 8 whose up weights are no zeros."""
    found = FAMILY.load(base, "cpu")
    lora_layers.add(found.network, FAMILY.lora_targets, 8, 4.0)
    lora_layers.seed_weights(found.network, 0)
    for number, pair in enumerate(lora_layers.pairs(found.network).values()):
        generator = torch.Generator().manual_seed(number)
        with torch.no_grad():
            pair.up.copy_(torch.randn(pair.up.shape, generator=generator))
    return found


def _inner(learning: Base, step: int, places: list[int], shares: Shares) -> "torch.Tensor":
    """Return what a down weight answers for samples that are all alike: (samples, 64, 8)."""
    showing = dropout(learning, shares, 0)
    layer = _query(learning)
    down = layer.lora_A[lora_layers.ADAPTER]
    generator = torch.Generator().manual_seed(5)
    one = torch.randn(1, 64, down.weight.shape[1], generator=generator)
    with showing(step, places), torch.no_grad():
        found: torch.Tensor = down(one.expand(len(places), -1, -1))
        plain = one @ down.weight.T
    return found / plain


def _query(learning: Base) -> Any:
    return next(one for name, one in lora_layers.layers(learning) if name.endswith("to_q"))


def test_a_mask_is_a_function_of_step_and_sample(learning: Base) -> None:
    """Whatever batch it is in a sample has its mask; another sample and another step another."""
    shares = Shares(0.5, 0.0, 0.0)
    both = _inner(learning, 3, [4, 7], shares)
    again = _inner(learning, 3, [7], shares)
    later = _inner(learning, 4, [7], shares)

    assert torch.equal(both[1:], again)
    assert not torch.equal(both[0], both[1])
    assert not torch.equal(again, later)


@pytest.mark.parametrize(
    ("shares", "left", "grown"),
    [((0.25, 0, 0), 0.25, 1 / 0.75), ((0, 0.5, 0), 0.5, 2.0), ((0, 0, 0.25), 0.25, 1.0)],
)
def test_what_is_left_out_is_the_share_that_was_asked_for(
    learning: Base, shares: tuple[float, float, float], left: float, grown: float
) -> None:
    """Kohya's rule: the others grow by as much, and where whole modules go none does."""
    found = _inner(learning, 1, list(range(400)), Shares(*shares))

    kept = found[found != 0]
    assert torch.allclose(kept, torch.full_like(kept, grown), rtol=1e-4)
    assert abs(float((found == 0).float().mean()) - left) < 0.08


def test_a_rank_is_left_out_of_the_whole_picture(learning: Base) -> None:
    """With a share of ranks, a rank answers everywhere in a sample or nowhere."""
    found = _inner(learning, 1, list(range(20)), Shares(0, 0.5, 0)) != 0

    assert torch.equal(found, found[:, :1].expand_as(found))
    assert found.any()
    assert not found.all()


def test_outside_of_a_showing_nothing_is_left_out(learning: Base) -> None:
    """Samples, exports and held-out losses see the whole LoRA."""
    layer = _query(learning)
    given = torch.randn(2, 16, layer.in_features)
    before = layer(given)
    showing = dropout(learning, Shares(0.5, 0.5, 0.5), 0)
    with showing(1, [0, 1]):
        shown = layer(given)

    assert torch.equal(layer(given), before)
    assert not torch.equal(shown, before)


def test_a_stopped_run_with_dropout_ends_in_the_same_bytes(
    tmp_path: Path, base: Path, models: Models
) -> None:
    """Masks are computed, not carried; activations that are computed twice see the same ones."""
    meta = build_dataset(tmp_path / "data", base, count=3)
    exports = {}
    for name, stops, more in (
        ("whole", [4], {}),
        ("cut", [2, 4], {"gradient_checkpointing": True}),
        ("plain", [4], {"network_dropout": 0.0, "rank_dropout": 0.0, "module_dropout": 0.0}),
    ):
        given: dict[str, Any] = {
            "network_dropout": 0.2, "rank_dropout": 0.2, "module_dropout": 0.2, "max_norm": 0.01,
            "rank": 4, "batch": 2, "text_encoder": True, "learning_rate": 1e-2, "name": "toy",
            "save_every_steps": 1, **more,
        }  # fmt: skip
        for steps in stops:
            config = config_of(steps=steps, out=tmp_path / name, **given)
            exports[name] = start.start([meta], config, models, Console(level=0)).read_bytes()

    assert _tensors(exports["cut"]) == _tensors(exports["whole"])
    assert _tensors(exports["plain"]) != _tensors(exports["whole"])


def _tensors(file: bytes) -> bytes:
    return file[8 + int.from_bytes(file[:8], "little") :]


def test_no_change_is_longer_than_asked(learning: Base) -> None:
    """Of each pair scale * up @ down is cut to the norm; one that is shorter keeps its bits."""
    pairs = lora_layers.pairs(learning.network)
    scale = 4.0 / 8
    lengths = {name: _length(pair, scale) for name, pair in pairs.items()}
    most = float(np.median([*lengths.values()]))
    before = {name: pair.up.clone() for name, pair in pairs.items()}

    norm_limit(learning, most)()

    short = [name for name, length in lengths.items() if length < most * 0.999]
    assert 0 < len(short) < len(pairs)
    assert all(torch.equal(pairs[name].up, before[name]) for name in short)
    for name in pairs:
        assert _length(pairs[name], scale) == pytest.approx(min(most, lengths[name]), rel=1e-5)


def _length(pair: lora_layers.Pair, scale: float) -> float:
    down, up = (one.detach().flatten(1).double().numpy() for one in (pair.down, pair.up))
    return float(np.linalg.norm(scale * up @ down))


def test_a_compiled_network_has_no_dropout() -> None:
    """A mask would be the same in every step."""
    with pytest.raises(ConfigError) as caught:
        config_of(compile=True, rank_dropout=0.1)

    assert (str(caught.value), caught.value.hint) == (
        "`--compile` is given with dropout, whose masks a compiled network would not change",
        "leave one of them out",
    )
