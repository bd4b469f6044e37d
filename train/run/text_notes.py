"""What a person should know of the texts that train, before they do."""

from collections.abc import Callable, Iterator, Mapping

from prep.runtime.counts import counted, first_few
from train.config import Config
from train.data.captions import has_wildcard, longest_texts
from train.data.dataset import TrainingSample
from train.families.weighted_words import has_weight
from train.option_fields import flag

Samples = Mapping[str, TrainingSample]


def text_notes(samples: Samples, config: Config) -> Iterator[str]:
    """Yield what is written in texts and means nothing without an option, and the other way."""
    yield from _of_signs(
        samples, config, "wildcards", has_wildcard,
        "words to choose from, as in `{a|b}`, and all of them train",
    )  # fmt: skip
    yield from _of_signs(
        samples, config, "weighted_words", has_weight,
        "weights, as in `(word:1.2)`, and they train as letters",
    )  # fmt: skip
    if (mark := config.keep_tags_separator) and not any(_found(samples, lambda t: mark in t)):
        yield f"`--keep-tags-separator {mark}` has no effect: it stands in no text"


def _of_signs(
    samples: Samples, config: Config, option: str, has: Callable[[str], bool], told: str
) -> Iterator[str]:
    affixes = f"{config.caption_prefix} {config.caption_suffix}"
    found = list(samples) if has(affixes) else list(_found(samples, has))
    if found and not getattr(config, option):
        verb = "has" if len(found) == 1 else "have"
        yield (
            f"{len(found)} of {counted(len(samples), 'sample')} {verb} {told}; `{flag(option)}` "
            f"takes them for that: {first_few([f'`{key}`' for key in found])}"
        )
    if not found and getattr(config, option):
        yield f"`{flag(option)}` has no effect: no text has {told.partition(', and')[0]}"


def _found(samples: Samples, has: Callable[[str], bool]) -> Iterator[str]:
    return (key for key, one in samples.items() if any(has(s.text()) for s in one.wordings()))


def long_note(
    samples: Samples, counts: Mapping[str, int], most_tokens: int, config: Config
) -> str | None:
    """Return which texts are longer than the text encoder reads.

    Args:
        counts: Tokens of each of their longest texts.
    """
    each = {key: max(counts[t] for t in longest_texts(one, config)) for key, one in samples.items()}
    over = [f"`{key}` ({count})" for key, count in each.items() if count > most_tokens]
    if not over:
        return None
    one = len(over) == 1
    verb, rest = ("has a text of", "its end is") if one else ("have texts of", "their ends are")
    return (
        f"{len(over)} of {counted(len(samples), 'sample')} {verb} more than {most_tokens} tokens; "
        f"{rest} not trained: {first_few(over)}"
    )
