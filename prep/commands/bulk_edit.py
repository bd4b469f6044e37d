"""One-off edits at the command line: the same operations and filters as in `tags.rules`.

In a folder they are what a person would have typed into the text files, in a dataset file what
they would have typed there; either way the words are a person's from then on. Saved as a rule,
they are no edit of anyone's words: the rules file changes words on their way into the dataset.
"""

import os
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prep.commands import edit_report
from prep.commands.edit_report import Pictures
from prep.commands.edit_targets import FolderTarget, MetaTarget, Target, conflicts
from prep.dataset import dataset_file
from prep.edits import rules_file
from prep.edits.diff import between, unmet
from prep.edits.filters import Filter, holds, needs
from prep.edits.rules import Rule, changed, reads
from prep.engine import bulk_edits
from prep.engine.inventory.location import Location
from prep.engine.opening import locked_session, read_only_session
from prep.engine.runner import remember
from prep.engine.session import Context, Job, Session
from prep.engine.state.edit_batch import Operation, TextFile
from prep.pipeline import jobs, locations
from prep.pipeline.pipeline import Pipeline
from prep.runtime import text_files
from prep.runtime.counts import counted
from prep.runtime.errors import DatasetError, UsageError
from prep.runtime.files import content


@dataclass(frozen=True)
class Request:
    """What one command line asks for.

    Attributes:
        target: A folder of pictures, or a dataset file.
        where: The pictures it is for; None for all.
        rule: What to do; None to list the pictures that answer.
        dry: Show it, change nothing.
        save: Append it to the rules file instead.
        state: `--state`.
        tagger: Whose scores a filter asks for; empty for the pipeline's.
        said: The command, as a person could type it.
        pipelines: `--pipelines`.
    """

    target: Path
    where: Filter | None
    rule: Rule | None
    said: str
    dry: bool = False
    save: bool = False
    state: Path | None = None
    tagger: str = ""
    pipelines: Path | None = None


def edit(request: Request, context: Context, pipeline: Pipeline | None) -> int:
    """Do what a command line asks for, and say what was done.

    Returns:
        The exit code: 3 where pictures cannot be used, else 4 where words wait.
    """
    target = _target(request, pipeline)
    back = _way_back(request, target.job.location, pipeline)
    wet = request.rule is not None and not request.dry
    with (locked_session if wet else read_only_session)(target.job, context) as session:
        if wet:
            remember(session)
            stopped, left = bulk_edits.unfinished(session), _mend(session)
            if stopped and stopped.said == request.said and not stopped.back:
                return 4 if left else 0
        pictures = target.pictures(session, _needs(request, pipeline), wet)
        meant = {key: one for key, one in pictures.items() if holds(request.where, one)}
        if request.save:
            _save_rule(request, target, session, pictures, _rules_path(request, pipeline))
            code = 0
        elif request.rule is None:
            edit_report.say_matches(target, session, meant, pictures)
            code = 0
        else:
            code = _change(request, target, session, meant, pictures)
        if wet and bulk_edits.unfinished(session) and not context.console.json:
            context.console.say(f"  `{back}` takes it back")
        faulty = edit_report.say_unusable(target, session)
        if wet:
            bulk_edits.close(session)  # everything was printed
        return 3 if faulty else code


def _mend(session: Session) -> list[str]:
    """Finish what a crash left open, and say so; return the files that were edited since."""
    stopped, say = bulk_edits.unfinished(session), session.context.console.say
    left = bulk_edits.mend(session)
    if stopped is not None:
        word = "took back" if stopped.back else "finished"
        say(f"{word} `{stopped.said}`, which was stopped before")
        for name in left:
            say(f"  kept `{name}`: it was changed since", kept=name)
    return left


def _way_back(request: Request, location: Location, pipeline: Pipeline | None) -> str:
    """Return the command that takes an edit back, to be typed where the edit was."""
    words = ["prep", "undo", "--in", os.path.relpath(location.root)]
    if location.state != locations.location_of(location.root, None, pipeline).state:
        words += ["--state", os.path.relpath(location.state)]
    if request.pipelines is not None:
        words += ["--pipelines", os.path.relpath(request.pipelines)]
    return shlex.join(words)


