"""What a sample says when shown: its words, drawn anew at every showing. Text only.

Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py `process_caption`: the rules
and their order. Unlike there, tags and captions are known apart: a caption's commas separate
nothing.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from itertools import count

from prep.dataset.wording import Wording
from prep.runtime.seeds import seed_for
from train.config import Config
from train.data.dataset import TrainingSample
from train.data.preserved_texts import all_shown
from train.families.weighted_words import unweighted

_SEEDS = 1 << 63
# Stand between the tags, and in front of what is behind them, while a text is put together. No text
# that prep reads has them.
_TAG, _REST = "\x1f", "\x1e"
_WILDCARD = re.compile(r"\{([^}]+)\}")
# Stand for braces that are no wildcard's.
_BRACES = (("{{", "\x1c", "{"), ("}}", "\x1d", "}"))

Draw = tuple[int | str, ...]  # what, with the seed and a purpose, decides one showing's words


def text_of(
    sample: TrainingSample, key: str, epoch: int, config: Config, showing: int = 0, *, step: int = 0
) -> str:
    """Return the text that a sample is shown with: drawn anew at every showing.

    One of its captions is drawn, then one of the words of each wildcard. Tags behind the first
    `keep_tags` are shuffled, and a share of `tag_dropout` of them is left out; the trigger counts
    as one tag and stays whole, also where it has commas; a caption keeps its place behind the
    tags. A share of `caption_dropout` of the showings has no text, nor has any of each so many-th
    epoch. In the first `tag_warmup` steps more and more of the tags that may move are shown.

    Args:
        showing: Which of the sample's showings in the epoch it is. The first one is drawn as it
            was when all of an epoch were alike, so that runs without repeats keep their bits.
        step: From 0.
    """
    if (every := config.caption_dropout_every_epochs) and (epoch + 1) % every == 0:
        return ""
    drawn: Draw = (epoch, key, showing) if showing else (epoch, key)
    if config.text_variants:
        drawn = (seed_for(config.seed, "variant", *drawn) % config.text_variants, key)
    return _drawn(sample, drawn, config, step)


def are_few(config: Config) -> bool:
    """Return whether the texts that a sample can be shown with are few, so that they are known."""
    many = config.shuffle_tags or config.tag_dropout or config.wildcards
    return not config.tag_warmup and bool(config.text_variants or not many)


def texts_of(sample: TrainingSample, key: str, config: Config) -> set[str]:
    """Return every text that a sample can be shown with, where they are few."""
    if config.text_variants:
        found = {_drawn(sample, (n, key), config) for n in range(config.text_variants)}
    else:
        found = set(whole_texts(sample, config)) | ({""} if config.caption_dropout else set())
    return found | ({""} if config.caption_dropout_every_epochs else set())


def whole_texts(sample: TrainingSample, config: Config) -> list[str]:
    """Return the text of each caption with nothing drawn: all tags, wildcards as they stand."""
    return [_joined(_marked(said, config), config) for said in sample.wordings()]


def longest_texts(sample: TrainingSample, config: Config) -> Iterator[str]:
    """Yield each caption's text as a tokenizer has to count it: whole, and without weights.

    Of a wildcard it has the words with most letters.
    """
    for said in sample.wordings():
        marked = _marked(said, config)
        if config.wildcards:
            marked = _expanded(marked, lambda options, number: max(options, key=len))
        text = _joined(marked, config)
        yield unweighted(text) if config.weighted_words else text


def tags_that_move(sample: TrainingSample, config: Config) -> int:
    """Return how many tags of a text may move or be left out: of its captions, at most."""
    wholes = (_marked(said, config).partition(_REST)[0] for said in sample.wordings())
    return max((len(_parts(whole, config)[1]) for whole in wholes if whole), default=0)


def longest_of_all(samples: Sequence[TrainingSample], config: Config) -> list[str]:
    """Return the longest texts of samples, each once, sorted; those to preserve among them."""
    return sorted(
        {text for one in samples for text in all_shown(one, [*longest_texts(one, config)], config)}
    )


def has_wildcard(text: str) -> bool:
    """Return whether a text has words to choose from, as in `{a|b}`."""
    return any("|" in found[1] for found in _WILDCARD.finditer(_escaped(text)))


def _drawn(sample: TrainingSample, drawn: Draw, config: Config, step: int = 0) -> str:
    def number(purpose: str, *of: int | str) -> int:
        return seed_for(config.seed, purpose, *drawn, *of)

    if (share := config.caption_dropout) and number("dropout") < share * _SEEDS:
        return ""
    each = sample.wordings()
    marked = _marked(each[number("caption") % len(each)] if len(each) > 1 else each[0], config)
    if config.wildcards:
        marked = _expanded(
            marked, lambda options, nth: options[number("wildcard", nth) % len(options)]
        )
    return _joined(marked, config, number, step)


def _marked(said: Wording, config: Config) -> str:
    """Return prefix, words and suffix as one text with marks, as kohya's scripts join them.

    A prefix before tags belongs to the first of them, and its commas separate tags.
    """
    tags, rest = said.words[: said.num_tags], ", ".join(said.words[said.num_tags :])
    units = (", ".join(tags[: said.lead]), *tags[said.lead :]) if said.lead > 1 else tags
    before, behind = config.caption_prefix, config.caption_suffix
    if not units:
        return _REST + _spaced(before, rest, behind)
    whole = _spaced(before.replace(",", _TAG), _TAG.join(units))
    if rest:
        return whole + _REST + _spaced(rest, behind)
    return _spaced(whole, behind.replace(",", _TAG))


def _spaced(*texts: str) -> str:
    return " ".join(text for text in texts if text)


def _joined(
    marked: str, config: Config, number: Callable[..., int] | None = None, step: int = 0
) -> str:
    """Return a marked text as it is shown.

    Args:
        number: (purpose, ...) -> a number in [0, 2^63); None to leave all tags, in their order.
    """
    whole, _, rest = marked.partition(_REST)
    kept, moved, last = _parts(whole, config) if whole else ([], [], [])
    if number:
        moved = _moved(moved, config, number, step)
    text = ", ".join([*kept, *moved, *last, *([rest] if rest else [])])
    other = config.secondary_separator
    return text.replace(other, ", ") if other else text


def _moved(tags: list[str], config: Config, number: Callable[..., int], step: int) -> list[str]:
    """Return the tags that may move as they are shown: the first ones, shuffled, some left out."""
    if step < config.tag_warmup:
        least = config.tag_warmup_least
        tags = tags[: step * (len(tags) - least) // config.tag_warmup + least]
    if config.shuffle_tags:
        order = [(number("shuffle", tag, nth), tag) for nth, tag in enumerate(tags)]
        tags = [tag for _, tag in sorted(order)]
    if config.tag_dropout:
        share = config.tag_dropout * _SEEDS
        tags = [tag for nth, tag in enumerate(tags) if number("tag", tag, nth) >= share]
    return tags


def _parts(whole: str, config: Config) -> tuple[list[str], list[str], list[str]]:
    """Return the tags that stay in front, those that may move, and those that stay behind."""
    mark = config.keep_tags_separator
    tidy = bool(mark or config.wildcards or config.caption_prefix or config.caption_suffix)
    if mark and mark in whole:
        parts = [_tags(part, tidy) for part in whole.split(mark, 2)]
        return parts[0], parts[1], parts[2] if len(parts) > 2 else []
    tags = _tags(whole, tidy)
    return tags[: config.keep_tags], tags[config.keep_tags :], []


def _tags(marked: str, tidy: bool) -> list[str]:
    """Return the tags of a marked text; `tidy`: without the spaces that joining left."""
    tags = marked.split(_TAG)
    return [tag for one in tags if (tag := one.strip())] if tidy else tags


def _expanded(text: str, chosen: Callable[[list[str], int], str]) -> str:
    """Return a text with one of the words of each wildcard; `{{` and `}}` are plain braces.

    Args:
        chosen: (words, number of the wildcard in the text) -> one of the words.
    """
    nth = count()
    text = _WILDCARD.sub(lambda found: chosen(found[1].split("|"), next(nth)), _escaped(text))
    for _, mark, plain in _BRACES:
        text = text.replace(mark, plain)
    return text


def _escaped(text: str) -> str:
    for double, mark, _ in _BRACES:
        text = text.replace(double, mark)
    return text
