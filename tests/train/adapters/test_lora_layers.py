import math
from pathlib import Path

import torch

from train.adapters import lora_layers
from train.families.sd15 import FAMILY


def test_first_weights_depend_on_seed_and_name_alone(base: Path) -> None:
    """Two networks get equal adapters whatever was drawn before; another seed gives others."""
    found = []
    for seed, drawn in ((0, 1), (0, 500), (1, 1)):
        torch.manual_seed(drawn)
        network = FAMILY.load(base, "cpu").network
        lora_layers.add(network, FAMILY.lora_targets, 4, 4.0)
        lora_layers.seed_weights(network, seed)
        found.append(lora_layers.pairs(network))

    one, two, other = found
    assert list(one) == sorted(one)
    assert all(torch.equal(one[name].down, two[name].down) for name in one)
    assert not any(torch.equal(one[name].down, other[name].down) for name in one)
    assert all(not pair.up.any() for pair in one.values())


def test_first_weights_are_kohya_s(base: Path) -> None:
    """Down weights are uniform within 1 / sqrt(inputs), as Kaiming's rule with a = sqrt(5) says."""
    network = FAMILY.load(base, "cpu").network
    lora_layers.add(network, FAMILY.lora_targets, 16, 16.0)
    lora_layers.seed_weights(network, 0)

    for pair in lora_layers.pairs(network).values():
        bound = 1 / math.sqrt(pair.down.shape[1])
        assert 0.9 * bound < pair.down.abs().max().item() <= bound


def test_alpha_over_rank_scales_the_adapter(base: Path) -> None:
    """The adapted module adds up @ down * alpha / rank to its own answer."""
    network = FAMILY.load(base, "cpu").network
    lora_layers.add(network, FAMILY.lora_targets, 4, 1.0)
    name, pair = next((n, p) for n, p in lora_layers.pairs(network).items() if n.endswith("to_q"))
    torch.manual_seed(0)
    torch.nn.init.normal_(pair.up)
    module = network.get_submodule(name)
    x = torch.randn(3, pair.down.shape[1])

    torch.testing.assert_close(module(x), module.base_layer(x) + x @ pair.down.T @ pair.up.T * 0.25)
