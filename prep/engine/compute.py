"""Samples -> outcomes: decoding overlaps with the model, batches have one size."""

import threading
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from prep.engine.decoding.outcome import DecodedPicture, Failure
from prep.engine.decoding.pool import Decoders
from prep.engine.plan import PlannedStage, StagePlan
from prep.engine.state.file_stat import path_in
from prep.engine.threads import at_once, one_ahead
from prep.engine.values import Values
from prep.runtime.errors import MachineError, ModelFileError, UserError
from prep.stage import IMAGE, SIZE, Failed, Rejected

# What a picture can do to a decoder or a model. Anything else is a bug and stops the run.
_SAMPLE_ERRORS = (OSError, ValueError, ArithmeticError, RuntimeError)
# How torch says that memory ran out, and that a graphics card is lost until the program ends.
_FULL = ("out of memory", "allocate memory", "not enough memory")
_BROKEN = ("CUDA error", "cuDNN error", "CUBLAS_STATUS")
_WAITS = "waiting for the pictures that the model has in hand"
_GROUP_BYTES = 256 << 20  # whole pictures that wait for the others of their batch
_PIXELS = (IMAGE, SIZE)  # what comes from the decoder
_PASSING = ("missing", "unstable", "io-error", "oom")


@dataclass(frozen=True)
class Outcome:
    """What became of one sample.

    Attributes:
        value: The result; None where there is none.
        state: made, rejected or failed.
        why: The reason of a rejection or failure.
        passing: The failure may be gone next time: it is tried again by every run.
    """

    key: str
    inputs: str
    value: Any = None
    state: str = "made"
    why: str = ""
    passing: bool = False


