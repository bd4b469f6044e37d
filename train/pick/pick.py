"""`train pick`: one export of a run is recommended, in three sentences and one plot."""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from prep.dataset import dataset_file
from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.errors import ConfigError
from prep.runtime.lock import hold
from prep.runtime.seeds import seed_for
from train.adapters.lora_metadata import said
from train.adapters.run_exports import exports_of
from train.export.average import AVERAGED
from train.export.lora_file import steps_of
from train.export.metadata import usual_size
from train.pick.choice import ScoredExport, choice
from train.pick.draw_exports import draw_exports, place_of
from train.pick.export_figures import (
    ExportFigures,
    figures_of,
    quality,
    quality_error,
    subject_of,
)
from train.pick.judged import judged
from train.pick.pick_prompts import SEEDS, PickPicture, asked_pictures
from train.pick.pick_words import Found, plotted, sentences
from train.run import fixed_losses, run_folder
from train.run.decide import Run
from train.run.run_settings import run_of
from train.samples.prompts import Prompt, check_drawable

if TYPE_CHECKING:
    from PIL import Image

FOLDER, PLOT = "pick", "pick.svg"  # in the run folder
_MOST_OWN = 24  # pictures of the subject that a tagger looks at


@dataclass(frozen=True)
class PickWish:
    """What a person asked for.

    Attributes:
        tagger: None: nothing is drawn.
        pictures: About how many are drawn of each export.
        usual: Steps, guidance, sampler and negative prompt of a drawing.
        seed: Decides which texts are drawn.
    """

    tagger: str | None = None
    pictures: int = 12
    usual: Prompt = field(default_factory=lambda: Prompt(""))
    seed: int = 0
    device: str = "auto"


def pick(folder: Path, wish: PickWish, models: Models, console: Console) -> Path:
    """Recommend one export of a run; return it.

    Pictures and what the tagger saw are kept in the run folder: the same command draws nothing
    again, and goes on where it was stopped.

    Raises:
        ConfigError: It is no run folder, its dataset changed since, or it has no export.
        UserError: As of drawing.
    """
    run_folder.run_folder(folder)
    exports = sorted((one for one in exports_of(folder) if AVERAGED not in said(one)), key=steps_of)
    if not exports:
        raise ConfigError(
            f"`{folder}` has no export", "train it, with `--save-every-epochs` for several"
        )
    run = run_of(folder, models)
    run = replace(run, config=replace(run.config, device=wish.device))
    figures, asked = ([ExportFigures()] * (len(exports) + 1), 0)
    if wish.tagger is not None:
        with hold(folder / FOLDER, folder, "train pick"):
            figures, asked = _judged(run, exports, wish, wish.tagger, console)
    rows = {row.step: row for row in fixed_losses.read(folder / fixed_losses.NAME)}
    each = []
    for export, one in zip(exports, figures[1:], strict=True):
        row = rows.get(steps_of(export))
        means = row.means() if row else {}
        each.append(ScoredExport(
            export.name, steps_of(export), quality(one), quality_error(one),
            means.get("held_out_loss"), means.get("trained_loss"),
        ))  # fmt: skip
    found = Found(
        each, choice(each), figures, len(run.data.validation), asked, wish.tagger is not None
    )
    files.write(folder / PLOT, plotted(folder.name, found).encode())
    chosen = exports[found.choice.number]
    console.say(
        f"take {chosen}", *sentences(found), f"  plot: {folder / PLOT}",
        export=str(chosen), by=found.choice.by, alike=[exports[n].name for n in found.choice.alike],
        exports=[_facts(one, of) for one, of in zip(each, figures[1:], strict=True)],
    )  # fmt: skip
    return chosen


def _judged(
    run: Run, exports: Sequence[Path], wish: PickWish, tagger: str, console: Console
) -> tuple[list[ExportFigures], int]:
    """Return the figures of the base model and of each export, and how many pictures each has."""
    folder = run.folder / FOLDER / "pictures"
    width, height = usual_size(run.data)
    usual = replace(wish.usual, width=width, height=height)
    check_drawable(usual, run.family)
    asked = asked_pictures(run.data, usual, wish.pictures, wish.seed)
    drawn = draw_exports(run, exports, asked, folder, console)
    own = _own_pictures(run, folder, wish.seed)
    seen = judged(folder, tagger)
    each = {
        export: [seen.get(place_of(folder, export, n).name, {}) for n in range(len(asked))]
        for export in drawn
    }
    called = [seen_ for one, seen_ in zip(asked, each[None], strict=True) if one.called]
    subject = subject_of(
        {key: seen.get(place.name, {}) for key, place in own.items()}, _tags_of(run, own), called
    )
    apart = {export: _apart(asked, pictures) for export, pictures in drawn.items()}
    return [
        figures_of(asked, each[export], subject, apart[export] / apart[None] if apart[None] else 1)
        for export in (None, *exports)
    ], len(asked)


def _own_pictures(run: Run, folder: Path, seed: int) -> dict[str, Path]:
    """Copy some pictures of the subject beside the drawn ones; return key -> copy.

    A picture that is not there any more is left out.
    """
    found: dict[str, Path] = {}
    places = _places(run)
    able = [key for key, one in run.data.samples.items() if not one.regularisation]
    for key in sorted(able, key=lambda key: seed_for(seed, "own", key)):
        source = places.get(key)
        if source is None or not source.is_file() or len(found) == _MOST_OWN:
            continue
        target = folder / f"own--{run.data.samples[key].digest[:16]}{source.suffix}"
        if not target.exists():
            with files.disk_errors(target):
                shutil.copyfile(source, target)
        found[key] = target
    return found


def _places(run: Run) -> dict[str, Path]:
    """Return where the pictures lie, by the keys of `train.data.dataset.load`."""
    found: dict[str, Path] = {}
    named = run_folder.run_folder(run.folder)["datasets"]
    for number, path in enumerate(map(Path, named), 1):
        one = dataset_file.load(path)
        before = "" if number == 1 else f"{number}/"
        found |= {before + key: path.parent / one.root / key for key in one.samples}
    return found


def _tags_of(run: Run, keys: Mapping[str, Path]) -> dict[str, tuple[str, ...]]:
    each = {key: run.data.samples[key].wordings()[0] for key in keys}
    return {key: said.words[said.lead : said.num_tags] for key, said in each.items()}


def _apart(asked: Sequence[PickPicture], pictures: "Sequence[Image.Image]") -> float:
    """Return how far pictures of one text are apart, 0 to 255, a mean over the texts."""
    import numpy as np

    small = [np.asarray(one.resize((32, 32)), np.float64) for one in pictures]
    found = [
        float(np.sqrt(((small[n] - small[n + 1]) ** 2).mean()))
        for n in range(0, len(asked) - 1, SEEDS)
    ]
    return fmean(found) if found else 0.0


def _facts(one: ScoredExport, figures: ExportFigures) -> dict[str, object]:
    return {
        "export": one.name, "step": one.step, "quality": one.quality, "error": one.error,
        "held_out_loss": one.held_out, "trained_loss": one.trained,
        "obeyed": figures.obeyed, "identity": figures.identity, "leak": figures.leak,
        "diversity": figures.diversity,
    }  # fmt: skip
