"""Two processes with other inputs each, and a network that is split: are gradients their sum?

`python -m torch.distributed.run --nproc_per_node 2 -m tests.train.step.split_gradients`
"""

import sys

import torch
from torch import nn

from train.families.diffusion_process import Diffusion
from train.families.family import Base
from train.families.noise_process import Prediction
from train.step import distributed
from train.step.shards import gathered, is_split, shard, split_as, whole


class Network(nn.Module):
    """Two blocks, and a layer that is in none."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([nn.Linear(6, 5), nn.Linear(5, 6)])
        self.last = nn.Linear(6, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return numbers."""
        for block in self.blocks:
            x = block(x).tanh()
        found: torch.Tensor = self.last(x)
        return found


def main() -> None:
    """Compare with one process that has both inputs."""
    with distributed.joined("cpu") as found:
        torch.manual_seed(0)
        alone, network = Network(), Network()
        network.load_state_dict(alone.state_dict())
        inputs = torch.randn(2, 4, 6)
        base = Base(network, {}, Diffusion(torch.ones(1), Prediction.EPSILON), "cpu")
        shard(base, found)
        for one in inputs:
            alone(one).square().sum().backward()
        network(inputs[found.rank]).square().sum().backward()

        split = dict(network.named_parameters())
        assert all(map(is_split, split.values()))
        grads = {name: one.grad for name, one in split.items() if one.grad is not None}
        each = gathered(grads, found)
        assert len(each) == (6 if found.first else 0)
        for name, grad in each.items():
            torch.testing.assert_close(grad, alone.get_parameter(name).grad)
        for name, one in split.items():
            back = split_as(one, alone.get_parameter(name).detach())
            assert torch.equal(back.to_local(), one.to_local())
        with whole(base):
            if found.first:  # without the other one
                assert torch.equal(network(inputs[0]), alone(inputs[0]))
                for name, value in network.state_dict().items():
                    assert torch.equal(value, alone.state_dict()[name])
        network(inputs[found.rank]).square().sum().backward()
        sys.stdout.write("the sum\n")


if __name__ == "__main__":
    main()
