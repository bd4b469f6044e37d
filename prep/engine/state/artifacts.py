"""The kinds of artifact: how a value is kept, and how a person's words become one."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import prep.tags.tag_text as text_of_tags
from prep.runtime.files import canonical, digest_bytes


def dumped(value: Any) -> bytes:
    """Return the bytes that a small value is kept as: canonical JSON, UTF-8."""
    return canonical(value).encode()


def loaded(data: bytes) -> Any:
    """Return the value that `dumped` made bytes of."""
    return json.loads(data)


def _weight(value: Any) -> float:
    return float(value)


# How what a person wrote becomes the artifact that stages read; other fields are taken as written.
_FROM_PERSON: Mapping[str, Callable[[Any], Any]] = {
    "tags": lambda text: list(text_of_tags.parsed(text)),
    "caption": str.strip,
    "weight": _weight,
}


def from_person(field: str, value: Any) -> Any:
    """Return the artifact that a person's text for `field` stands for."""
    return _FROM_PERSON[field](value) if field in _FROM_PERSON else value


def digest_of(value: Any) -> str:
    """Return the digest by which a value enters recipes."""
    return digest_bytes(dumped(value))
