"""Pictures that are held out: chosen by chance from a seed, a source picture whole."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError
from prep.runtime.seeds import seed_for
from train.config import Config
from train.data import dataset as datasets
from train.data.dataset import Data, TrainingSample
from train.watch_options import fold_of


def without_held_out(data: Data, config: Config) -> Data:
    """Return the data without the pictures that the settings hold out of the training.

    Raises:
        ConfigError: None would be left to train on, or one of them trains as well.
        DatasetError: The dataset file that is held out cannot be read.
    """
    if config.held_out:
        data = _divided(data, config)
    if config.held_out_fold:
        data = _without_fold(data, config)
    if config.held_out_data is not None:
        data = _with_others(data, config.held_out_data)
    return data


def source_count(data: Data) -> int:
    """Return how many source pictures could be held out."""
    return len(_sources(_able(data)))


def both_sides(data: Data) -> list[str]:
    """Return the keys of held-out pictures of which a copy or variant trains, sorted."""
    trained = {name for one in data.samples.values() for name in _names(one)}
    return sorted(
        key for key, one in data.validation.items() if not trained.isdisjoint(_names(one))
    )


def _divided(data: Data, config: Config) -> Data:
    """Return the data with a share, or a number, of its source pictures held out.

    Pictures of the class are none of them: nothing is learnt of them that could be asked for.
    """
    groups = _drawn(data, config)
    wish = config.held_out
    count = max(1, round(wish * len(groups))) if wish < 1 else int(wish)
    if count >= len(groups):
        there = counted(len(groups), "source picture")
        raise ConfigError(
            f"`--held-out` is {wish:g}, and there are {there}", "hold fewer of them out"
        )
    return _without(data, groups[:count])


def _without_fold(data: Data, config: Config) -> Data:
    """Return the data with one of several equal parts of its source pictures held out.

    Raises:
        ConfigError: There are fewer source pictures than parts.
    """
    groups = _drawn(data, config)
    number, count = fold_of(config)
    if count > len(groups):
        there = counted(len(groups), "source picture")
        raise ConfigError(
            f"`--held-out-fold` is {config.held_out_fold}, and there are {there}",
            "make fewer parts",
        )
    return _without(data, groups[number - 1 :: count])


def _able(data: Data) -> Mapping[str, TrainingSample]:
    """Return the pictures that may be held out."""
    return {key: one for key, one in data.samples.items() if not one.regularisation}


def _drawn(data: Data, config: Config) -> list[list[str]]:
    """Return the keys of each source picture, in the order in which they are drawn."""
    able = _able(data)
    seed = config.seed if config.held_out_seed is None else config.held_out_seed
    return sorted(_sources(able), key=lambda keys: seed_for(seed, "held out", _digest(able, keys)))


def _without(data: Data, groups: Iterable[Iterable[str]]) -> Data:
    out = {key for keys in groups for key in keys}
    return replace(
        data,
        samples={key: one for key, one in data.samples.items() if key not in out},
        held_out=data.held_out + len(out),
        validation={**data.validation, **{key: data.samples[key] for key in sorted(out)}},
    )


def _digest(samples: Mapping[str, TrainingSample], keys: Iterable[str]) -> str:
    """Return what a source picture is drawn by: a new name for it, or another one, moves none."""
    return min(samples[key].digest for key in keys)


def _sources(samples: Mapping[str, TrainingSample]) -> list[list[str]]:
    """Return the keys of samples, those of one source picture or of equal content together."""
    group_of: dict[str, list[str]] = {}
    for key, one in sorted(samples.items()):
        met = {id(group_of[name]): group_of[name] for name in _names(one) if name in group_of}
        whole = [*(known for group in met.values() for known in group), key]
        for known in whole:
            group_of |= dict.fromkeys(_names(samples[known]), whole)
    return list({id(group): group for group in group_of.values()}.values())


def _names(one: TrainingSample) -> tuple[str, ...]:
    return one.digest, one.latents_digest, one.source


def _with_others(data: Data, path: Path) -> Data:
    """Return the data with the pictures of another dataset file held out beside its own."""
    found = datasets.load([path])
    others = {
        f"{path.name}/{key}": one for key, one in {**found.samples, **found.validation}.items()
    }
    data = replace(
        data,
        validation={**data.validation, **others},
        vaes={**data.vaes, **{str(path): one for one in found.vaes.values()}},
    )
    shared = [key for key in both_sides(data) if key in others]
    if shared:
        raise ConfigError(
            f"in `--held-out-data`, and trained on as well or in a variant: "
            f"{counted(len(shared), 'picture')}, the first is "
            f"`{shared[0].removeprefix(f'{path.name}/')}`",
            "take it out of one of the two dataset files",
        )
    return data
