"""Randomness that is computed, never carried: from a seed, a purpose and a key or step."""

import hashlib


def seed_for(seed: int, purpose: str, *keys: str | int) -> int:
    """Return a 63-bit seed for one purpose and one key (or step, or epoch and key).

    It depends on nothing else: not on the order of samples, the number of workers or what was
    drawn before. Parts are length-prefixed, so ("a", "bc") and ("ab", "c") differ.
    """
    state = hashlib.sha256()
    for part in (seed, purpose, *keys):
        text = f"{type(part).__name__}:{part}".encode()
        state.update(f"{len(text)}:".encode() + text)
    return int.from_bytes(state.digest()[:8], "big") >> 1
