"""The text that a picture trains on: its tags, its caption or both, behind the trigger. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from prep.tags.tag_text import parsed

# What trains -> the fields that it is made of.
FIELDS = {"tags": ("tags",), "caption": ("caption",), "both": ("tags", "caption")}


@dataclass(frozen=True)
class Wording:
    """The pieces of a text.

    Attributes:
        words: Tags, then the caption as one piece.
        num_tags: How many of the words are tags.
        lead: How many of the tags are the trigger, which stays whole and in front.
    """

    words: tuple[str, ...]
    num_tags: int
    lead: int = 0

    def text(self) -> str:
        """Return the pieces with a comma between them."""
        return ", ".join(self.words)

    def own(self) -> bool:
        """Return whether there is a word beside the trigger."""
        return len(self.words) > self.lead


def wording(tags: Sequence[str], caption: str, text: str, trigger: str) -> Wording:
    """Return what trains of a picture's words.

    Args:
        tags: With the trigger in front, where a person did not take it away.
        caption: One sentence, or an empty text.
        text: `tags`, `caption`, or `both`: tags first.
        trigger: Of the picture's concept; empty for none. A caption alone gets it in front, unless
            it begins with it.
    """
    leading = parsed(trigger)
    sentence = (caption,) if caption else ()
    if text == "caption":
        own = begins(caption, trigger)
        before = () if own else leading
        return Wording((*before, *sentence), len(before), len(before))
    words = (*tags, *(sentence if text == "both" else ()))
    lead = len(leading) if tuple(tags[: len(leading)]) == leading else 0
    return Wording(words, len(tags), lead)


def captions(text: str) -> tuple[str, ...]:
    """Return the captions in a picture's text: one a line where several lines hold words.

    A text with words on one line alone is one caption, as it stands.
    """
    lines = tuple(line for line in map(str.strip, text.split("\n")) if line)
    return lines if len(lines) > 1 else (text,)


def wordings(tags: Sequence[str], caption: str, text: str, trigger: str) -> tuple[Wording, ...]:
    """Return what trains of a picture's words, once for each of its captions that train."""
    each = captions(caption) if "caption" in FIELDS[text] else (caption,)
    return tuple(wording(tags, one, text, trigger) for one in each)


def begins(text: str, trigger: str) -> bool:
    """Return whether a text begins with the trigger, as words of their own, in any case."""
    first = ", ".join(parsed(trigger)).casefold()
    folded = text.casefold()
    return bool(first) and folded.startswith(first) and not folded[len(first) :][:1].isalnum()


def without_trigger(text: str, trigger: str, instead: str = "") -> str:
    """Return a text with other words wherever it names the trigger, in any case.

    Where there are no others the trigger is left out, and a comma with it.
    """
    words = [re.escape(word) for word in parsed(trigger)]
    if not words:
        return text
    named = re.compile(rf"(?<!\w){', *'.join(words)}(?!\w)", re.IGNORECASE)
    found, count = named.subn(lambda _: instead, text)
    if instead or not count:
        return found
    pieces = (" ".join(piece.split()) for piece in found.split(","))
    return ", ".join(piece for piece in pieces if piece)
