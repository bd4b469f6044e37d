"""What each command does with what the command line gave: engine calls in, sentences out."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

from prep import orders, training
from prep.command import run_child
from prep.config import Pipeline
from prep.console import Console
from prep.engine import again, explain, explain_files
from prep.engine.ledger_file import opened
from prep.engine.leg import Context, Leg, Order, asked_names, open_leg
from prep.engine.lock import held
from prep.engine.look import looking_at
from prep.engine.preview import Coming, coming_of, previewed
from prep.engine.report import Report
from prep.engine.run import carry_out, remember
from prep.engine.world import INHERITED
from prep.errors import ConfigError, nearest
from prep.files import write
from prep.stage import Stage
from prep.yamlfile import quoted

_STOPPERS = (3, 4)


def run_one(order: Order, context: Context) -> int:
    """Carry one order out and tell how it went; return the exit code."""
    return _told(order, carry_out(order, context), context.console)


def run_pipeline(pipeline: Pipeline, context: Context, speech: Sequence[str]) -> int:
    """Carry a whole pipeline out, training last; return the worst exit code (3 wins over 4).

    Raises:
        ConfigError: The `train:` section has mistakes; then no stage has run.
    """
    if pipeline.train is not None:
        training.check(pipeline)
    context = replace(context, names_meta="`meta:` in pipelines.yaml")
    codes = [run_one(order, context) for order in orders.of_pipeline(pipeline)]
    worst = next((code for code in _STOPPERS if code in codes), 0)
    if pipeline.train is None:
        return worst
    return run_child(training.started(pipeline, speech)) or worst


def plan_one(order: Order, context: Context) -> int:
    """Print what one order would do."""
    _plan(order, context, Coming())
    return 0


def plan_pipeline(pipeline: Pipeline, context: Context) -> int:
    """Print what a whole pipeline would do.

    Raises:
        ConfigError: The `train:` section has mistakes; `prep run` would end with them.
    """
    if pipeline.train is not None:
        training.check(pipeline, at_hand=True)
    coming, waits = Coming(), ""
    for order in orders.of_pipeline(pipeline):
        if coming.made and not _pictures_in(order):
            for name in asked_names(order):
                context.console.say(f"{name:<12}  waits for {waits}", stage=name, busy=True)
            continue
        coming, busy = _plan(order, context, coming)
        waits = order.asked[-1].command if busy else waits
    if pipeline.train is not None:
        after = f"waits for {waits}" if waits else "runs next; says at once if it is done"
        typed = training.typed(pipeline)
        context.console.say(f"{'train':<12}  {pipeline.train['method']}: {after}", f"  {typed}")
    return 0


def _plan(order: Order, context: Context, coming: Coming) -> tuple[Coming, bool]:
    """Print the plan of one order; return what it changes for the next, and whether it is busy."""
    context.console.say(f"{os.path.relpath(order.place.root)}:")
    with looking_at(order, context) as leg:
        rows = previewed(leg, coming)
        for row in rows:
            context.console.say(f"  {row.line()}", **row.facts())
        for note in leg.notes:
            context.console.say(f"  {note}")
        after = coming_of(leg, rows) if order.source else Coming()
        return after, any(row.busy() for row in rows)


def _pictures_in(order: Order) -> bool:
    """Return whether the folder that an order reads has anything in it."""
    root = (order.source or order.place).root
    return root.is_dir() and any(not entry.name.startswith(".") for entry in root.iterdir())


def why(
    folder: Path, key: str, place: Any, context: Context, pipeline: Pipeline | None = None
) -> int:
    """Print all that is known of one picture, in every folder of the pipeline that has it.

    Of any other file there, it is what the file is and what is done with it.
    """
    asked = orders.of_pipeline(pipeline) if pipeline else []
    if place not in [order.place for order in asked]:
        asked = [Order(place, ())]
    lines: list[str] = []
    files: dict[str, None] = {}
    known: set[str] = set()
    coming = Coming()
    for order in asked:
        if coming.made and not _pictures_in(order):
            break
        with looking_at(order, context) as leg:
            known |= explain.knows(leg)
            rows = previewed(leg, coming)
            if key in explain.knows(leg):
                told = explain.of_rows(leg, rows, key, coming) if rows else ()
                lines += [*explain.said(leg, key), *explain.noticed(leg, key)]
                lines += [*(told or explain.of_results(leg, key)), *explain.words(leg, key)]
            else:
                files |= dict.fromkeys(explain_files.of_file(leg, key))
            coming = coming_of(leg, rows) if order.source else Coming()
    if key not in known and not files:
        raise ConfigError(f"`{folder}` has no picture `{key}`", nearest(key, known))
    context.console.say(key, *(f"  {line}" for line in (lines if key in known else files)))
    return 0


def reset(folder: Path, key: str, place: Any, context: Context) -> int:
    """Give what a person wrote for a sample back to the machine, and forget what failed."""
    with held(place.state), opened(place.state) as ledger:
        leg = open_leg(Order(place, ()), context, ledger)
        own = [at for at, edit in leg.world.edits.items() if edit.source != INHERITED]
        fields = [field for at, field in own if at == key]
        stages = again.failed(leg, key)
        if not fields and not stages:
            raise _nothing_to_reset(leg, key, {at for at, _ in own})
        remember(leg)
        with ledger.batch():
            for field in fields:
                ledger.edit(key, field, None)
            for name in stages:
                ledger.forget(name, [key])
    if fields:
        context.console.say(f"`{key}` is the machine's again; the next run writes it anew")
    if stages:
        context.console.say(f"`{key}`: the next run tries again: {', '.join(stages)}")
    return 0


def edit(request: Any, context: Context, pipeline: Pipeline | None) -> int:
    """Edit the words of many pictures at once."""
    from prep import bulk

    return bulk.edit(request, context, pipeline)


def undo(place: Any, context: Context) -> int:
    """Take the last such edit back."""
    from prep import bulk

    return bulk.undo(place, context)


def _nothing_to_reset(leg: Leg, key: str, known: set[str]) -> ConfigError:
    if any(at == key for at, _ in leg.world.edits):
        told = leg.world.lineage[key]
        folder = os.path.relpath(leg.world.place.root / told["root"])
        return ConfigError(
            f"the words of `{key}` are those of its source `{told['key']}`",
            f"give that one back: `prep reset {told['key']} --in {folder}`",
        )
    return ConfigError(
        f"nothing of `{key}` was written by a person, and nothing failed",
        nearest(key, known) if known else "there is nothing to give back in this folder",
    )


def init(folder: Path, preset: str, target: Path, console: Console) -> int:
    """Write pipelines.yaml from a preset."""
    found = resources.files("prep") / "presets"
    names = [
        entry.name.removesuffix(".yaml")
        for entry in found.iterdir()
        if entry.name.endswith(".yaml")
    ]
    if preset not in names:
        raise ConfigError(f"no preset is named `{preset}`", nearest(preset, names))
    if not folder.is_dir():
        raise ConfigError(f"the folder `{folder}` is not there", "name the folder of your pictures")
    if target.exists():
        raise ConfigError(f"`{target}` is there already", "edit it, or move it away")
    text = (found / f"{preset}.yaml").read_text(encoding="utf-8")
    shown = Path(os.path.relpath(folder)).as_posix()
    near = shown if shown.startswith(".") else f"./{shown}"
    write(target, text.replace("FOLDER", quoted(near)).encode())
    console.say(f"wrote `{target}`; look at it, then type `prep plan` and `prep run`")
    return 0


def stages(known: Mapping[str, Stage], console: Console) -> int:
    """List every stage with what it reads and writes."""
    for stage in known.values():
        reads = ", ".join(stage.reads)
        console.say(f"{stage.name:<16} {stage.shape.value:<9} {reads} -> {stage.writes}")
    return 0


def review_import(sheet: Path, place: Any, context: Context, side: Any = "") -> int:
    """Take the edits of a sheet over; `side` is right in a conflict."""
    from prep.review import take_over

    return take_over(sheet, place, context, side)


def _told(order: Order, report: Report, console: Console) -> int:
    console.say(*report.lines(os.path.relpath(order.place.root)), **report.facts())
    if not console.level and not console.json:
        for line in report.wrong():
            console.wrong(line)
    return report.exit_code()
