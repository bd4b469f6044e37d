"""What each command does with what the command line gave: engine calls in, sentences out."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from prep import orders
from prep.config import Pipeline
from prep.console import Console
from prep.engine import fanout, views
from prep.engine.ledger_file import opened, snapshot
from prep.engine.leg import Context, Leg, Order, asked_names, open_leg
from prep.engine.lock import held
from prep.engine.metafiles import link_of
from prep.engine.plan import Step
from prep.engine.report import Report
from prep.engine.run import carry_out, remember
from prep.engine.world import INHERITED
from prep.errors import ConfigError, UserError, nearest
from prep.files import write
from prep.stage import Shape, Stage

_STOPPERS = (3, 4)


def run_one(order: Order, context: Context) -> int:
    """Carry one order out and tell how it went; return the exit code."""
    return _told(order, carry_out(order, context), context.console)


def run_pipeline(pipeline: Pipeline, context: Context, speech: Sequence[str]) -> int:
    """Carry a whole pipeline out, training last; return the worst exit code (3 wins over 4)."""
    codes = [run_one(order, context) for order in orders.of_pipeline(pipeline)]
    worst = next((code for code in _STOPPERS if code in codes), 0)
    if pipeline.train is None:
        return worst
    done = subprocess.run([*_training(pipeline), *speech], check=False)
    return done.returncode or worst


def plan_one(order: Order, context: Context) -> int:
    """Print what one order would do."""
    _plan(order, context)
    return 0


def plan_pipeline(pipeline: Pipeline, context: Context) -> int:
    """Print what a whole pipeline would do."""
    waits = ""
    for order in orders.of_pipeline(pipeline):
        if waits and not order.place.root.is_dir():
            for name in asked_names(order):
                context.console.say(f"{name:<12}  waits for {waits}")
        elif _plan(order, context):
            waits = order.asked[-1].command
    if pipeline.train is not None:
        after = f"waits for {waits}" if waits else "runs next; says at once if it is done"
        context.console.say(f"{'train':<12}  {pipeline.train['method']}: {after}")
    return 0


def _plan(order: Order, context: Context) -> bool:
    """Print the plan of one order; return whether anything is to be done."""
    busy = False
    context.console.say(f"{os.path.relpath(order.place.root)}:")
    with _read_only(order, context) as leg:
        for asked in order.asked:
            step = leg.step(asked)
            line, todo = _planned(leg, step)
            busy = busy or todo
            context.console.say(f"  {line}", stage=asked.stage.name, busy=todo)
    return busy


def _planned(leg: Leg, step: Step) -> tuple[str, bool]:
    stage = step.stage
    if stage.shape is Shape.SIDECAR:
        stale = views.stale_sidecars(leg, step)
        waiting = frozenset().union(*leg.values.pending.values()) if leg.values.pending else ()
        if waiting:
            return f"{stage.name:<12}  waits {len(waiting)}", True
        return f"{stage.name:<12}  " + (f"write {len(stale)}" if stale else "skip"), bool(stale)
    if stage.shape is Shape.VIEW:
        return _planned_view(leg, step)
    plan = fanout.plan(leg, step) if leg.order.source else leg.plan(step)
    leg.values.pending[stage.name] = frozenset((*plan.run, *plan.waits))
    return plan.line(), bool(plan.run or plan.waits)


def _planned_view(leg: Leg, step: Step) -> tuple[str, bool]:
    file = os.path.relpath(views.view_file(leg, step.stage))
    try:
        _, why, waits = views.plan_view(leg, step)
    except UserError:
        return f"{step.stage.name:<12}  waits for the file before it", True
    if waits:
        return f"{step.stage.name:<12}  waits: {file}", True
    return f"{step.stage.name:<12}  " + (f"write {file}: {why}" if why else "skip"), bool(why)


def why(folder: Path, key: str, place: Any, context: Context) -> int:
    """Print all that is known of one sample."""
    order = Order(place, ())
    with _read_only(order, context) as leg:
        say = context.console.say
        known = {*leg.world.digests, *leg.world.faulty}
        sources = {
            k
            for s in context.stages.values()
            if s.shape is Shape.FAN_OUT
            for k in leg.values.made(s.name)
        }
        if key not in known | sources:
            raise ConfigError(f"`{folder}` has no picture `{key}`", nearest(key, known | sources))
        say(key, *(f"  {line}" for line in (*_said(leg, key), *_of_stages(leg, key))))
    return 0


def _said(leg: Leg, key: str) -> Iterator[str]:
    """Yield what is wrong with a picture, and what a person wrote for it."""
    for said in (leg.world.faulty, leg.world.clashing, leg.world.dropped):
        if key in said:
            yield said[key]
    for (at, field), edit in sorted(leg.world.edits.items()):
        if at == key:
            yield f"{field}: yours, from {edit.source}: {edit.value}"
    for (at, field), text in sorted(leg.world.conflicts.items()):
        if at == key:
            yield f"{field}: conflict: {text}"


def _of_stages(leg: Leg, key: str) -> Iterator[str]:
    """Yield a line per stage with a result: up to date or why not, and what the machine says."""
    for stage in leg.context.stages.values():
        made = leg.values.made(stage.name).get(key)
        if made is None:
            continue
        if made.state != "made":
            yield f"{stage.name}: {made.state}: {made.why}"
            continue
        stale = _stale(leg, stage, key, made.inputs)
        shown = "" if stage.packed or stage.suffix else _machine(leg, made.digest)
        yield f"{stage.name}: {stale or 'up to date'}{shown}"


def _stale(leg: Leg, stage: Stage, key: str, inputs: str) -> str:
    if stage.shape in (Shape.DECISION, Shape.VIEW, Shape.FAN_OUT):
        return ""
    now = " ".join(leg.values.digest(name)(key) for name, _ in stage.needs())
    return "" if now == inputs else "stale: its input changed"


def _machine(leg: Leg, digest: str) -> str:
    body = leg.ledger.body(digest)
    return f", the machine says {body.decode()}" if body is not None else ""


def status(folder: Path, place: Any, context: Context) -> int:
    """Print counts from the ledger and the disk."""
    with _read_only(Order(place, ()), context) as leg:
        world, console = leg.world, context.console
        counts: dict[str, Any] = {"pictures": len(world.digests) + len(world.faulty)}
        counts["cannot be used"] = len(world.faulty)
        counts["without a sidecar of their own"] = len(world.clashing)
        counts["dropped by you"] = len(world.dropped)
        counts["gone since the last run"] = len(world.gone)
        counts["edited by you"] = len(
            {k for (k, _), e in world.edits.items() if e.source != INHERITED}
        )
        counts["conflicts"] = len(world.conflicts)
        console.say(f"{folder}", **counts)
        for name, count in counts.items():
            if count or name == "pictures":
                console.say(f"  {name}: {count}")
        for name in leg.ledger.stages():
            shape = context.stages[name].shape if name in context.stages else None
            of_samples = shape in (Shape.MAP, Shape.DECISION, Shape.SIDECAR)
            rows = leg.values.made(name).items()
            states = [row.state for key, row in rows if key in world.digests or not of_samples]
            bad = ", ".join(f"{states.count(s)} {s}" for s in ("rejected", "failed") if s in states)
            console.say(f"  {name}: {states.count('made')} made" + (f", {bad}" if bad else ""))
    return 0


def reset(folder: Path, key: str, place: Any, context: Context) -> int:
    """Give every field that a person wrote for a sample back to the machine."""
    with held(place.state), opened(place.state) as ledger:
        leg = open_leg(Order(place, ()), context, ledger)
        if not any(at == key for at, _ in leg.world.edits):
            known = {at for at, _ in leg.world.edits}
            raise ConfigError(
                f"nothing of `{key}` was written by a person",
                nearest(key, known) if known else "there is nothing to give back in this folder",
            )
        remember(leg)
        with ledger.batch():
            for at, field in leg.world.edits:
                if at == key:
                    ledger.edit(at, field, None)
    context.console.say(f"`{key}` is the machine's again; the next run writes it anew")
    return 0


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
    write(target, text.replace("FOLDER", shown if shown.startswith(".") else f"./{shown}").encode())
    console.say(f"wrote `{target}`; look at it, then type `prep plan` and `prep run`")
    return 0


def stages(known: Mapping[str, Stage], console: Console) -> int:
    """List every stage with what it reads and writes."""
    for stage in known.values():
        reads = ", ".join(stage.reads)
        console.say(f"{stage.name:<16} {stage.shape.value:<9} {reads} -> {stage.writes}")
    return 0


def review_import(sheet: Path, folder: Path, place: Any, context: Context) -> int:
    """Take the edits of a sheet over."""
    from prep.review import take_over

    return take_over(sheet, place, context)


@contextmanager
def _read_only(order: Order, context: Context) -> Iterator[Leg]:
    """Open a leg from a snapshot of the ledger: no lock, no change."""
    ledger = snapshot(order.place.state)
    try:
        yield (
            fanout.open_source(order, context, ledger)
            if order.source
            else open_leg(order, context, ledger)
        )
    finally:
        ledger.close()


def _told(order: Order, report: Report, console: Console) -> int:
    console.say(*report.lines(os.path.relpath(order.place.root)), **report.facts())
    if not console.level and not console.json:
        for line in report.wrong():
            console.wrong(line)
    return report.exit_code()


def _training(pipeline: Pipeline) -> list[str]:
    """Return the command line of the training step."""
    options = dict(pipeline.train or {})
    method = str(options.pop("method"))
    words = [sys.executable, "-m", "train", method, os.fspath(link_of(pipeline.meta, "meta_lat"))]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            words.append(flag if value else f"--no-{flag[2:]}")
        else:
            words += [flag, str(value)]
    return words
