"""Randomness that is computed, never carried: from a seed, a purpose and a key or step."""

import hashlib
from collections.abc import Callable

MOST_SEED = (1 << 63) - 1  # that a person may give


def seed_for(seed: int, purpose: str, *keys: str | int) -> int:
    """Return a 63-bit seed for one purpose and one key (or step, or epoch and key).

    It depends on nothing else: not on the order of samples, the number of workers or what was
    drawn before. Parts are length-prefixed, so ("a", "bc") and ("ab", "c") differ.
    """
    parts: tuple[str | int, ...] = (seed, purpose, *keys)
    return seeds_for(*parts[:-1])(parts[-1])


def seeds_for(*before: str | int) -> Callable[[str | int], int]:
    """Return a function from the last part to what `seed_for` returns; for many of them, faster."""
    whole = hashlib.sha256(b"".join(map(_label, before)))

    def seed(last: str | int) -> int:
        state = whole.copy()
        state.update(_label(last))
        return int.from_bytes(state.digest()[:8], "big") >> 1

    return seed


def _label(part: str | int) -> bytes:
    text = f"{type(part).__name__}:{part}".encode()
    return f"{len(text)}:".encode() + text
