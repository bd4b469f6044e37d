r"""Words with weights in a text: `(word:1.2)`, `(word)`, `[word]`. Text only.

Source: AUTOMATIC1111's grammar as kohya-ss/sd-scripts (commit 48d368fa) reads it, library/
strategy_base.py: `(x)` weighs 1.1, `[x]` 1 / 1.1, `(x:1.3)` 1.3; brackets within brackets multiply;
one that is not closed holds to the end; a backslash before a bracket or `\` makes it an ordinary
character.
"""

import re

_MORE = 1.1
# A weight and its bracket are looked for before a bracket alone, plain words in one piece.
_PIECE = re.compile(r"\\[()\[\]\\]|\\|\(|\[|:([+-]?[.\d]+)\)|\)|\]|[^\\()\[\]:]+|:")
_GIVEN = re.compile(r"(?<!\\)\([^()\\]*:[+-]?\d*\.?\d+\)")


def weighted(text: str) -> list[tuple[str, float]]:
    """Return the pieces of a text with the weight of each; neighbours of one weight are joined."""
    found: list[tuple[str, float]] = []
    opened: dict[str, list[int]] = {"(": [], "[": []}

    def multiply(start: int, by: float) -> None:
        found[start:] = [(words, weight * by) for words, weight in found[start:]]

    for piece in _PIECE.finditer(text):
        said = piece[0]
        bracket, by = _closing(said, piece[1])
        if said in opened:
            opened[said].append(len(found))
        elif bracket and opened[bracket]:
            multiply(opened[bracket].pop(), by)
        else:
            found.append((said[1:] if said.startswith("\\") else said, 1.0))
    for start in opened["("]:
        multiply(start, _MORE)
    for start in opened["["]:
        multiply(start, 1 / _MORE)
    return _merged(found)


def unweighted(text: str) -> str:
    """Return a text of as many tokens as its weighted pieces have together."""
    return " ".join(words for words, _ in weighted(text))


def escaped(text: str) -> str:
    """Return a text whose weighted pieces are all its letters, brackets too."""
    return re.sub(r"([()\[\]\\])", r"\\\1", text)


def has_numbered_weight(text: str) -> bool:
    """Return whether a text gives a word its weight as a number, as in `(word:1.2)`."""
    return bool(_GIVEN.search(text))


def has_weight(text: str) -> bool:
    """Return whether a word of a text has another weight than 1."""
    return any(weight != 1 for _, weight in weighted(text))


def _merged(found: list[tuple[str, float]]) -> list[tuple[str, float]]:
    each: list[tuple[str, float]] = []
    for words, weight in found:
        if each and each[-1][1] == weight:
            each[-1] = (each[-1][0] + words, weight)
        else:
            each.append((words, weight))
    return each


def _closing(piece: str, digits: str | None) -> tuple[str, float]:
    """Return the bracket that a piece closes, and by what it multiplies; empty for none."""
    if digits is not None:
        try:
            return "(", float(digits)
        except ValueError:  # as `1.2.3`
            return "", 1.0
    return {")": ("(", _MORE), "]": ("[", 1 / _MORE)}.get(piece, ("", 1.0))
