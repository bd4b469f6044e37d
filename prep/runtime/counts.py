"""How a number of things is said: `1 picture`, `3 pictures`, `a, b, c and 2 more`. Pure."""

from collections.abc import Sequence

_SHOWN = 3


def counted(count: int, one: str, many: str = "") -> str:
    """Return a number with its word, which gets an `s`, or is `many`, where it is not 1 of them."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def first_few(names: Sequence[str]) -> str:
    """Return the first three of some names, and how many more there are."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
