"""`train what-if`: the last part of a run with an edit of its dataset beside the part as it was."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError
from prep.runtime.lock import hold
from prep.runtime.seeds import seed_for
from train.adapters.run_exports import config_of_run
from train.again.edits import DataEdit, edited, tags_of
from train.again.last_part import Variant, first_step, trained
from train.again.what_if_figures import Moved, apart, seen
from train.data.dataset import Data
from train.export.metadata import usual_size
from train.families.weighted_words import escaped
from train.pick.draw_exports import BASE, draw_exports, place_of
from train.pick.judged import judged
from train.pick.pick_prompts import PickPicture
from train.run.decide import Run
from train.run.run_settings import run_of
from train.samples.drawer import png
from train.samples.grid import grid
from train.samples.prompts import Prompt, check_drawable

if TYPE_CHECKING:
    from PIL import Image

AS_IT_WAS, EDITED, CHANCE = "as it was", "with the edit", "by chance"
_MOST_TEXTS = 4
_SHEET = "sheet.png"


@dataclass(frozen=True)
class WhatIf:
    """What a person asked for.

    Attributes:
        run: Its folder; None: the newest run in `out_of` that trained on the dataset.
        step: The checkpoint to go on from; None: the oldest one.
        chance: How many more times the part is trained, to know what chance does.
        pictures: Of each text.
        usual: Steps, guidance, sampler and negative prompt of a drawing.
        texts: What is drawn; empty for what the edit tells of.
        watched: Tags that are looked for in what is drawn, beside those of the edits.
        out: None: `what-if` in the run folder, named by the edit.
    """

    edits: Sequence[DataEdit]
    run: Path | None = None
    out_of: Path = Path("runs")
    step: int | None = None
    chance: int = 2
    pictures: int = 4
    usual: Prompt = field(default_factory=lambda: Prompt(""))
    texts: Sequence[str] = ()
    watched: Sequence[str] = ()
    tagger: str | None = None
    out: Path | None = None
    device: str = "auto"


def what_if(meta: Path, wish: WhatIf, models: Models, console: Console) -> list[Moved]:
    """Train, draw and compare; return how far each figure moved.

    What is trained and drawn is kept: the same command goes on.

    Raises:
        ConfigError: The run is not known or has no checkpoint, or an edit changes nothing.
        UserError: As of training and drawing.
    """
    place = wish.run or _newest(meta, wish.out_of)
    run = run_of(place, models)
    run = replace(run, config=replace(run.config, device=wish.device))
    if str(meta.resolve()) not in _datasets(place):
        raise ConfigError(f"`{place}` did not train on `{meta}`", "name a run of that dataset")
    other, keys = edited(run.data, wish.edits)
    step = first_step(run, wish.step)
    told = " ".join(edit.told() for edit in wish.edits)
    common = place / "what-if" / f"from step {step}"  # what no edit changes is trained once
    folder = wish.out or common / files.digest_bytes(told.encode())[:8]
    with hold(common, place, "train what-if"):
        exports = [
            trained(one, step, folder if one.name == EDITED else common, console)
            for one in _variants(run, other, told, wish.chance)
        ]
        asked = _asked(run, other, keys, wish)
        drawn = draw_exports(run, exports, asked, folder / "pictures", console)
        found = _moved(asked, [drawn[one] for one in exports])
        if wish.tagger is not None:
            found += _tags_moved(asked, exports, folder / "pictures", wish)
        files.write(folder / _SHEET, _sheet(asked, [drawn[None], *(drawn[o] for o in exports)]))
    console.say(
        f"{told}: {counted(len(keys), 'picture')}, steps {step + 1} to {run.steps} of {place}",
        *_lines(found),
        f"  sheet: {folder / _SHEET}",
        keys=keys, sheet=str(folder / _SHEET), exports=[str(one) for one in exports],
        moved=[vars(one) | {"times": one.times} for one in found],
    )  # fmt: skip
    return found


def _variants(run: Run, other: Data, told: str, chance: int) -> list[Variant]:
    """Return the part as it was, with the edit, and with other order, times and noise."""
    found = [Variant(AS_IT_WAS, run), Variant(EDITED, replace(run, data=other), told)]
    for number in range(1, chance + 1):
        seed = seed_for(run.config.seed, "what if", number)
        config = replace(run.config, seed=seed)
        found.append(Variant(f"{CHANCE} {number}", replace(run, config=config), f"seed {seed}"))
    return found


def _newest(meta: Path, runs: Path) -> Path:
    """Return the newest run folder that trained on a dataset."""
    found = [
        path.parent
        for path in runs.glob("*/config.json")
        if str(meta.resolve()) in _datasets(path.parent)
    ]
    if not found:
        raise ConfigError(f"no run in `{runs}` trained on `{meta}`", "name one: `--run RUN`")
    return max(found, key=lambda folder: ((folder / "config.json").stat().st_mtime, folder.name))


def _datasets(folder: Path) -> list[str]:
    return [str(Path(one).resolve()) for one in config_of_run(folder).get("datasets", ())]


def _asked(run: Run, other: Data, keys: Sequence[str], wish: WhatIf) -> list[PickPicture]:
    """Return the pictures that are drawn of each variant."""
    width, height = usual_size(run.data)
    usual = replace(wish.usual, width=width, height=height)
    check_drawable(usual, run.family)
    texts = list(wish.texts) or _texts(run, other, keys, wish.edits)
    return [
        PickPicture(replace(usual, text=text, seed=n), (), True, number)
        for number, text in enumerate(texts)
        for n in range(wish.pictures)
    ]


def _texts(run: Run, other: Data, keys: Sequence[str], edits: Sequence[DataEdit]) -> list[str]:
    """Return each tag that an edit gives or takes, behind the trigger; else what was dropped."""
    tags = dict.fromkeys(tags_of(edits))
    sample = run.data.samples[keys[0]]
    lead = sample.words[: sample.lead]
    found = [", ".join((*lead, tag)) for tag in tags]
    found += [run.data.samples[key].text for key in keys if other.samples[key].weight == 0]
    return [escaped(text) for text in dict.fromkeys(found)][:_MOST_TEXTS]


def _groups(asked: Sequence[PickPicture]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for number, one in enumerate(asked):
        found.setdefault(one.prompt.text, []).append(number)
    return found


def _moved(asked: Sequence[PickPicture], drawn: "Sequence[Sequence[Image.Image]]") -> list[Moved]:
    import numpy as np

    def distance(one: "Image.Image", other: "Image.Image") -> float:
        a, b = (np.asarray(each, np.float64) for each in (one, other))
        return float(np.sqrt(((a - b) ** 2).mean()))

    before, *others = drawn
    return [
        apart(text, [fmean(distance(before[n], each[n]) for n in numbers) for each in others])
        for text, numbers in _groups(asked).items()
    ]


def _tags_moved(
    asked: Sequence[PickPicture], exports: Sequence[Path], folder: Path, wish: WhatIf
) -> list[Moved]:
    """Return how far the tags of the edits moved in what was drawn of each text."""
    scores = judged(folder, wish.tagger or "")
    tags = dict.fromkeys([*wish.watched, *tags_of(wish.edits)])
    return [
        seen(text, tag, {
            export.name: [
                scores.get(place_of(folder, export, n).name, {}).get(tag, 0.0) for n in numbers
            ]
            for export in exports
        })
        for text, numbers in _groups(asked).items()
        for tag in tags
    ]  # fmt: skip


def _lines(found: Sequence[Moved]) -> list[str]:
    lines: list[str] = []
    for text in dict.fromkeys(one.text for one in found):
        lines += [f"`{text}`:", *(one.line() for one in found if one.text == text)]
    return lines


def _sheet(asked: Sequence[PickPicture], columns: "Sequence[Sequence[Image.Image]]") -> bytes:
    """Return all pictures side by side as a PNG."""
    chance = [f"{CHANCE} {n}" for n in range(1, len(columns) - 2)]
    rows = [(one.prompt.text, f"seed {one.prompt.seed}") for one in asked]
    pictures = [column[n] for n in range(len(asked)) for column in columns]
    return png(grid([BASE, AS_IT_WAS, EDITED, *chance], rows, pictures), "train what-if")
