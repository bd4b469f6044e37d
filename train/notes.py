"""What a person should know of a training before it begins, though nothing stands in its way."""

from collections.abc import Iterator, Mapping, Sequence

from prep.counts import counted
from train import earlier
from train.config import Config
from train.data import Lesson
from train.probe import Answer
from train.run import Run, check_vae, facts
from train.text import all_texts

_SHOWN = 3


def notes(run: Run, answer: Answer, first: bool) -> Iterator[str]:
    """Yield what a person should know of a run before it begins, a line each.

    Args:
        answer: What the base model's tokenizer says of the texts.
        first: Whether this process is the one that writes.
    """
    yield from check_vae(run)
    if first:
        yield from earlier.unfinished(
            run.config.out, run.name, facts(run), list(run.config.deciding())
        )
    if note := unread_note(run.base, answer.unread):
        yield note
    if note := passes_note(run.config):
        yield note
    lessons = run.data.lessons
    counts = dict(zip(all_texts(list(lessons.values())), answer.tokens, strict=True))
    if note := long_note(lessons, counts, answer.most_tokens):
        yield note


def unread_note(base: str, unread: Sequence[str]) -> str | None:
    """Return which tensors of a base model's files nothing reads."""
    if not unread:
        return None
    names = [f"`{name}`" for name in unread]
    told = f"{counted(len(names), 'tensor')} in the files of `{base}`"
    return f"{told} {'is' if len(names) == 1 else 'are'} not read: {_some(names)}"


def passes_note(config: Config) -> str | None:
    """Return what to know of `--accumulate` where a batch has no samples for so many passes."""
    batch, passes = config.batch, config.accumulate
    if passes <= batch:
        return None
    effect = "has no effect" if batch == 1 else f"has the effect of `--accumulate {batch}`"
    return (
        f"`--accumulate {passes}` {effect}: it cuts a batch into passes, and `--batch` is {batch}; "
        f"for {batch * passes} samples a step give `--batch {batch * passes} --accumulate {passes}`"
    )


def long_note(
    lessons: Mapping[str, Lesson], counts: Mapping[str, int], most_tokens: int
) -> str | None:
    """Return which texts are longer than the text encoder reads.

    Args:
        counts: Tokens of each text.
    """
    found = [(key, counts[one.text]) for key, one in lessons.items()]
    over = [f"`{key}` ({count})" for key, count in found if count > most_tokens]
    if not over:
        return None
    one = len(over) == 1
    verb, rest = ("has a text of", "its end is") if one else ("have texts of", "their ends are")
    return (
        f"{len(over)} of {counted(len(lessons), 'sample')} {verb} more than {most_tokens} tokens; "
        f"{rest} not trained: {_some(over)}"
    )


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
