"""`train reproduce`: an export is trained again from its certificate, and compared."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prep.models.locate import Models
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from train.adapters.run_exports import export_of
from train.again.born import Born, born, settings_of
from train.again.differences import differences
from train.again.same_tensors import TensorMatch, places_of, tensor_match
from train.config import Config
from train.export.made_with import packages
from train.export.rounding import precision_of
from train.families.detect import opened_base
from train.run.decide import Run, decide, program_version
from train.run.outputs import output
from train.run.start import start

AGAIN = "again"  # folder beside an export that it is trained into
_OTHERWISE = (
    "put that back as it was; `--anyway` trains with what is here, and tells how far the two are "
    "apart"
)


@dataclass(frozen=True)
class ReproduceWish:
    """What a person asked for.

    Attributes:
        data: Dataset files; empty for those that the run folder names.
        base: None for the base model that the run folder, or the dataset, names.
        start_from: The LoRA that it went on from; None for the one that the run folder names.
        out: None for a folder of its name in `again`, beside the export.
        anyway: Whether to train although something is not as it was.
    """

    data: Sequence[Path] = ()
    base: str | None = None
    start_from: Path | None = None
    out: Path | None = None
    anyway: bool = False


def reproduce(place: Path, wish: ReproduceWish, models: Models, console: Console) -> bool:
    """Train an export again, and tell whether it is the same; return that.

    The same command goes on with a training that was stopped.

    Raises:
        ConfigError: Something is not as it was: all of it is named, and nothing is begun.
        UserError: As of `train.run.start`.
    """
    found = born(export_of(place))
    places_of(found.place)  # what cannot be compared is told before it is trained
    paths = list(wish.data) or found.datasets()
    config = _settings(found, wish, models, paths)
    with_threads(int(found.certificate.get("threads", 0)), config.device)
    run = decide(paths, config, models, config.precision)
    _check(found, run, wish.anyway, console)
    start(paths, config, models, console)
    made = output(run, found.step, []).export
    return _told(found, made, tensor_match(found.place, made), console)


def with_threads(count: int, device: str) -> None:
    """Let torch compute on so many threads of the CPU: others sum in another order; 0: as it is."""
    import torch

    if count and device == "cpu":
        torch.set_num_threads(count)


def _settings(found: Born, wish: ReproduceWish, models: Models, paths: Sequence[Path]) -> Config:
    base = wish.base or found.base()
    more: dict[str, object] = {
        "base": base,
        "out": wish.out or found.place.parent / AGAIN / found.place.stem,
    }
    began = found.told.get("prep_start_from")
    if began:
        there = wish.start_from or found.run.get("start_from")
        if there is None:
            raise ConfigError(
                f"`{found.place}` went on from `{began}`, and where that is is not known",
                "name it: `--start-from FILE`",
            )
        more["start_from"] = Path(there)
    config = settings_of(found, **more)
    if base is None:
        from train.data import dataset

        base = dataset.load(paths).base
    if base is None:
        raise ConfigError(
            f"the base model of `{found.place}` is not known: it is not in its run folder",
            "name it: `--base` and a folder, a single file, a hub id or `tiny`",
        )
    _, family = opened_base(base, models)
    precision = precision_of(found.place, family.network)
    return replace(config, base=base, save_precision=precision)


def _check(found: Born, run: Run, anyway: bool, console: Console) -> None:
    """Raise ConfigError where something is not as it was, unless that is wished."""
    program = f"prep-and-train {program_version()}"
    wrong = [*differences(found.certificate, run, program, packages())]
    if not wrong and run.recipe != found.certificate["recipe"]:
        wrong = ["its recipe is another one, though pictures, base model and program are the same"]
    if not wrong:
        return
    if not anyway:
        each = [(f"{line}", None) for line in wrong[1:]]
        raise ConfigError(f"`{found.place.name}`: {wrong[0]}", _OTHERWISE, each)
    for line in wrong:
        console.note(f"not as it was: {line}")


def _told(found: Born, made: Path, same: TensorMatch, console: Console) -> bool:
    """Say what the comparison found; return whether both are equal."""
    facts = {"export": str(made), "equal": not same.first, "cosine": same.cosine}
    if same.first:
        console.say(
            f"NOT equal: {same.differing} of {same.count} tensors differ, the first is "
            f"`{same.first}`; cosine between the two changes {same.cosine:.6f}",
            f"  trained again: {made}",
            first=same.first, **facts,
        )  # fmt: skip
        return False
    whole = made.is_file() and made.read_bytes() == found.place.read_bytes()
    more = "and so are the two files, byte by byte" if whole else "their metadata are not"
    console.say(
        f"equal: all {same.count} tensors are, bit by bit, {more}", f"  trained again: {made}",
        bytes=whole, **facts,
    )  # fmt: skip
    return True
