"""How a number of things is said: `1 picture`, `3 pictures`. Pure."""


def counted(count: int, one: str) -> str:
    """Return a number with its word, which gets an `s` where it is not 1 of them."""
    return f"{count} {one if count == 1 else one + 's'}"
