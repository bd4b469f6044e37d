"""Regularisation pictures seen as often as all others together.

Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py `DreamBoothDataset`.
"""

from dataclasses import replace

from train.data.dataset import Data


def balanced(data: Data) -> Data:
    """Return data whose regularisation pictures are seen as often as all others together.

    Each keeps its repeats while there is room for them, in the order of the keys, and then gets one
    more after the other. Those for which no room is left are not trained on; see `Data.spare`.
    Without either kind nothing changes.
    """
    repeats = {key: one.repeats for key, one in data.samples.items() if one.regularisation}
    most = sum(one.repeats for one in data.samples.values() if not one.regularisation)
    if not (repeats and most):
        return data
    found: dict[str, int] = {}
    left = most
    for key in sorted(repeats):
        if left > 0:
            found[key] = repeats[key]
            left -= repeats[key]
    each, more = divmod(max(0, left), len(found))
    found = {key: count + each + (nth < more) for nth, (key, count) in enumerate(found.items())}
    samples = {
        key: replace(one, repeats=found.get(key, one.repeats))
        for key, one in data.samples.items()
        if key in found or not one.regularisation
    }
    return replace(data, samples=samples, spare=len(repeats) - len(found))
