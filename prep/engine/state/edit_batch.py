"""A one-off edit of many pictures as a value, and as JSON for the ledger. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from prep.engine.state.ledger_queries import Edit


@dataclass(frozen=True)
class Word:
    """One field of one sample that an operation writes.

    Attributes:
        field: As the ledger names it: `tags`, `caption`, `meta.tags`, ...
        edit: What the ledger knew of it before; None for nothing.
        now: What it is to know.
        was: For a field of a dataset file, its value there before.
    """

    key: str
    field: str
    edit: Edit | None
    now: Edit
    was: Any = None


@dataclass(frozen=True)
class TextFile:
    """One text file that an operation replaces.

    Attributes:
        name: As the ledger names it.
        before: Its bytes; None where there was none.
        key: The sample whose sidecar it is; empty for any other file.
    """

    name: str
    before: bytes | None
    after: bytes
    key: str = ""
    field: str = ""


@dataclass(frozen=True)
class MetaFile:
    """One dataset file in which an operation changes samples.

    Attributes:
        exact: Its bytes before, where writing it again would not give them.
        after: Digest of what the operation makes of it.
    """

    name: str
    exact: bytes | None
    after: str


@dataclass(frozen=True)
class Operation:
    """An edit of many pictures.

    Attributes:
        said: The command, as a person could type it.
        ours: Whether the dataset files are prep's: their edits are kept in the ledger.
        back: Whether it is being taken back.
        words: Without those that a person changed since, once it is taken back.
        pictures: Key -> digest of the pictures whose words it writes: under other names, too,
            they are known again.
    """

    said: str
    words: tuple[Word, ...] = ()
    texts: tuple[TextFile, ...] = ()
    metas: tuple[MetaFile, ...] = ()
    ours: bool = True
    back: bool = False
    pictures: Mapping[str, str] = field(default_factory=dict)


def stored(operation: Operation) -> dict[str, Any]:
    """Return an operation as JSON values; bytes in base64."""
    told = asdict(operation)
    for text in told["texts"]:
        text |= {side: _packed(text[side]) for side in ("before", "after")}
    for meta in told["metas"]:
        meta["exact"] = _packed(meta["exact"])
    return told


def loaded(told: dict[str, Any]) -> Operation:
    """Return the operation that `stored` made JSON values of."""
    words = tuple(_word(**word) for word in told["words"])
    texts = [t | {side: _unpacked(t[side]) for side in ("before", "after")} for t in told["texts"]]
    metas = [meta | {"exact": _unpacked(meta["exact"])} for meta in told["metas"]]
    own = {
        "words": words,
        "texts": tuple(TextFile(**text) for text in texts),
        "metas": tuple(MetaFile(**meta) for meta in metas),
    }
    return Operation(**told | own)


def _word(edit: Any, now: Any, **rest: Any) -> Word:
    return Word(edit=edit and Edit(**edit), now=Edit(**now), **rest)


def _packed(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _unpacked(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
