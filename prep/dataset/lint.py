"""What looks wrong in the tags of a dataset. Pure: nothing is changed, and all of it is advice."""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from prep.dataset.account import Account
from prep.models.tokenizer import CHUNKS
from prep.runtime.counts import counted
from prep.tags.aliases import Words
from prep.tags.common_traits import everywhere, is_trait
from prep.tags.spelling import Spelling
from prep.tags.tag_text import block

SHARE = 0.8
# A tag that is not in the vocabulary is taken for a mistyped one of the dataset's own that is so
# many times as frequent.
_TIMES = 10
_WORD = re.compile(r"[A-Za-z0-9]{2}")
# Fewer common pictures of two tags may be chance.
_FEWEST = 3


@dataclass(frozen=True)
class Finding:
    """One thing that looks wrong.

    Attributes:
        kind: typo, alias, face, together, trait, everywhere, long, empty, trigger, unused,
            separator or stray.
        text: What it is, in a sentence for a person.
        tags: Those it is about.
        key: The picture it is about; empty where it is about all.
        count: Of pictures, or of tokens for `long`.
    """

    kind: str
    text: str
    tags: tuple[str, ...] = ()
    key: str = ""
    count: int = 0


_OF_WORDS = {
    "no text": "empty",
    "only the trigger": "trigger",
    "words of yours do not train": "unused",
    "not split": "separator",
}


def untrained(told: Account, strays: Mapping[str, str]) -> Iterator[Finding]:
    """Yield pictures that train without words, words that do not train, and what looks torn.

    Args:
        told: The account of the dataset.
        strays: Text files that no picture owns -> what a person can do about each.
    """
    for what, key, reason in told.listed():
        text = f"`{key}`: {what}" + (f": {reason}" if reason else "")
        yield Finding(_OF_WORDS[what], text, (), key)
    for name, advice in sorted(strays.items()):
        yield Finding("stray", f"`{name}` belongs to no picture" + (advice and f": {advice}"))


def misspelt(pictures: Sequence[Collection[str]], words: Words) -> Iterator[Finding]:
    """Yield the tags that are no tag of the vocabulary but nearly one, or another word for one.

    Without a vocabulary, tags are compared with those that are ten times as frequent.
    """
    counts = Counter(tag for each in pictures for tag in each)
    known = set(words.tags)
    spelling = Spelling((*words.tags, *sorted(counts)))
    for tag, count in sorted(counts.items()):
        if tag in known:
            continue
        where = f"`{tag}` in {counted(count, 'picture')}"
        plain = " ".join(tag.replace("_", " ").lower().split())
        if tag in words.aliases:
            meant = words.aliases[tag]
            yield Finding(
                "alias", f"{where} is another word for `{meant}`", (tag, meant), "", count
            )
            continue
        near = [plain] if plain != tag and plain in known else spelling.near(tag)
        meant_tags = [one for one in near if one in known or counts[one] >= _TIMES * count]
        if meant_tags:
            meant = max(meant_tags, key=lambda one: counts[one])
            meant = words.aliases.get(meant, meant)
            yield Finding("typo", f"{where}, did you mean `{meant}`?", (tag, meant), "", count)


def faces(pictures: Sequence[Collection[str]]) -> Iterator[Finding]:
    """Yield the tags that may be emoticons whose underscore became a space, as `o x` was `o_x`.

    No word is in them: no two letters or digits of ASCII side by side. Nothing is decided by it.
    """
    counts = Counter(tag for each in pictures for tag in each)
    for tag, count in sorted(counts.items()):
        if " " in tag and tag.isascii() and not _WORD.search(tag):
            meant = tag.replace(" ", "_")
            where = f"`{tag}` in {counted(count, 'picture')}"
            text = f"{where}: if it is a face, `prep tag --emoticons {meant}`"
            yield Finding("face", text, (tag, meant), "", count)


def together(pictures: Sequence[Collection[str]]) -> Iterator[Finding]:
    """Yield the tags that are in the very same pictures, at least three and not all: most first."""
    places: dict[str, list[int]] = {}
    for place, tags in enumerate(pictures):
        for tag in tags:
            places.setdefault(tag, []).append(place)
    groups: dict[tuple[int, ...], list[str]] = {}
    for tag, found in sorted(places.items()):
        if _FEWEST <= len(found) < len(pictures):
            groups.setdefault(tuple(found), []).append(tag)
    for found_in, tags in sorted(groups.items(), key=lambda item: (-len(item[0]), item[1])):
        if len(tags) > 1:
            named = ", ".join(f"`{tag}`" for tag in tags)
            text = f"{named} are always together, in {counted(len(found_in), 'picture')}"
            yield Finding("together", text, tuple(tags), "", len(found_in))


def invariant(
    concept: str, pictures: Sequence[Collection[str]], triggers: Collection[str] = ()
) -> Iterator[Finding]:
    """Yield the tags that 80 % or more of a concept's pictures have, traits first.

    Triggers, and tags that count people, belong there.
    """
    of = f" of `{concept}`" if concept else ""
    counts = Counter(tag for each in pictures for tag in each)
    found = [
        tag
        for tag in everywhere(pictures, SHARE)
        if tag not in triggers and block(tag, "general") != "count"
    ]
    for tag in sorted(found, key=lambda tag: (not is_trait(tag), -counts[tag], tag)):
        text = f"`{tag}` is in {counts[tag]} of {counted(len(pictures), 'picture')}{of}"
        if is_trait(tag):
            text += f": `prep edit --prune {SHARE:g}` leaves it to the trigger word"
        kind = "trait" if is_trait(tag) else "everywhere"
        yield Finding(kind, text, (tag,), "", counts[tag])


def overlong(texts: Mapping[str, str], counts: Sequence[int]) -> Iterator[Finding]:
    """Yield the texts of more than 75, 150 or 225 tokens, in the order given.

    Args:
        texts: What a text is of -> the text.
        counts: Tokens of each, marks left out.
    """
    for key, count in zip(texts, counts, strict=True):
        over = [chunk for chunk in CHUNKS if count > chunk]
        if over:
            yield Finding("long", f"`{key}` has {count} tokens, over {over[-1]}", (), key, count)