class Caller:
    """A stage's function with its params, its model and a batch of one fixed size.

    The model is loaded at the first call, so a run with nothing to do loads none.
    """

    def __init__(
        self,
        step: PlannedStage,
        note: Callable[[str], None],
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._step, self._note, self._warn = step, note, warn
        self._loaded: list[Any] = []
        self._opening = threading.Lock()
        batch, many = step.stage.batch, step.stage.concurrency
        self.concurrency = many(step.params) if many else 0
        self.size = int(getattr(step.params, batch)) if batch and not self.concurrency else 1

    def __call__(self, samples: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return one result per sample; each sample is the tuple of what the stage reads."""
        stage = self._step.stage
        with self._opening:  # calls of several threads may be the first one
            self.open()
        given = [stage.arguments(values) for values in samples]
        if stage.batch is None:
            return [stage.run(*each, self._step.params, *self._loaded) for each in given]
        padded = [*given, *[given[-1]] * (self.size - len(given))]
        columns = [list(column) for column in zip(*padded, strict=True)]
        results = stage.run(*columns, self._step.params, *self._loaded)
        self._check_models()
        return list(results)[: len(samples)]

    def fit(self, read: Callable[[str], Mapping[str, Any]]) -> Callable[[str], Any]:
        """Return what tells the steps that a picture goes through before the stage sees it.

        Args:
            read: From a key, what the stage reads besides the picture.
        """
        fit = self._step.stage.fit
        if fit is None:
            return lambda key: ()
        self.open()
        loaded = self._loaded[0] if self._loaded else None
        return lambda key: fit(self._step.params, loaded, read(key))

    def open(self) -> None:
        """Load the model where the stage has one and it is not loaded yet."""
        stage = self._step.stage
        if stage.load is not None and not self._loaded:
            self._loaded.append(stage.load(self._step.params, self._step.found))
            note = getattr(self._loaded[0], "note", None)
            if note:  # where a model runs elsewhere than a person would expect
                self._warn(f"warning: {self._step.command}: {note}")
                self._note(f"{self._step.command}: {note}")

    def _check_models(self) -> None:
        for found in self._step.found:
            if not found.unchanged():
                raise ModelFileError(
                    f"a file of the model `{found.ask.name}` was replaced during the run",
                    "run the same command again: this batch was not kept",
                )


def outcomes(
    plan: StagePlan,
    values: Values,
    jobs: int,
    note: Callable[[str], None],
    warn: Callable[[str], None] = lambda _: None,
) -> Generator[list[Outcome], None, None]:
    """Yield the outcomes of a map or fan-out stage, a batch at a time, or each as it comes.

    Args:
        plan: What to run.
        values: Where what the stage reads is found.
        jobs: Decoding processes.
        note: Called with what a person should know of a picture, or of the model once loaded.
        warn: Called with the latter at once, before any picture meets the model, and where a stop
            has to wait for it.
    """
    if not plan.run:  # all of them were made before, of other samples: no model is opened
        return
    call = Caller(plan.step, note, warn)
    if plan.step.stage.batch:
        call.open()  # here a stop waits for no model that is being loaded
    others = [name for name, _ in plan.step.stage.needs() if name not in _PIXELS]
    decoders = Decoders(
        jobs, fit=call.fit(lambda key: {name: values.value(name, key) for name in others})
    )
    with closing(_read(plan, values, decoders, note)) as read:  # an error ends its decoders, too
        if call.concurrency:
            yield from at_once(partial(_alone, call), read, call.concurrency)
            return
        groups = _groups(read, plan, values, call.size)
        answered = partial(_together, call)
        if plan.step.stage.batch:  # a model waits neither for pictures nor for the disk
            yield from one_ahead(answered, groups, partial(warn, _WAITS))
        else:
            yield from map(answered, groups)


_Read = tuple[str, str, tuple[Any, ...]]


def _read(
    plan: StagePlan, values: Values, decoders: Decoders, note: Callable[[str], None]
) -> Generator[_Read | Outcome, None, None]:
    """Yield key, inputs and what the stage reads of each sample, or why it cannot be read."""
    names = [name for name, _ in plan.step.stage.needs()]
    keys = _ordered(plan, values)
    if IMAGE not in names:
        for key in keys:
            read = tuple(values.value(name, key) for name in names)
            yield key, plan.run[key][0], read
        return
    with ExitStack() as stack:
        pool = stack.enter_context(decoders)
        folder = values.inventory.folder
        paths = ((key, Path(path_in(folder.root, folder.pictures[key]))) for key in keys)
        for key, result in pool.decoded(paths):
            inputs = plan.run[key][0]
            if (failure := unread(key, inputs, result, values)) or isinstance(result, Failure):
                yield failure or Outcome(key, inputs, None, "failed")
                continue
            for warning in result.warnings:
                note(f"{key}: {warning}")
            pixels: dict[str, Any] = {IMAGE: result.image(), SIZE: list(result.whole)}
            del result  # the image is a copy
            yield (
                key,
                inputs,
                tuple(pixels[n] if n in pixels else values.value(n, key) for n in names),
            )


def unread(
    key: str, inputs: str, result: DecodedPicture | Failure, values: Values
) -> Outcome | None:
    """Return the outcome of a picture that cannot be read; None for one that was."""
    if isinstance(result, Failure):
        return Outcome(key, inputs, None, "failed", result.why, result.kind in _PASSING)
    if result.sha256 != values.inventory.digests[key]:
        why = "it changed during the run; run again"
        return Outcome(key, inputs, None, "failed", why, passing=True)
    return None


def _ordered(plan: StagePlan, values: Values) -> list[str]:
    """Return the keys to run; samples that may share a batch stand together."""
    group_by = plan.step.stage.group_by
    if group_by is None:
        return sorted(plan.run)
    of = values.digest(group_by)
    return sorted(plan.run, key=lambda key: (of(key), key))


def _groups(
    read: Iterable[_Read | Outcome], plan: StagePlan, values: Values, size: int
) -> Iterator[list[_Read | Outcome]]:
    group_by = plan.step.stage.group_by
    of = values.digest(group_by) if group_by else (lambda _: "")
    group: list[_Read | Outcome] = []
    shared, full, held = "", 0, 0
    for item in read:
        if isinstance(item, Outcome):
            group.append(item)
            continue
        more = _bytes(item)
        if full and (full == size or of(item[0]) != shared or held + more > _GROUP_BYTES):
            yield group
            group, full, held = [], 0, 0
        group.append(item)
        shared, full, held = of(item[0]), full + 1, held + more
    if group:
        yield group


def _bytes(item: _Read) -> int:
    """Return what the picture of a sample takes; Pillow has 4 bytes for a pixel."""
    sizes = [value.size for value in item[2] if hasattr(value, "getpixel")]
    return sum(4 * width * height for width, height in sizes)


def _alone(call: Caller, item: _Read | Outcome) -> list[Outcome]:
    return _together(call, [item])


def _together(call: Caller, group: Sequence[_Read | Outcome]) -> list[Outcome]:
    bad = [item for item in group if isinstance(item, Outcome)]
    good = [item for item in group if not isinstance(item, Outcome)]
    return bad + (called(call, good) if good else [])


def called(call: Caller, samples: list[Any]) -> list[Outcome]:
    """Call the stage; where a batch fails, each sample alone: only the culprit is blamed.

    Args:
        call: The stage.
        samples: Key, inputs and what the stage reads, of as many as a call takes at most.

    Raises:
        UserError: No sample is to blame: what was asked for, a model or the machine is.
    """
    try:
        results = call([values for _, _, values in samples])
    except UserError:
        raise
    except (*_SAMPLE_ERRORS, MemoryError) as error:
        _stop_for_machine(error, call.size)
        if len(samples) > 1:
            return [result for sample in samples for result in called(call, [sample])]
        key, inputs, _ = samples[0]
        return [Outcome(key, inputs, None, "failed", f"{type(error).__name__}: {error}")]
    each = zip(samples, results, strict=True)
    return [_outcome(key, inputs, result) for (key, inputs, _), result in each]


def _outcome(key: str, inputs: str, result: Any) -> Outcome:
    if isinstance(result, Rejected):
        return Outcome(key, inputs, None, "rejected", result.why)
    if isinstance(result, Failed):
        why = f"{result.why}\n{result.hint}" if result.hint else result.why
        return Outcome(key, inputs, None, "failed", why, result.passing)
    return Outcome(key, inputs, result)


def _stop_for_machine(error: Exception, size: int) -> None:
    """End the run for what no picture can help: each would fail, and be remembered for it."""
    said = str(error)
    if isinstance(error, MemoryError) or any(words in said.lower() for words in _FULL):
        what = "device" if type(error).__name__ == "OutOfMemoryError" else "machine"
        raise MachineError(
            f"the {what} ran out of memory",
            "run again with a smaller `--batch`"
            if size > 1
            else "close what else needs memory, then run the same command again",
        ) from error
    if any(words in said for words in _BROKEN):
        raise MachineError(
            f"the device failed: {said.splitlines()[0]}",
            "run the same command again; if that fails as well, add `--device cpu`",
        ) from error
