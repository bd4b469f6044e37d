"""How a number of things is said: `1 picture`, `3 pictures`. Pure."""


def counted(count: int, one: str, several: str = "") -> str:
    """Return a number with its word, as `1 picture` or `3 pictures`.

    Args:
        one: The word for one of them.
        several: The word for any other number; empty for `one` with an `s`.
    """
    return f"{count} {one if count == 1 else several or one + 's'}"
