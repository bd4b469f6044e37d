"""The weights that learn, their optimizer, and all that both must remember."""

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from prep.runtime.errors import MachineError
from train.config import Config

if TYPE_CHECKING:
    from torch import Tensor, nn

# Where a person gets what an option needs.
_EXTRAS = {
    "optimizer": ("adamw8bit", "bitsandbytes"),
    "attention": ("xformers", "xformers"),
}


def check_machine(config: Config, has: Callable[[str], bool]) -> None:
    """Raise MachineError where the settings need what is not installed.

    Args:
        has: Whether a package is.
    """
    for word, (value, package) in _EXTRAS.items():
        if getattr(config, word) == value and not has(package):
            raise MachineError(
                f"`--{word} {value}` needs `{package}`, which is not installed",
                f"`pip install {package}`, or leave `--{word}` out",
            )


def check_device(config: Config, device: str) -> None:
    """Raise MachineError where the settings need a GPU, and the run is on the CPU."""
    if device == "cpu":
        for word, value, hint in (
            ("precision", "fp16", "use `bf16` or `fp32`"),
            ("attention", "xformers", "use `sdpa`"),
        ):
            if getattr(config, word) == value:
                raise MachineError(
                    f"`--{word} {value}` needs a GPU, and this run is on the CPU", hint
                )


class Learner:
    """Weights that learn, and what their optimizer knows of them."""

    def __init__(self, weights: "Mapping[str, nn.Parameter]", config: Config, device: str) -> None:
        """Begin to train `weights`, float32, by name; the order of names decides nothing."""
        import torch

        self.weights = dict(sorted(weights.items()))
        self._longest = config.max_gradient_norm or float("inf")
        self._optimizer = _optimizer(list(self.weights.values()), config)
        self._scaler = torch.amp.GradScaler(device, enabled=config.precision == "fp16")

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

    def update(self, rate: float) -> bool:
        """Take one step with a learning rate and forget the gradients.

        Returns:
            False where gradients are not finite numbers; then nothing has changed. In half
            precision that is ordinary and True: the step is left out.
        """
        import torch

        self._scaler.unscale_(self._optimizer)
        norm = torch.nn.utils.clip_grad_norm_(self.weights.values(), self._longest)
        good = self._scaler.is_enabled() or bool(norm.isfinite())
        if good:
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            self._scaler.step(self._optimizer)
            self._scaler.update()
        self._optimizer.zero_grad(set_to_none=True)
        return good

    def tensors(self) -> "dict[str, Tensor]":
        """Return what the optimizer remembers in tensors: `name/word` of every weight."""
        return {
            f"{name}/{word}": value
            for name, state in self._states().items()
            for word, value in state.items()
            if hasattr(value, "dtype")
        }

    def numbers(self) -> dict[str, Any]:
        """Return what the optimizer and the scaler remember in plain numbers, fit for JSON."""
        plain = {
            name: {word: value for word, value in state.items() if not hasattr(value, "dtype")}
            for name, state in self._states().items()
        }
        return {
            "optimizer": {name: state for name, state in plain.items() if state},
            "scaler": self._scaler.state_dict(),
        }

    def restore(
        self,
        weights: "Mapping[str, Tensor]",
        tensors: "Mapping[str, Tensor]",
        numbers: Mapping[str, Any],
    ) -> None:
        """Go back to where another learner of the same weights was.

        Args:
            weights: A value for each weight.
            tensors: What `tensors` gave.
            numbers: What `numbers` gave.

        Raises:
            KeyError: A weight is not among them.
        """
        import torch

        states: dict[str, dict[str, Any]] = {name: {} for name in self.weights}
        for name, state in numbers["optimizer"].items():
            states[name] |= state
        for place, tensor in tensors.items():
            name, _, word = place.rpartition("/")
            states[name][word] = tensor.clone()  # the file may go
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(weights[name])
        known = {n: states[name] for n, name in enumerate(self.weights) if states[name]}
        groups = self._optimizer.state_dict()["param_groups"]
        self._optimizer.load_state_dict({"state": known, "param_groups": groups})
        if self._scaler.is_enabled():
            self._scaler.load_state_dict(numbers["scaler"])

    def _states(self) -> dict[str, dict[str, Any]]:
        # Not its state_dict(): the 8-bit optimizers pack theirs into dicts of their own.
        known = self._optimizer.state
        return {name: dict(known.get(weight, {})) for name, weight in self.weights.items()}


def _optimizer(weights: "list[nn.Parameter]", config: Config) -> Any:
    """Return AdamW over one group of weights, with torch's betas and epsilon."""
    import torch

    rate, decay = config.learning_rate, config.weight_decay
    if config.optimizer == "adamw8bit":
        kind = importlib.import_module("bitsandbytes.optim").AdamW8bit
        return kind(weights, lr=rate, weight_decay=decay)
    return torch.optim.AdamW(weights, lr=rate, weight_decay=decay, fused=True)
