"""The nearest known tag to one that is not known: typing mistakes of one letter. Pure."""

from collections.abc import Iterable, Iterator

# Among shorter tags, faces above all, most are one letter apart.
_SHORTEST = 4


class Spelling:
    """Known tags, to be asked for those that are one mistake away.

    A mistake is a letter too many, one too few, another one, or two that changed places. A digit
    in place of another is none: `2girls` is no `3girls`.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._places = {word: place for place, word in enumerate(dict.fromkeys(known))}
        self._forms: dict[str, list[str]] = {}
        for word in self._places:
            for form in _forms(word):
                self._forms.setdefault(form, []).append(word)

    def near(self, tag: str) -> list[str]:
        """Return the known tags that are one mistake away from `tag`, in the order given."""
        if len(tag) < _SHORTEST:
            return []
        found = {word for form in _forms(tag) for word in self._forms.get(form, ())}
        near = [word for word in found if len(word) >= _SHORTEST and is_mistake(tag, word)]
        return sorted(near, key=self._places.__getitem__)


def is_mistake(typed: str, meant: str) -> bool:
    """Return whether two tags are one mistake apart; see `Spelling`."""
    if typed == meant or abs(len(typed) - len(meant)) > 1:
        return False
    at = next(
        (i for i, (a, b) in enumerate(zip(typed, meant, strict=False)) if a != b),
        min(len(typed), len(meant)),
    )
    left, right = typed[at:], meant[at:]
    if len(left) < len(right):
        return left == right[1:]
    if len(left) > len(right):
        return left[1:] == right
    if left[1:] == right[1:]:
        return not (left[0].isdigit() and right[0].isdigit())
    return left[:2] == right[1::-1] and left[2:] == right[2:]


def _forms(word: str) -> Iterator[str]:
    """Yield a word and what it is without one of its letters: two near words share a form."""
    yield word
    seen = set()
    for at in range(len(word)):
        form = word[:at] + word[at + 1 :]
        if form not in seen:
            seen.add(form)
            yield form
