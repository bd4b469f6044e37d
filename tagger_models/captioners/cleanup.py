"""A captioner's answer -> a caption, or the reason why it is none. Pure functions on text.

Each rule may be used alone, and `cleaned` has their order.
Which patterns there are is data, in `cleanup_patterns`.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from tagger_models.captioners.captioner import End, Reply, Trouble
from tagger_models.captioners.cleanup_patterns import (
    CONNECTORS,
    ENDS,
    LEADS,
    MARKS,
    QUOTES,
    REFUSALS,
    THOUGHTS,
    UNCLOSED_THOUGHT,
)

_SHOWN = 80
_NEAR_WORDS = 2000  # a loop is looked for in as many last words
_LONGEST_LOOP = 200  # words
_ASK_OTHERWISE = "ask otherwise (`--prompt`), the same again (`prep reset`), or write it yourself"
_GIVE_ROOM = "give it room: a larger `--max-new-tokens`"


def cleaned(answer: Reply, start: str = "", forbid: Sequence[str] = ()) -> str | Trouble:
    """Return the caption that an answer holds, on one line, or why it holds none.

    Args:
        answer: As it came from the captioner.
        start: What the caption begins with; put before it where it does not.
        forbid: Words that it may not have: a sentence with one of them is dropped.
    """
    text = one_line(unfenced(without_thoughts(answer.text)))
    if answer.end is End.REFUSED or refuses(text):
        return Trouble(f"the captioner refused: `{_shown(text)}`", _ASK_OTHERWISE)
    if not text and answer.text.strip():
        return Trouble("the answer has thoughts but no caption", _GIVE_ROOM)
    text = unlooped(bare(text))
    if answer.end is End.CUT:
        text = without_half_sentence(text)
    kept = without_forbidden(text, forbid)
    if text and not kept:
        return Trouble(f"it has a forbidden word: `{_shown(text)}`", _ASK_OTHERWISE)
    if not kept and answer.end is End.CUT:  # servers keep a model's thoughts to themselves
        return Trouble("the answer was cut before a caption began", _GIVE_ROOM)
    if not kept:
        return Trouble("the captioner answered nothing", _ASK_OTHERWISE)
    return started(kept, start)


def without_thoughts(text: str) -> str:
    """Return what was said after thinking: `<think>` blocks are dropped, unclosed ones too."""
    before = None
    while text != before:
        before = text
        text = UNCLOSED_THOUGHT.sub("", THOUGHTS.sub("", text))
    return text.strip()


def unfenced(text: str) -> str:
    """Return a text without code fences, bold marks, headings and marks of an answer's box."""
    return MARKS.sub("", text).strip()


def one_line(text: str) -> str:
    """Return a text on one line, with single spaces."""
    return " ".join(text.split())


def bare(text: str) -> str:
    """Return a text without the words that lead to it (`Sure! Here is a caption:`) and quotes.

    `The image shows a cat` becomes `A cat`.
    """
    before = None
    while text != before:
        before = text
        shorter = LEADS.sub("", text, count=1)
        if shorter != text and text[:1].isupper():
            shorter = shorter[:1].upper() + shorter[1:]
        text = _unquoted(shorter.strip())
    return text


def _unquoted(text: str) -> str:
    for opening, closing in QUOTES:
        inner = text[1:-1]
        around = len(text) > 1 and text[0] == opening and text[-1] == closing
        if around and opening not in inner and closing not in inner:
            return inner.strip()
    return text


def refuses(text: str) -> bool:
    """Return whether a text says that it will not, or cannot, describe the picture."""
    return REFUSALS.search(text[:400].replace("\u2019", "'")) is not None


def unlooped(text: str) -> str:
    """Return a text up to where it begins to repeat itself until its end.

    A word has to come four times, a few words two times and a half, eight words and more twice.
    """
    words = text.split()[-_NEAR_WORDS:]
    plain = [re.sub(r"\W+", "", word).casefold() or word for word in words]
    for period in range(1, min(len(words) // 2, _LONGEST_LOOP) + 1):
        same = 0
        while same + period < len(plain) and plain[-1 - same] == plain[-1 - same - period]:
            same += 1
        if same + period >= _enough(period):
            kept = text.split()[: len(text.split()) - same]
            while len(kept) > 1 and kept[-1].casefold().strip(",;") in CONNECTORS:
                kept.pop()
            return " ".join(kept).rstrip(",;")
    return text


def _enough(period: int) -> int:
    """Return how many words in all make a loop of units of `period` words."""
    if period <= 2:
        return 6 if period == 2 else 4
    return -(-period * 5 // 2) if period < 8 else period * 2


def without_half_sentence(text: str) -> str:
    """Return a text that was cut, up to its last whole sentence, else to its last comma.

    Without either it stays as it is.
    """
    ends = [match.end() for match in ENDS.finditer(text)]
    if ends:
        return text[: ends[-1]]
    head, comma, _ = text.rpartition(", ")
    return head if comma and len(head) * 3 >= len(text) else text


def sentences(text: str) -> list[str]:
    """Return the sentences of a text, the last one also where it does not end."""
    cuts = [0, *(match.end() for match in ENDS.finditer(text)), len(text)]
    parts = [text[a:b].strip() for a, b in pairwise(cuts)]
    return [part for part in parts if part]


def without_forbidden(text: str, forbid: Sequence[str]) -> str:
    """Return a text without the sentences that have a forbidden word, as a whole word."""
    kept = [one for one in sentences(text) if not any(_has(one, word) for word in forbid)]
    return " ".join(kept) if len(kept) < len(sentences(text)) else text


def _has(text: str, word: str) -> bool:
    # Scripts that put no space between words have no whole words to look for.
    edges = (r"(?<!\w)", r"(?!\w)") if word.isascii() else ("", "")
    return re.search(re.escape(word).join(edges), text, re.IGNORECASE) is not None


def started(text: str, start: str) -> str:
    """Return a text that begins with `start`; letter case is no difference."""
    start = one_line(start)
    if not start or text.casefold().startswith(start.casefold()):
        return text
    return f"{start} {text}"


def forbidden(words: str) -> tuple[str, ...]:
    """Return the words of a list with commas between them, without empty ones and repetitions."""
    return tuple(dict.fromkeys(word for part in words.split(",") if (word := one_line(part))))


def _shown(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."
