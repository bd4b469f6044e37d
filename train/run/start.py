"""A run begins: looked through, held, carried out or found done; what it lacks is told."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from prep.models.locate import Models
from prep.runtime import files
from prep.runtime.console import Console
from prep.runtime.lock import hold
from train.config import Config
from train.run.decide import Run, facts
from train.run.run_facts import NAME, run_facts
from train.run.run_report import NoReport, RunReport


def start(
    paths: Sequence[Path],
    config: Config,
    models: Models,
    console: Console,
    first: bool = True,
    *,
    before: Callable[[], None] = lambda: None,
    lacks: Callable[[Sequence[Path]], None] = lambda missing: None,
    report: RunReport | None = None,
) -> Path:
    """Train a LoRA, or find it already trained, and return its file.

    Killed at any moment, the file is whole or absent, and the same call goes on behind the newest
    checkpoint that is whole.

    Args:
        first: Whether this process writes: one of several that train together does.
        before: Called once it is certain that nothing stands in the way.
        lacks: Called with what is missing of a run that is done: exports on the way, pictures.
        report: Writes a page of the run while it trains, and at its end; None: nobody does.

    Raises:
        UserError: Something that a person can mend, found before the training where possible.
    """
    from train.run import probe
    from train.run.readiness import ready  # it looks at runs, and so imports this module

    found = ready(paths, config, models, probe.here, first)
    run, seen = found.run, report or NoReport()
    before()
    if found.done:
        console.say(f"already done: {run.export}", export=str(run.export), done=True)
    elif not first:
        _carry_out(run, console, NoReport())
    else:
        for line in found.notes:
            console.note(line)
        with hold(run.checkpoints, run.folder, "train"):
            files.write(run.folder / "config.json", _config_file(run, paths))
            files.write(run.folder / NAME, run_facts(run, found.notes, found.cut))
            _carry_out(run, console, seen)
            seen.write(run.folder, console)
        console.say(f"trained: {run.export}", export=str(run.export), done=False)
    if first and (missing := _missing(run, found.done, seen, console)):
        lacks(missing)
    return run.export


def _carry_out(run: Run, console: Console, report: RunReport) -> None:
    from train.run.execute import carry_out  # heavy: only now is it certain that there is work

    carry_out(run, console, report)


def _missing(run: Run, again: bool, report: RunReport, console: Console) -> list[Path]:
    """Return which exports on the way and pictures a run that is done lacks, and tell it.

    Args:
        again: Whether to try them again first.
        report: Shows what was made so.
    """
    from train.run.outputs import gone_line, made_line, missing, missing_line  # as above

    found = missing(run)
    if found and again:
        from train.run.execute import try_again

        with hold(run.checkpoints, run.folder, "train"):
            try_again(run, console)
        lacked, found = found, missing(run)
        if made := [path for path in lacked if path not in found]:
            console.note(made_line(run, made))
            report.write(run.folder, console)
    if gone := gone_line(run):
        console.note(gone)
    if found:
        console.wrong(missing_line(run, found))
    return found


def _config_file(run: Run, paths: Sequence[Path]) -> bytes:
    """Return the run's settings after defaults, as they stand beside its export."""
    more = {"name": run.name, "base": run.base, "datasets": [str(path) for path in paths]}
    found = run.config.chosen() | facts(run) | more
    return (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode()
