"""What `--without` leaves out of a run of kohya's scripts, and what is told of it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from prep.runtime.errors import ConfigError
from train.kohya.kohya_networks import deciding_args
from train.kohya.kohya_sources import KohyaRun


def left_out(run: KohyaRun, without: Sequence[str]) -> tuple[KohyaRun, list[str]]:
    """Return a run without some of its options, and what is to be told of each of them.

    Words of `network_args` that decide which kind of adapter learns stay.

    Raises:
        ConfigError: What would be left out decides what is trained.
    """
    if "network_module" in without and "network_module" in run.options:
        raise ConfigError(
            f"`network_module` is `{run.options['network_module']}`, and without it this would be "
            "another training",
            "leave it in, and leave out what belongs to it: `--without network_args`",
        )
    kept = deciding_args(run.options) if "network_args" in without else []
    options = {name: value for name, value in run.options.items() if name not in without}
    options |= {"network_args": kept} if kept else {}
    dataset = None if run.dataset is None else _plain(run.dataset, without)
    told = [note for name in dict.fromkeys(without) for note in _told(run, name, kept)]
    return replace(run, options=options, dataset=dataset), told


def _told(run: KohyaRun, name: str, kept: Sequence[str]) -> Iterator[str]:
    """Yield what is left out by a name, where it stands, and what stays."""
    given = [run.options[name]] if name in run.options else []
    values = [*given, *(table[name] for table in _tables(run.dataset or {}) if name in table)]
    if not values:
        yield f"`--without {name}` leaves nothing out: it is not given"
        return
    stays = kept if name == "network_args" else ()
    shown = dict.fromkeys(one for value in values if (one := _shown(value, stays)))
    if shown:
        yield f"left out by `--without`: `{name}` is {', '.join(f'`{one}`' for one in shown)}"
    if stays:
        yield f"`network_args` keeps `{' '.join(kept)}`, which decides what learns"
    masked = [run.options, *_tables(run.dataset or {})]
    if name == "conditioning_data_dir" and any(table.get("masked_loss") for table in masked):
        yield (
            "`masked_loss` stays: of pictures without a mask beside them (`x.mask.png` beside "
            "`x.jpg`) everything trains"
        )


def _shown(value: Any, kept: Sequence[str]) -> str:
    """Return a value as it was written, without the words that stay."""
    if value is True:
        return "true"
    words = value if isinstance(value, list) else [value]
    return " ".join(str(word) for word in words if word not in kept)


def _tables(dataset: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the tables of a dataset file that options stand in."""
    yield dataset.get("general", {})
    for one in dataset.get("datasets", []):
        yield one
        yield from one.get("subsets", [])


def _plain(table: Mapping[str, Any], without: Sequence[str]) -> dict[str, Any]:
    """Return a table of a dataset file, and those in it, without some options."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        if name in without:
            continue
        if isinstance(value, Mapping):
            found[name] = _plain(value, without)
        elif name in ("datasets", "subsets"):
            found[name] = [_plain(one, without) for one in value]
        else:
            found[name] = value
    return found
