"""Samples -> outcomes: decoding overlaps with the model, batches have one size."""

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from prep.engine.decoding.outcome import DecodedPicture, Failure
from prep.engine.decoding.pool import Decoders
from prep.engine.plan import StagePlan
from prep.engine.stage_call import Caller, Outcome, called
from prep.engine.threads import at_once, one_ahead
from prep.engine.values import Values
from prep.stage import ALPHA, IMAGE, MASK_FILE, PIXELS, SIZE, WARNINGS, WITH_PIXELS

_WAITS = "waiting for the pictures that the model has in hand"
_GROUP_BYTES = 256 << 20  # whole pictures that wait for the others of their batch
_DECODED = (*PIXELS, *WITH_PIXELS)  # what comes from the decoder
_TOLD = {IMAGE: "", MASK_FILE: "its mask: ", ALPHA: "its alpha: "}
_PASSING = ("missing", "unstable", "io-error", "oom", "unlike")


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
    others = [name for name, _ in plan.step.stage.needs() if name not in _DECODED]
    fit = call.fit(lambda key: {name: values.value(name, key) for name in others})
    pixels = _pixels(plan)
    decoders = Decoders(jobs, fit=lambda key: (*values.plane(pixels, key).steps, *fit(key)))
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
    keys, decoded = _ordered(plan, values), _pixels(plan)
    if not decoded:
        for key in keys:
            read = tuple(values.value(name, key) for name in names)
            yield key, plan.run[key][0], read
        return
    with ExitStack() as stack:
        pool = stack.enter_context(decoders)
        paths = ((key, Path(values.plane(decoded, key).file)) for key in keys)
        for key, result in pool.decoded(paths):
            inputs = plan.run[key][0]
            wanted, of = values.plane(decoded, key).digest, _TOLD[decoded]
            if (failure := unread(key, inputs, result, wanted)) or isinstance(result, Failure):
                failed = failure or Outcome(key, inputs, None, "failed")
                yield replace(failed, why=of + failed.why)
                continue
            for warning in result.warnings if decoded != ALPHA else ():  # of a picture that is read
                note(f"{key}: {of}{warning}")
            pixels: dict[str, Any] = {
                decoded: result.image(),
                SIZE: list(result.whole),
                WARNINGS: list(result.warnings),
            }
            del result  # the image is a copy
            yield (
                key,
                inputs,
                tuple(pixels[n] if n in pixels else values.value(n, key) for n in names),
            )


def _pixels(plan: StagePlan) -> str:
    """Return which pixels a stage reads; empty where it reads none."""
    return next((name for name, _ in plan.step.stage.needs() if name in PIXELS), "")


def unread(key: str, inputs: str, result: DecodedPicture | Failure, digest: str) -> Outcome | None:
    """Return the outcome of a picture that cannot be read; None for one that was.

    Args:
        digest: SHA-256 that its file had when it was looked at.
    """
    if isinstance(result, Failure):
        return Outcome(key, inputs, None, "failed", result.why, result.kind in _PASSING)
    if result.sha256 != digest:
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
