"""How the value of an artifact is kept."""

import json
from typing import Any

from prep.runtime.files import canonical, digest_bytes


def dumped(value: Any) -> bytes:
    """Return the bytes that a small value is kept as: canonical JSON, UTF-8."""
    return canonical(value).encode()


def loaded(data: bytes) -> Any:
    """Return the value that `dumped` made bytes of."""
    return json.loads(data)


def digest_of(value: Any) -> str:
    """Return the digest by which a value enters recipes."""
    return digest_bytes(dumped(value))
