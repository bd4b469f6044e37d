"""Tensors that training code leaves in files of weights, and that nothing reads: by names alone."""

from collections.abc import Mapping

from train.families import file_marks
from train.weights.contents import ADAPTER, HYPERNETWORK, MODEL, PART, Contents
from train.weights.weight_source import WeightSource

EMA = "moving averages (EMA)"
OPTIMIZER = "state of an optimizer"
TRAINER = "state of a training"
TABLES = "tables of noise"
POSITIONS = "counts of positions"
# How the names begin -> what they are.
_BEGIN: Mapping[str, str] = {
    "model_ema.": EMA,
    "ema_model.": EMA,
    "ema.": EMA,
    "optimizer": OPTIMIZER,
    "opt_state": OPTIMIZER,
    "lr_scheduler": TRAINER,
    "lr_schedulers": TRAINER,
    "callbacks.": TRAINER,
    "loops.": TRAINER,
    "loss.": TRAINER,
    "alphas_cumprod": TABLES,
    "betas": TABLES,
    "sqrt_": TABLES,
    "log_one_minus": TABLES,
    "posterior_": TABLES,
    "logvar": TABLES,
    "lvlb_weights": TABLES,
    "denoiser.sigmas": TABLES,
    "denoiser.log_sigmas": TABLES,
}
_END: Mapping[str, str] = {
    ".exp_avg": OPTIMIZER,
    ".exp_avg_sq": OPTIMIZER,
    ".momentum_buffer": OPTIMIZER,
    "position_ids": POSITIONS,
}


def leftovers(source: WeightSource, what: Contents) -> dict[str, tuple[str, ...]]:
    """Return what is left over -> the names of its tensors, sorted.

    Marks of what a model predicts are none, and of a model older programs read the counts of
    positions.
    """
    if what.kind == HYPERNETWORK:
        return {}
    adapted = {name for one in what.modules.values() for name in one.roles.values()}
    found: dict[str, list[str]] = {}
    for name in source.tensors:
        if name in adapted or name in file_marks.MARKS:
            continue
        kind = _kind(name)
        if kind == POSITIONS and what.kind != ADAPTER:
            continue
        if kind:
            found.setdefault(kind, []).append(name)
    return {kind: tuple(names) for kind, names in found.items()}


def _kind(name: str) -> str:
    begin = next((kind for before, kind in _BEGIN.items() if name.startswith(before)), "")
    return begin or next((kind for end, kind in _END.items() if name.endswith(end)), "")


def positions(source: WeightSource, what: Contents) -> tuple[str, ...]:
    """Return the counts of positions of a model that are rounded, or not counted at all.

    They are 0 to 76 as whole numbers; files that were merged in half precision have others, and
    readers then look words up in wrong places.
    """
    import numpy as np

    if what.kind not in (MODEL, PART):
        return ()
    wrong = []
    for name, at in source.tensors.items():
        if name.endswith("position_ids"):
            count = source.count(name)
            right = np.arange(count, dtype=np.float64)
            if at.dtype != "I64" or not np.array_equal(source.whole(name).reshape(-1), right):
                wrong.append(name)
    return tuple(wrong)
