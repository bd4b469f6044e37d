"""`train grid`: planned, drawn as far as it is not there, and shown as one picture and one page."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from prep.models.locate import Models
from prep.pages.document import is_page
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError, UserError
from train.families.detect import opened_base, side_of
from train.grid.grid_exports import Broken, GridExport, exports_named
from train.grid.grid_plan import GridPlan
from train.grid.grid_wish import GridWish, base_of, check_count, columns_of, fitting, without
from train.samples.picture_text import is_drawn
from train.samples.sheet import further
from train.samples.subject import Subject
from train.samples.wish import check_family, rows_of, seeds_note

PICTURE, PAGE = "grid.png", "grid.html"


@dataclass(frozen=True)
class Grid:
    """A grid that was drawn.

    Attributes:
        page: The HTML file; `grid.png` is beside it.
        code: 0, or 3 where an export or a picture is missing, or tensors were left out.
    """

    page: Path
    code: int = 0


def grid(
    words: Sequence[str], wish: GridWish, out: Path | None, models: Models, console: Console
) -> Grid:
    """Draw what is missing of a grid, and show the whole.

    Args:
        words: Run folders, exports and whole models.
        out: Its folder; None for `grid` beside the exports.

    Raises:
        UserError: Nothing of what was named can be drawn, or what was asked for is wrong.
    """
    exports, broken = exports_named(words, models)
    if not exports:
        raise broken[0].error
    plan, more = _planned(exports, wish, _folder(exports, out), models, console)
    broken += more
    missing = plan.missing()
    if there := len({path for row in plan.paths for path in row}) - len(missing):
        console.note(f"{counted(there, 'picture')} of it {_are(there)} there already")
    failed: list[tuple[int, int]] = []
    try:
        if missing:
            failed = _draw(plan, missing, wish.device, broken, console)
    except (KeyboardInterrupt, SystemExit):  # a stop
        left = len(plan.missing())
        console.note(f"{len(missing) - left} of {len(missing)} pictures are drawn")
        console.note("stopped; the same command draws the rest")
        raise
    plan = replace(plan, columns=without(plan.columns, broken))
    if len(plan.columns) < 2:
        raise broken[0].error
    return _shown(plan, broken, len(missing), failed, console)


def _planned(
    exports: Sequence[GridExport], wish: GridWish, folder: Path, models: Models, console: Console
) -> tuple[GridPlan, list[Broken]]:
    """Return the grid and what is left out of it; tell what a person should know of it."""
    place, family = opened_base(base_of(wish, exports), models)
    good, broken = fitting(exports, family, models)
    if not good:
        raise broken[0].error
    columns = columns_of(good, wish, (place, family))
    outline = family.outline(place.path)
    rows_wish = wish.as_wish(good[0].subject)
    rows = list(dict.fromkeys(rows_of(rows_wish, side_of(outline, family))))
    check_family(rows_wish, rows, family)
    check_count(len(rows), len(columns))
    _check_places(folder)
    loras = Subject(tuple(pair for one in good for pair in one.subject.loras))
    notes = further(loras, (place, family), outline, rows) if loras.loras else []
    unread = [line for one in good for line in one.lines]
    for line in dict.fromkeys([*seeds_note(rows_wish), *unread, *notes]):
        console.note(line)
    digest = models.digest(place)
    return GridPlan(place, digest, family, rows, columns, folder, wish.block_weights), broken


def _folder(exports: Sequence[GridExport], out: Path | None) -> Path:
    return out if out is not None else exports[0].subject.folder / "grid"


def _check_places(folder: Path) -> None:
    """Raise ConfigError where something is in the way that this program did not make."""
    hint = "name another folder by `--out`, or move this away"
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"`--out {folder}` is not a folder", "name a folder, there or new")
    for name, ours in ((PICTURE, is_drawn), (PAGE, is_page)):
        if (folder / name).exists() and not ours(folder / name):
            told = f"`{folder / name}` is there and was not made by this program: it is kept"
            raise ConfigError(told, hint)


def _draw(
    plan: GridPlan,
    missing: Sequence[tuple[int, int]],
    device: str,
    broken: list[Broken],
    console: Console,
) -> list[tuple[int, int]]:
    """Draw some cells; return those that came out as no numbers."""
    from prep.models.devices import torch_device
    from train.grid.draw_cells import DrawnCells  # heavy: only now is it certain that there is work

    drawn = DrawnCells(plan, torch_device(device))
    drawn.draw(missing, console)
    broken += drawn.broken
    return drawn.failed


def _shown(
    plan: GridPlan,
    broken: Sequence[Broken],
    drawn: int,
    failed: Sequence[tuple[int, int]],
    console: Console,
) -> Grid:
    """Write picture and page; say what is on them, and what is not."""
    from train.grid.grid_page import page
    from train.grid.grid_sheet import sheet

    for one in broken:
        _tell(one, console)
    for row, column in failed:
        told = f"{plan.columns[column].title}: {plan.rows[row].text}"
        console.wrong(f"not drawn: {told}: NaN or infinite numbers")
    files.write(plan.folder / PICTURE, sheet(plan))
    place = plan.folder / PAGE
    files.write(place, page(plan))
    unread = sum(one.export.unread for one in plan.columns if one.export)
    total = len(plan.rows) * len(plan.columns)
    console.say(
        f"drawn: {place}, {len(plan.rows)} rows of {len(plan.columns)}, "
        f"{counted(drawn - len(failed), 'picture')} new",
        page=str(place), picture=str(plan.folder / PICTURE), pictures=total,
        drawn=drawn - len(failed), left_out=[one.name for one in broken],
    )  # fmt: skip
    return Grid(place, 3 if broken or failed or unread else 0)


def _tell(one: Broken, console: Console) -> None:
    hint = f" ({one.error.hint})" if isinstance(one.error, UserError) and one.error.hint else ""
    console.wrong(f"left out: {one.name}: {one.error}{hint}")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"
