"""The tags and texts of a dataset file, or of a folder before the rules, to be looked at."""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from prep.dataset import dataset_file
from prep.dataset.account import Account, account
from prep.dataset.concepts import concept_of
from prep.dataset.dataset_file import Dataset, Sample
from prep.dataset.wording import captions
from prep.engine.accounting import unowned_texts
from prep.engine.inventory.location import Location
from prep.engine.opening import read_only_session
from prep.engine.session import Context, Job
from prep.tags import tag_text

T = TypeVar("T")

_FIELDS = ("tags", "caption", "concept")


@dataclass(frozen=True)
class TagSurvey:
    """What a dataset says.

    Attributes:
        name: What it is called.
        tags: Key -> tags, in their order.
        texts: What a text is of -> what a text encoder would get.
        concepts: Key -> concept.
        triggers: Tags that call a concept.
        base: The base model it was made for, if that is known.
        account: What becomes of the words.
        strays: Text files that no picture owns -> what a person can do about each.
        total: How many pictures there are, those included that are dropped or cannot be used.
    """

    name: str
    tags: Mapping[str, Sequence[str]]
    texts: Mapping[str, str]
    concepts: Mapping[str, str]
    triggers: frozenset[str] = frozenset()
    base: str = ""
    account: Account = field(default_factory=Account)
    strays: Mapping[str, str] = field(default_factory=dict)
    total: int = 0


def of_meta(path: Path) -> TagSurvey:
    """Return what a dataset file says: tags as they train, after all rules."""
    found = dataset_file.load(path)
    samples = found.samples
    return TagSurvey(
        os.path.relpath(path),
        {key: tuple(dict.fromkeys(sample.tags)) for key, sample in samples.items()},
        {
            name: said.text()
            for key, one in samples.items()
            for name, said in _numbered(key, one.wordings(found.trigger(one)))
        },
        {key: sample.concept for key, sample in samples.items()},
        frozenset(
            tag for concept in found.concepts.values() for tag in tag_text.parsed(concept.trigger)
        ),
        found.base or "",
        account(found),
    )


def _numbered(key: str, each: Sequence[T]) -> Iterator[tuple[str, T]]:
    """Yield each of what a picture can train on with its name: the second one is `key (2)`."""
    for number, one in enumerate(each, 1):
        yield key if number == 1 else f"{key} ({number})", one


def of_folder(location: Location, context: Context, text: str = "both") -> TagSurvey:
    """Return what a folder says: tags and captions before the rules, yours where there are some.

    `text`: what of them will train: tags, caption or both.
    """
    with read_only_session(Job(location, ()), context) as session:
        keys = sorted(session.inventory.digests.keys() - session.dropped().keys())
        values = {name: {k: session.values.value(name, k) for k in keys} for name in _FIELDS}
        own = {
            k: tuple(n for n in ("tags", "caption") if (k, n) in session.written.edits)
            for k in keys
        }
        strays, total = unowned_texts(session), session.inventory.num_pictures()
    texts = {key: ", ".join(values["tags"][key] or ()) for key in keys}
    texts |= {
        name: caption
        for key in keys
        if values["caption"][key]
        for name, caption in _numbered(f"{key} (caption)", captions(values["caption"][key]))
    }
    found = {key: tuple(values["tags"][key] or ()) for key in keys}
    concepts = {key: values["concept"][key] or concept_of(key).name for key in keys}
    samples = {
        key: Sample("", (0, 0), found[key], values["caption"][key] or "", text, yours=own[key])
        for key in keys
    }
    told = account(Dataset(".", samples))
    shown = os.path.relpath(location.root)
    return TagSurvey(shown, found, texts, concepts, account=told, strays=strays, total=total)
