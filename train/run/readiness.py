"""What stands in the way of a training, and what a person should know of it: one list.

`train check` tells it, and every training begins with it, before anything is loaded or written: so
the two cannot say different things.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

from prep.models.devices import without_cards
from prep.models.locate import FoundModel, Models
from prep.runtime.errors import UserError
from train.config import AUTO, Config
from train.data import dataset as datasets
from train.data.captions import longest_of_all
from train.families.detect import base_at_hand, check_clip_skip, check_prediction, opened_base
from train.families.family import Family
from train.methods import method_named
from train.run import disk, memory_question, probe, run_checks, run_folder
from train.run.base_checks import check_blocks, check_family, check_form, check_loss, check_prompts
from train.run.decide import (
    Run,
    decide,
    is_done,
)
from train.run.notes import cut, notes
from train.run.outputs import drawn_texts
from train.run.probe_memory import looked_through


@dataclass(frozen=True)
class Ready:
    """A run that nothing stands in the way of.

    Attributes:
        done: Whether its export is there already.
        notes: What a person should know before it begins, a line each.
        cut: Key of a picture whose text is cut -> its tokens.
        memory: The forecast, where it was asked for; see `memory_question.answer`.
    """

    run: Run
    done: bool
    notes: tuple[str, ...] = ()
    cut: Mapping[str, int] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)


def ready(
    paths: Sequence[Path],
    config: Config,
    models: Models,
    ask: probe.Ask,
    first: bool = True,
    *,
    forecast: bool = False,
    card: probe.Ask = probe.outside,
) -> Ready:
    """Look at everything that a training needs; nothing is written, no weight is read.

    Args:
        paths: Dataset files.
        ask: How to learn what only torch can tell: `probe.here` or `probe.outside`.
        first: Whether this process is the one that writes.
        forecast: Whether the memory that it takes is to be forecast, which takes some seconds; of
            a run that is done it is told, too, what would stand in the way of another one.
        card: How to learn what `--precision auto` is, before it is known that there is work to do.

    Raises:
        UserError: Something stands in the way; all that can be found is told at once.
    """
    wrong = [*_of_files(paths, config, models)]
    run: Run | None = None
    done = False
    if not wrong:
        try:
            run = decide(paths, config, models, _usual_precision(config, card))
            done = is_done(run)
        except UserError as error:
            wrong.append(error)
    # Of what is done only the pictures can change, and so their prompts alone are looked at.
    wrong += _raised(*(run_checks.of_prompts(config) if done else run_checks.of_settings(config)))
    if run is None:
        _refuse(wrong)
    rows = [partial(check_prompts, run)] if done else run_checks.of_run(run, first)
    wrong += _raised(*rows)
    if wrong:
        _refuse(wrong)
    if done:
        return _done(run, models, ask) if forecast else Ready(run, True)
    answer = looked_through(_question_of(run, forecast), run.found, models, ask)
    if answer.wrong:
        _refuse(answer.errors())
    check_loss(run.config, answer.prediction, answer.ends_in_noise)
    told = tuple(notes(run, answer, first))
    return Ready(run, False, told, cut(run, answer), answer.memory)


def _done(run: Run, models: Models, ask: probe.Ask) -> Ready:
    """Return a run that is done, with what another one with its settings would meet here."""
    wrong = [*_raised(*run_checks.of_settings(run.config))]
    answer = looked_through(_question_of(run, forecast=True), run.found, models, ask)
    each = [*wrong, *answer.errors()]
    told = [line for one in each for line in (str(one), *(more for more, _ in one.others))]
    told = [f"the run is done; another like it would not begin here: {line}" for line in told]
    return Ready(run, True, tuple(told), memory=answer.memory)


def _base_of(
    config: Config, models: Models, fetch: bool
) -> tuple[FoundModel | None, Family | None]:
    """Look at settings and files; return the base model, if one is named and here or fetched.

    Raises:
        UserError: Something stands in the way; all that can be found is told at once.
    """
    wrong = [*_raised(*run_checks.of_settings(config), partial(disk.check_writable, config.out))]
    if config.resume is not None:
        wrong += _raised(partial(run_folder.run_folder, config.resume))
    there: tuple[FoundModel, Family] | None = None
    try:
        if config.base:
            there = opened_base(config.base, models) if fetch else base_at_hand(config.base, models)
        if there is not None:
            found, kind = there
            check_clip_skip(config.clip_skip, kind.layers(found.path), config.base or "")
            check_family(config, kind)
            check_form(config, kind)
            check_blocks(config, kind)
            check_prediction(config.prediction, found.path, kind)
    except UserError as error:
        wrong.append(error)
    if wrong:
        _refuse(wrong)
    return there or (None, None)


def check_settings(
    config: Config, models: Models, ask: probe.Ask | None, remember: bool = True
) -> None:
    """Look at all that can be known before there is a dataset.

    Args:
        ask: None to learn only what needs no library, of a base model that is on this machine.
        remember: Whether a model that could be opened is noted among the user's data, and not
            opened again by the same libraries.

    Raises:
        UserError: Something stands in the way; all that can be found is told at once.
    """
    found, kind = _base_of(config, models, fetch=ask is not None)
    if ask is None:
        return
    question = _question(config, found, kind)
    answer = looked_through(question, found, models, ask) if remember else ask(question)
    if answer.wrong:
        _refuse(answer.errors())
    check_loss(config, answer.prediction, answer.ends_in_noise)


def check_files(paths: Sequence[Path], config: Config, models: Models) -> None:
    """Look at dataset files and the base model alone.

    Raises:
        UserError: Something is wrong with them; all that can be found is told at once.
    """
    wrong = [*_of_files(paths, config, models)]
    if wrong:
        _refuse(wrong)


def _of_files(paths: Sequence[Path], config: Config, models: Models) -> Iterator[UserError]:
    """Yield what is wrong with each dataset file, and with the base model."""
    named = config.base
    for path in paths:
        try:
            found = datasets.load([path], config.masked_loss)
            named = named or found.base
        except UserError as error:
            yield error
    if named:
        yield from _raised(partial(opened_base, named, models))


def _usual_precision(config: Config, ask: probe.Ask) -> str:
    """Return what `--precision auto` is on this machine; no library is asked in vain."""
    if config.precision != AUTO or config.device == "cpu" or without_cards():
        return "fp32"
    answer = ask(probe.Question("", "", config.device, AUTO, "sdpa"))
    return answer.precision or "fp32"  # what is wrong is told with all else


def _question(config: Config, found: FoundModel | None, family: Family | None) -> probe.Question:
    """Return what is asked of settings and a base model; None where none is named."""
    form = method_named(config.method).form(config)
    return probe.Question(
        str(found.path) if found else "",
        family.name if family else "",
        config.device,
        config.precision,
        config.attention,
        vae=config.prompts is not None or bool(form),  # for pictures, or for the export
        form=form,
        prediction=config.prediction or "",
        compile=config.compile,
    )


def _question_of(run: Run, forecast: bool) -> probe.Question:
    """Return what is asked of a run."""
    config = run.config
    texts = (*longest_of_all(list(run.data.samples.values()), config), *drawn_texts(run))
    return replace(
        _question(config, run.found, run.family),
        texts=tuple(run.method.counted(text, config) for text in texts),
        training=memory_question.question(run) if forecast else {},
    )


def _raised(*rows: Callable[[], object]) -> Iterator[UserError]:
    """Yield the errors of those that raise one."""
    for row in rows:
        try:
            row()
        except UserError as error:
            yield error


def _refuse(wrong: Sequence[UserError]) -> NoReturn:
    """Raise the first of several errors, with all others among its own."""
    first, *others = wrong
    more = [pair for one in others for pair in ((str(one), one.hint), *one.others)]
    raise type(first)(str(first), first.hint, (*first.others, *more))
