"""What the pictures of an export say of it, in figures from 0 to 1. Pure.

What a tagger sees is how sure it is. A tag can be read where it is seen in most of the subject's
own pictures that have it; what the subject is, is what is seen in nearly all of them, whatever
their tags say. A figure that nothing can be said of is None.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from train.pick.judged import Scores
from train.pick.pick_prompts import PickPicture

_NEARLY_ALL, _MOST = 0.8, 0.5


@dataclass(frozen=True)
class ReadableSubject:
    """What can be read of the subject.

    Attributes:
        marks: What is seen in nearly all its pictures, and in no more than half of what the base
            model draws of the same texts.
        readable: Tags of its pictures that the tagger sees where they are true.
    """

    marks: tuple[str, ...]
    readable: frozenset[str]


@dataclass(frozen=True)
class ExportFigures:
    """What was seen of an export, or of the base model.

    Attributes:
        obeyed: Of each picture: how much of what its text asks for is seen.
        identity: Of each picture with the trigger: how much of what the subject is.
        leak: The same of those without it.
        diversity: How far pictures of one text are apart, over those of the base model.
    """

    obeyed: tuple[float, ...] = ()
    identity: tuple[float, ...] = ()
    leak: tuple[float, ...] = ()
    diversity: float | None = None


def subject_of(
    own: Mapping[str, Scores], tags: Mapping[str, Sequence[str]], base: Iterable[Scores]
) -> ReadableSubject:
    """Return what can be read of the subject.

    Args:
        own: What is seen in its pictures, by key.
        tags: What is said of them, by key.
        base: What is seen in what the base model draws of texts with the trigger.
    """
    drawn = list(base)
    seen = {label for each in own.values() for label in each}
    said = {tag for each in tags.values() for tag in each}
    marks = [
        label
        for label in sorted(seen - said)
        if fmean(each.get(label, 0.0) for each in own.values()) >= _NEARLY_ALL
        and fmean(each.get(label, 0.0) for each in drawn) <= _MOST
    ]
    readable = [
        tag
        for tag in said
        if fmean(own[key].get(tag, 0.0) for key in own if tag in tags[key]) >= _MOST
    ]
    return ReadableSubject(tuple(marks), frozenset(readable))


def figures_of(
    asked: Sequence[PickPicture],
    seen: Sequence[Scores],
    subject: ReadableSubject,
    diversity: float | None,
) -> ExportFigures:
    """Return what the pictures of an export say of it.

    Args:
        seen: What the tagger sees in each; empty where none was asked.
    """
    pairs = list(zip(asked, seen, strict=True)) if seen else []
    wanted = [
        (tuple(tag for tag in one.tags if tag in subject.readable), each) for one, each in pairs
    ]
    obeyed = tuple(_seen(tags, each) for tags, each in wanted if tags)
    of = [(one.called, _seen(subject.marks, each)) for one, each in pairs if subject.marks]
    return ExportFigures(
        obeyed,
        tuple(value for called, value in of if called),
        tuple(value for called, value in of if not called),
        diversity,
    )


def quality(one: ExportFigures) -> float | None:
    """Return the mean of what is known of obedience and identity, 0 to 1.

    What leaks counts for nothing: an export that draws the subject nowhere leaks least, and the
    texts without the trigger are those of the subject's own pictures.
    """
    found = [fmean(each) for each in (one.obeyed, one.identity) if each]
    return fmean(found) if found else None


def quality_error(one: ExportFigures) -> float:
    """Return the standard error of a quality, as far as chance in its pictures makes it."""
    parts = [each for each in (one.obeyed, one.identity) if len(each) > 1]
    if not parts:
        return 0.0
    squares = (_spread(each) / len(each) for each in parts)
    return float(sum(squares) ** 0.5 / len(parts))


def _spread(each: Sequence[float]) -> float:
    middle = fmean(each)
    return sum((one - middle) ** 2 for one in each) / (len(each) - 1)


def _seen(labels: Sequence[str], each: Scores) -> float:
    return fmean(each.get(label, 0.0) for label in labels)
