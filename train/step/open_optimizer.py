"""What steps are taken with: the optimizer of a row, and what scales losses in float16."""

import importlib
from typing import TYPE_CHECKING, Any

from train.config import Config
from train.optimizers import Optimizer

if TYPE_CHECKING:
    from torch import nn
    from torch.amp import GradScaler


def optimizer_of(
    row: Optimizer,
    weights: "list[list[nn.Parameter]]",
    rates: list[float | None],
    decay: float,
) -> Any:
    """Return an optimizer over groups of weights; betas and epsilon are its package's own."""
    module, _, name = row.path.rpartition(".")
    groups = [
        {"params": each, **({} if rate is None else {"lr": rate})}
        for each, rate in zip(weights, rates, strict=True)
    ]
    kind = getattr(importlib.import_module(module), name)
    first = {} if rates[0] is None else {"lr": rates[0]}
    return kind(groups, weight_decay=decay, **first, **row.arguments)


def scaler_of(device: str, config: Config) -> "GradScaler":
    """Return what scales the loss in float16, and nothing in other precisions.

    Gradients may be float16 themselves, which torch would refuse: accelerate's scaler is opened in
    the same way by kohya's scripts.

    Source: kohya-ss/sd-scripts (commit 48d368fa), patch_accelerator_for_fp16_training.
    """
    import torch

    class AnyScaler(torch.amp.GradScaler):
        def _unscale_grads_(
            self, optimizer: Any, inv_scale: Any, found_inf: Any, allow_fp16: bool
        ) -> Any:
            return super()._unscale_grads_(optimizer, inv_scale, found_inf, bool(config.full()))

    return AnyScaler(device, enabled=config.precision == "fp16")
