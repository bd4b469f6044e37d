"""What a person should know of the texts that train, before they do."""

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from prep.runtime.counts import counted, first_few
from train.config import Config
from train.data.captions import has_wildcard, longest_texts
from train.data.dataset import TrainingSample
from train.families.weighted_words import has_numbered_weight, has_weight
from train.methods import method_named
from train.option_fields import flag

Samples = Mapping[str, TrainingSample]


class _Sign(NamedTuple):
    """What is written in texts for an option.

    Attributes:
        has: Whether a text has it, where the option is given.
        meant: Whether a text has it that can hardly mean anything else, where it is not given.
        named: What it is called.
        told: The same with an example.
        untaken: What becomes of it where the option is not given.
    """

    option: str
    has: Callable[[str], bool]
    meant: Callable[[str], bool]
    named: str
    told: str
    untaken: str


_SIGNS = (
    _Sign(
        "wildcards", has_wildcard, has_wildcard, "words to choose from",
        "words to choose from, as in `{a|b}`", "all of them train",
    ),
    _Sign(
        "weighted_words", has_weight, has_numbered_weight, "weighted words",
        "weights, as in `(word:1.2)`", "they train as letters",
    ),
)  # fmt: skip


def text_counts(samples: Samples, config: Config) -> str | None:
    """Return in how many samples there is something to draw or to weigh, in a line; None: in none.

    That without its option is no part of it; see `text_notes`.
    """
    several = sum(bool(one.each) for one in samples.values())
    counts = {"several captions": several} | {
        sign.named: len(_with(samples, config, sign.has))
        for sign in _SIGNS
        if getattr(config, sign.option)
    }
    found = [f"{count} with {what}" for what, count in counts.items() if count]
    return f"texts: of {counted(len(samples), 'sample')} {', '.join(found)}" if found else None


def text_notes(samples: Samples, config: Config) -> Iterator[str]:
    """Yield what is written in texts and means nothing without an option, and the other way."""
    for sign in _SIGNS:
        given = getattr(config, sign.option)
        found = _with(samples, config, sign.has if given else sign.meant)
        if given and not found:
            yield f"`{flag(sign.option)}` has no effect: no text has {sign.told}"
        if found and not given:
            verb = "has" if len(found) == 1 else "have"
            yield (
                f"{len(found)} of {counted(len(samples), 'sample')} {verb} {sign.told}, and "
                f"{sign.untaken}; `{flag(sign.option)}` takes them for that: "
                f"{first_few([f'`{key}`' for key in found])}"
            )
    if method_named(config.method).reads(config) and config.text_cache != "memory":
        yield f"`--text-cache {config.text_cache}` has no effect: the text encoder learns"
    mark = config.keep_tags_separator
    if mark and not _with(samples, config, lambda text: mark in text):
        yield f"`--keep-tags-separator {mark}` has no effect: it stands in no text"


def _with(samples: Samples, config: Config, has: Callable[[str], bool]) -> list[str]:
    """Return the keys of samples with a text that has something; a prefix is in all of them."""
    if has(f"{config.caption_prefix} {config.caption_suffix}"):
        return list(samples)
    return [k for k, one in samples.items() if any(has(s.text()) for s in one.wordings())]


def cut_texts(
    samples: Samples, counts: Mapping[str, int], most_tokens: int, config: Config
) -> dict[str, int]:
    """Return the keys of samples whose text is longer than the text encoder reads -> its tokens.

    Args:
        counts: Tokens of each of their longest texts.
    """
    each = {key: max(counts[t] for t in longest_texts(one, config)) for key, one in samples.items()}
    return {key: count for key, count in each.items() if count > most_tokens}


def long_note(
    samples: Samples, counts: Mapping[str, int], most_tokens: int, config: Config
) -> str | None:
    """Return which texts are longer than the text encoder reads.

    Args:
        counts: Tokens of each of their longest texts.
    """
    cut = cut_texts(samples, counts, most_tokens, config)
    over = [f"`{key}` ({count})" for key, count in cut.items()]
    if not over:
        return None
    one = len(over) == 1
    verb, rest = ("has a text of", "its end is") if one else ("have texts of", "their ends are")
    return (
        f"{len(over)} of {counted(len(samples), 'sample')} {verb} more than {most_tokens} tokens; "
        f"{rest} not trained: {first_few(over)}"
    )
