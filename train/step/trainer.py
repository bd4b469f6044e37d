"""The weights that learn, their optimizer, and all that both must remember."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from train.config import Config
from train.optimizers import Rate
from train.step import optimizer_state
from train.step.moving_average import MovingAverage
from train.step.open_optimizer import optimizer_of, scaler_of
from train.step.shards import is_split, split_as

if TYPE_CHECKING:
    from torch import Tensor, nn

_GROUP = "group "  # begins the name of a tensor that belongs to a whole group of weights
_AVERAGE = "average "  # begins that of the average of a weight
# The scale of a loss in float16 begins at 2 ** 16, and each step that is left out halves it.
_LEAST_SCALE = 2.0**-10


class Trainer:
    """Weights that learn, in groups of one learning rate each, and what their optimizer knows."""

    def __init__(
        self,
        weights: "Mapping[str, nn.Parameter]",
        config: Config,
        device: str,
        rate_of: Callable[[str], float | None] | None = None,
        limit: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin to train `weights` by name; the order of names decides nothing.

        Args:
            rate_of: Name of a weight -> its learning rate at its height, None where the optimizer
                decides it alone; by default that of the settings.
            limit: Called after each step, to keep the weights within bounds.
        """
        self.weights = dict(sorted(weights.items()))
        self._row, self._limit = config.row(), limit
        self._longest = config.max_gradient_norm or float("inf")
        groups: dict[float | None, list[str]] = {}
        for name in self.weights:
            groups.setdefault(rate_of(name) if rate_of else config.learning_rate, []).append(name)
        self._peaks = list(groups)
        self._optimizer = optimizer_of(
            self._row,
            [[self.weights[name] for name in names] for names in groups.values()],
            self._peaks,
            config.weight_decay,
        )
        self._order = [name for names in groups.values() for name in names]
        self._scaler = scaler_of(device, config)
        self._average = MovingAverage(self.weights, config.ema) if config.ema else None
        self._lost: Tensor | None = None  # whether a step came that nothing may follow

    def scaled(self, loss: "Tensor") -> "Tensor":
        """Return a loss so large that its gradients survive half precision."""
        return self._scaler.scale(loss)

    def gradients(self) -> "list[Tensor]":
        """Return the gradient of every weight; those that had none get zeros."""
        import torch

        for weight in self.weights.values():
            if weight.grad is None:
                weight.grad = torch.zeros_like(weight)
        return [weight.grad for weight in self.weights.values() if weight.grad is not None]

    def used(self) -> "Tensor":
        """Return 1 for each weight that has a gradient and 0 for each that has none, float32."""
        import torch

        each = [float(weight.grad is not None) for weight in self.weights.values()]
        device = next(iter(self.weights.values())).device
        return torch.tensor(each, device=device)

    def leave_alone(self, used: "Tensor") -> None:
        """Take the gradients away from weights that no process used; the step changes none of them.

        With gradients of zeros weight decay would still shrink them.

        Args:
            used: As `used` returned it before `gradients` was asked, summed over the processes.
        """
        for weight, count in zip(self.weights.values(), used.tolist(), strict=True):
            if not count:
                weight.grad = None

    def update(
        self,
        rate_at: Callable[[float], float],
        loss: "Tensor | None" = None,
        wait: bool = True,
    ) -> "Tensor":
        """Take one step and forget the gradients.

        Args:
            rate_at: A learning rate at its height -> that of this step.
            loss: Of the step.
            wait: Whether to wait for the device to tell how it is; else an optimizer that can
                leaves the step out by itself, and all that follow it.

        Returns:
            False where the loss or the gradients are not finite numbers; then nothing has changed.
            Of float16 such gradients are ordinary: the step is left out, and it is True, until so
            many came in a row that no scale will help.
        """
        import torch

        self._scaler.unscale_(self._optimizer)
        norm: Any = torch.nn.utils.clip_grad_norm_(self.weights.values(), self._longest)
        norm = norm.full_tensor() if is_split(norm) else norm
        halved = self._scaler.is_enabled()
        good = self._is_scaled() if halved else norm.isfinite()
        if loss is not None:
            good = good & loss.isfinite()
        lost = ~good if self._lost is None else self._lost | ~good
        self._lost = None if wait else lost
        if wait or not self._row.leaves_out:
            if not lost:
                self._step(rate_at)
        elif halved:
            self._step(rate_at)  # its scaler tells the optimizer
        else:
            self._optimizer.found_inf = lost.float()
            self._step(rate_at)
            del self._optimizer.found_inf
        self._optimizer.zero_grad(set_to_none=True)
        if self._average:
            self._average.follow()
        return good

    def _is_scaled(self) -> "Tensor":
        """Return whether the scale of the loss is one that training has; read on its device."""
        scale: Any = self._scaler._scale  # `get_scale` would wait for the device
        found: Tensor = scale > _LEAST_SCALE
        return found

    def _step(self, rate_at: Callable[[float], float]) -> None:
        for group, peak in zip(self._optimizer.param_groups, self._peaks, strict=True):
            if peak is not None:
                group["lr"] = rate_at(peak)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._limit()

    def rate(self) -> float | None:
        """Return the learning rate of the last step of the first group.

        What an optimizer finds for itself is in it; None where it tells nothing.
        """
        group = self._optimizer.param_groups[0]
        if self._row.rate is Rate.ITS_OWN:
            return None
        return float(group["lr"]) * float(group.get("d", 1.0))

    def rest(self) -> None:
        """Put the weights that are to be used in the place of those to train with, for good."""
        if self._row.modes:
            self._optimizer.eval()
        if self._average:
            self._average.put()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Return a block in which the weights are those to be used, not those to train with.

        They are the same for most optimizers; the block leaves no trace in the training.
        """
        import torch

        if not (self._row.modes or self._average):
            yield
            return
        kept = {name: weight.detach().clone() for name, weight in self.weights.items()}
        self.rest()
        try:
            yield
        finally:
            if self._row.modes:
                self._optimizer.train()
            with torch.no_grad():
                for name, weight in self.weights.items():
                    weight.copy_(kept[name])  # there and back again is not the same to the bit

    def tensors(self) -> "dict[str, Tensor]":
        """Return what the optimizer remembers in tensors: `name/word` of every weight."""
        found = {
            f"{name}/{word}": value
            for name, state in optimizer_state.states(self._optimizer, self.weights).items()
            for word, value in state.items()
            if hasattr(value, "dtype")
        }
        for number, facts in enumerate(optimizer_state.groups(self._optimizer)):
            tensors = {word: value for word, value in facts.items() if hasattr(value, "dtype")}
            found |= {f"{_GROUP}{number}/{word}": value for word, value in tensors.items()}
        if self._average:
            means = self._average.tensors().items()
            found |= {f"{_AVERAGE}{name}": mean for name, mean in means}
        return found

    def numbers(self) -> dict[str, Any]:
        """Return what the optimizer and the scaler remember in plain numbers, fit for JSON."""
        plain = {
            name: {word: value for word, value in state.items() if not hasattr(value, "dtype")}
            for name, state in optimizer_state.states(self._optimizer, self.weights).items()
        }
        return {
            "optimizer": {name: state for name, state in plain.items() if state},
            "groups": [
                {word: value for word, value in facts.items() if not hasattr(value, "dtype")}
                for facts in optimizer_state.groups(self._optimizer)
            ],
            "scaler": self._scaler.state_dict(),
        } | ({"averaged": self._average.steps()} if self._average else {})

    def restore(
        self,
        weights: "Mapping[str, Tensor]",
        tensors: "Mapping[str, Tensor]",
        numbers: Mapping[str, Any],
    ) -> None:
        """Go back to where another trainer of the same weights was.

        Args:
            weights: A value for each weight.
            tensors: What `tensors` gave.
            numbers: What `numbers` gave; without `groups` where an older program gave it, which
                had one optimizer, whose groups remember nothing.

        Raises:
            KeyError: A weight is not among them.
        """
        import torch

        states: dict[str, dict[str, Any]] = {name: {} for name in self.weights}
        groups = self._optimizer.state_dict()["param_groups"]
        for facts, saved in zip(groups, numbers.get("groups", [{}] * len(groups)), strict=True):
            facts |= {
                word: optimizer_state.as_it_was(facts.get(word), value)
                for word, value in saved.items()
            }
        for name, state in numbers["optimizer"].items():
            states[name] |= state
        means, tensors = _parted(tensors)
        for place, tensor in tensors.items():
            name, _, word = place.rpartition("/")
            if name.startswith(_GROUP):
                groups[int(name.removeprefix(_GROUP))][word] = tensor.clone()
            else:
                states[name][word] = optimizer_state.laid_as(self.weights[name], tensor)
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(split_as(weight, weights[name]))
        known = {n: states[name] for n, name in enumerate(self._order) if states[name]}
        self._optimizer.load_state_dict({"state": known, "param_groups": groups})
        for name, state in states.items():
            optimizer_state.unround(self._optimizer.state.get(self.weights[name], {}), state)
        self._restore_others(means, numbers)

    def _restore_others(self, means: "Mapping[str, Tensor]", numbers: Mapping[str, Any]) -> None:
        """Give scaler and average back what they knew."""
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(numbers["scaler"])
        if self._average:
            self._average.restore(means, numbers["averaged"])


def _parted(tensors: "Mapping[str, Tensor]") -> "tuple[dict[str, Tensor], dict[str, Tensor]]":
    """Return averages of weights, by the weights' names, and what the optimizer remembers."""
    means = {
        place.removeprefix(_AVERAGE): one
        for place, one in tensors.items()
        if place.startswith(_AVERAGE)
    }
    return means, {place: one for place, one in tensors.items() if not place.startswith(_AVERAGE)}