def _change(
    request: Request,
    target: Target,
    session: Session,
    meant: Pictures,
    pictures: Pictures,
) -> int:
    """Change the words of the pictures that match, and say so; return the exit code."""
    rules = (request.rule,) if request.rule else ()
    after = {key: changed(one, rules) for key, one in meant.items()}
    found = between(meant, after)
    waits = [change.key for change in found if conflicts(target, session, change)]
    changes = [change for change in found if change.key not in waits]
    kept: list[str] = []
    if changes and not request.dry:
        kept = bulk_edits.carry_out(session, target.operation(session, changes, request.said))
    count = len(meant) if request.where else None
    before = f"`{target.shown}`: {edit_report.matched(target, session, pictures, count)}"
    edit_report.say_changes(session, before, changes, request.dry)
    say = session.context.console.say
    for rule in rules if meant else ():
        for line in unmet(rule, (*meant.values(), *after.values())):
            say(f"  {line}", unmet=line)
    for key in waits:
        say(f"  conflict: {key}: two edits of yours wait for a decision", conflict=key)
    for name in kept:
        say(f"  kept `{name}`: it was edited just now; run again", kept=name)
    return 4 if waits or kept else 0


def undo_edit(location: Location, context: Context) -> int:
    """Take the last edit of a folder back; return 4 where some of it was changed since."""
    say = context.console.say
    with locked_session(Job(location, ()), context) as session:
        remember(session)
        done = bulk_edits.take_back(session)
        if done is None:
            raise DatasetError(
                f"there is no edit of `{os.path.relpath(location.root)}` to take back",
                "`prep edit` with `--add`, `--drop` and the like makes one",
            )
        operation, kept = done
        count = len({word.key for word in operation.words}) or len(operation.texts)
        what = counted(count, "file" if operation.texts and not operation.words else "picture")
        say(f"took back `{operation.said}`: {what}", kept=kept, count=count)
        for name in kept:
            say(f"  kept {name}: it was changed since")
        bulk_edits.close(session)
    return 4 if kept else 0


def _target(request: Request, pipeline: Pipeline | None) -> Target:
    step = pipeline.step("tag") if pipeline else None
    values: Mapping[str, Any] = step.values if step else {}
    tagger = request.tagger or str(values.get("model", ""))
    escape = bool(values.get("escape"))
    if request.target.is_dir() or not request.target.suffix.startswith(".json"):
        location = locations.known_location(request.target, request.state, pipeline)
        text = "tags" if request.save or pipeline is None else jobs.text_of(pipeline)
        return FolderTarget(location, tagger, escape, text)
    found = dataset_file.load(request.target)
    location = locations.location_of_meta(request.target, found, request.state, pipeline)
    if request.save:
        return FolderTarget(location, tagger, escape)
    return MetaTarget(request.target, location, tagger)


def _needs(request: Request, pipeline: Pipeline | None) -> frozenset[str]:
    """Return what has to be known of pictures: for the filter, and for rules that come first."""
    found = needs(request.where)
    if request.save:
        path = _rules_path(request, pipeline)
        found |= reads(rules_file.parse(text_files.decode(content(path)), path.name))
    return found


def _save_rule(
    request: Request,
    target: Target,
    session: Session,
    pictures: Pictures,
    path: Path,
) -> None:
    """Append the rule to the rules file, and say what it changes after the rules before it."""
    data = content(path)
    shown = os.path.relpath(path)
    before = rules_file.parse(text_files.decode(data), path.name)
    rules = [replace(rule, where=request.where) for rule in (request.rule,) if rule]
    text = rules_file.appended(data, rules, path.name)
    ruled = {key: changed(picture, before) for key, picture in pictures.items()}
    changes = between(ruled, {key: changed(one, rules) for key, one in ruled.items()})
    if not request.dry:
        file = TextFile(session.inventory.location.name(path), data, text)
        bulk_edits.carry_out(session, Operation(request.said, texts=(file,)))
    count = sum(holds(request.where, one) for one in ruled.values()) if request.where else None
    told = f"`{target.shown}`: {edit_report.matched(target, session, pictures, count)}"
    edit_report.say_changes(session, told, changes, conditional=True)
    word = "would be added" if request.dry else "added"
    lines = (f"    {line}" for line in rules_file.dump(rules).splitlines())
    session.context.console.say(f"  {word} to `{shown}`:", *lines)
    if not request.dry:
        session.context.console.say("  `prep run` brings it into the dataset")


def _rules_path(request: Request, pipeline: Pipeline | None) -> Path:
    step = pipeline.step("edit") if pipeline else None
    path = step.files.get("rules") if step else None
    if path is None:
        raise UsageError(
            f"`--save`: no rules file is named for `{os.path.relpath(request.target)}`",
            "write `- edit: {rules: ./tags.rules}` into pipelines.yaml",
        )
    return path
