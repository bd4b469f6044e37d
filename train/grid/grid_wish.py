"""What a person asks `train grid` for: its rows and columns, and whether they go together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prep.models.locate import FoundModel, Models
from prep.runtime.errors import ConfigError, ModelFileError, UsageError, UserError
from train.adapters.file_kinds import kind_of
from train.adapters.run_exports import config_of_run
from train.families.detect import opened_base
from train.families.family import Family
from train.grid.grid_exports import Broken, GridExport
from train.grid.grid_plan import GridColumn
from train.grid.prompt_variants import variants
from train.samples.as_trained import check_layer, chosen_layer
from train.samples.subject import Subject
from train.samples.wish import Wish, asked

MOST_CELLS = 10_000


@dataclass(frozen=True)
class GridWish:
    """What a grid shows.

    Attributes:
        texts: Prompts on the command line; `{a|b}` in one are two.
        file: Of further prompts.
        usual: What a prompt does not say: fields of `Prompt`.
        samplers: A row each for prompts without `--ss`, as `sampler_rows` names them.
        strengths, seeds, base, device, clip_skip, block_weights, block_numbers: See `Wish`.
    """

    texts: Sequence[str] = ()
    file: Path | None = None
    usual: Mapping[str, Any] = field(default_factory=dict)
    samplers: Sequence[str] = ("ddim",)
    strengths: Sequence[float] = (1.0,)
    seeds: Sequence[int] = ()
    base: str | None = None
    device: str = "auto"
    clip_skip: int | None = None
    block_weights: Mapping[str, float] = field(default_factory=dict)
    block_numbers: int = 0

    def as_wish(self, subject: Subject) -> Wish:
        """Return what is wished for of rows, for what `train sample` knows to do with it.

        Raises:
            UserError: A prompt has mistakes, or none is known.
        """
        each = [
            variants(asked(subject, self.texts, self.file, {**self.usual, "sampler": one}))
            for one in dict.fromkeys(self.samplers)
        ]
        prompts = [one for same in zip(*each, strict=True) for one in dict.fromkeys(same)]
        return Wish(
            prompts, self.strengths, list(dict.fromkeys(self.seeds)), self.base, self.device,
            clip_skip=self.clip_skip, block_weights=self.block_weights,
            block_numbers=self.block_numbers,
        )  # fmt: skip


def base_of(wish: GridWish, exports: Sequence[GridExport]) -> str:
    """Return the base model: as it was named, else of the run folder that an export lies in.

    Raises:
        ConfigError: It is not known.
    """
    if wish.base:
        return wish.base
    for one in exports:
        if base := config_of_run(one.path.parent).get("base"):
            return str(base)
    raise ConfigError(
        f"the base model of `{exports[0].path}` is not known: it is not in its run folder",
        "name it: `--base` and a folder, a single file, a hub id or `tiny`",
    )


def fitting(
    exports: Sequence[GridExport], family: Family, models: Models
) -> tuple[list[GridExport], list[Broken]]:
    """Return which exports are for models of a family, and the others."""
    good: list[GridExport] = []
    broken: list[Broken] = []
    for one in exports:
        try:
            if one.subject.loras:
                kind_of(one.path).check_kind(one.path, family)
            elif (own := opened_base(one.subject.model, models)[1]) is not family:
                raise ModelFileError(
                    f"`{one.path}` is a model of the kind `{own.name}`, and the base model is of "
                    f"the kind `{family.name}`",
                    "draw it in a grid of its own",
                )
            good.append(one)
        except UserError as error:
            broken.append(Broken(str(one.path), error))
    return good, broken


def columns_of(
    exports: Sequence[GridExport], wish: GridWish, model: tuple[FoundModel, Family]
) -> list[GridColumn]:
    """Return the base model's column, and one for each export and strength.

    Raises:
        UserError: What was asked for means nothing to these exports, or their clip skip is none.
    """
    place, family = model
    _check_strengths(exports, wish)
    layers = {id(one): chosen_layer(one.subject, wish.clip_skip)[0] for one in exports}
    for one in exports:
        layer = layers[id(one)]
        check_layer(one.subject, layer, family.layers(place.path), wish.clip_skip, place.ask.name)
    found: list[GridColumn] = []
    for one in exports:
        said = one.subject.metadata[0].get("modelspec.prediction_type", "")
        plain = GridColumn(one, None, _label(one, exports), layers[id(one)], said)
        each = [*dict.fromkeys(wish.strengths)] if one.has_strength else [None]
        found += [plain._replace(strength=strength) for strength in each]
    first = found[0]
    return [GridColumn(None, layer=first.layer, prediction=first.prediction), *found]


def _label(one: GridExport, exports: Sequence[GridExport]) -> str:
    """Return the step of an export, where it is enough to know it among the others."""
    alone = [other.step for other in exports].count(one.step) == 1
    same = len({other.path.parent for other in exports}) == 1
    return f"step {one.step}" if one.step and alone and same and len(exports) > 1 else ""


def _check_strengths(exports: Sequence[GridExport], wish: GridWish) -> None:
    if any(one.has_strength for one in exports):
        return
    for option, given in (
        ("--strength", list(wish.strengths) != [1.0]),
        ("--block-weights", bool(wish.block_weights)),
    ):
        if given:
            raise UsageError(
                f"`{option}` is given, and nothing of what is drawn has a strength", "leave it out"
            )


def check_count(rows: int, columns: int) -> None:
    """Raise UsageError where a grid has more cells than anybody looks at."""
    if rows * columns > MOST_CELLS:
        raise UsageError(
            f"{rows} rows of {columns} are {rows * columns} pictures, at most {MOST_CELLS} are "
            "drawn",
            "give fewer prompts, seeds, samplers, strengths or exports",
        )


def without(columns: Sequence[GridColumn], broken: Sequence[Broken]) -> list[GridColumn]:
    """Return the columns whose exports could be drawn."""
    names = {one.name for one in broken}
    return [one for one in columns if one.export is None or str(one.export.path) not in names]
