"""The moving average of weights over the steps that they took, beside the weights that learn."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn


class MovingAverage:
    """An average of weights by name, float32, that follows them step by step.

    After step n it goes 1 - d of the way to the weights, d = min(decay, n / (n + 9)), and after the
    first one all of it: where they began does not stay in it.

    Source:
        diffusers' `EMAModel`; its warm-up is that of TensorFlow's ExponentialMovingAverage,
        (1 + n) / (10 + n) of the steps before.
    """

    def __init__(self, weights: "Mapping[str, nn.Parameter]", decay: float) -> None:
        """Begin with the weights as they are."""
        import torch
        from diffusers.training_utils import EMAModel

        kind: Any = EMAModel  # typed only in part
        self._weights = dict(weights)
        self._model = kind(self._weights.values(), decay=decay, foreach=True)
        self._model.to(dtype=torch.float32)

    def follow(self) -> None:
        """Take in the weights after a step."""
        self._model.step(self._weights.values())

    def put(self) -> None:
        """Give the weights the numbers of the average."""
        self._model.copy_to(self._weights.values())

    def tensors(self) -> "dict[str, Tensor]":
        """Return the average of each weight."""
        return dict(zip(self._weights, self._model.shadow_params, strict=True))

    def steps(self) -> int:
        """Return how many steps it has followed."""
        return int(self._model.optimization_step)

    def restore(self, tensors: "Mapping[str, Tensor]", steps: int) -> None:
        """Go back to where another average of the same weights was.

        Raises:
            KeyError: A weight is not among them.
        """
        for name, mean in self.tensors().items():
            mean.copy_(tensors[name])
        self._model.optimization_step = steps
