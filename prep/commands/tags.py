"""What `prep tags` shows: how often the tags of a dataset occur, and what looks wrong.

Reads and prints; writes nothing.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prep.dataset import dataset_file, lint
from prep.dataset.account import Account, account
from prep.dataset.concepts import concept_of
from prep.dataset.dataset_file import Dataset, Sample
from prep.dataset.lint import Finding
from prep.engine.accounting import unowned_texts
from prep.engine.inventory.location import Location
from prep.engine.opening import read_only_session
from prep.engine.session import Context, Job
from prep.models.locate import AbsentModelError, Models
from prep.models.tokenizer import Counter, counter
from prep.pipeline.config import Pipeline
from prep.pipeline.jobs import known_location, text_of
from prep.pipeline.named_files import file_text
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError, UsageError, nearest
from prep.tags import aliases, frequency, tag_text
from prep.tags.aliases import Words
from tagger_models.profiles.registry import DEFAULT

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


@dataclass(frozen=True)
class TagsRequest:
    """What a person asked for.

    Attributes:
        pairs: Show pairs of tags.
        beside: Show what occurs with this tag; empty for all tags.
        lint: Show what looks wrong.
        top: Most lines of a table; 0 for all.
        vocabulary: A tagger or a CSV file; empty for the tagger of the pipeline, or the default
            one, where it is on this machine.
        base: Base model whose tokenizer counts; empty for the dataset's own.
    """

    pairs: bool = False
    beside: str = ""
    lint: bool = False
    top: int = 40
    vocabulary: str = ""
    base: str = ""


def tell_tags(
    source: Path, wish: TagsRequest, context: Context, pipeline: Pipeline | None, state: Path | None
) -> int:
    """Print what a person asked for of a dataset file or a folder; return the exit code.

    Raises:
        UsageError: What looks wrong is asked for together with a table.
    """
    if wish.lint and (wish.pairs or wish.beside):
        table = "--pairs" if wish.pairs else "--with"
        raise UsageError(f"`--lint` does not go with `{table}`", "type two commands")
    if source.is_dir() or not source.suffix.startswith(".json"):
        text = text_of(pipeline) if pipeline else "both"
        shown = of_folder(known_location(source, state, pipeline), context, text)
    else:
        shown = of_meta(source)
    steps = pipeline.steps if pipeline else ()
    named = [
        step.values["model"]
        for step in steps
        if step.command.name == "tag" and "model" in step.values
    ]
    return show(shown, wish, context, named[0] if named else DEFAULT)


def of_meta(path: Path) -> TagSurvey:
    """Return what a dataset file says: tags as they train, after all rules."""
    found = dataset_file.load(path)
    samples = found.samples
    return TagSurvey(
        os.path.relpath(path),
        {key: tuple(dict.fromkeys(sample.tags)) for key, sample in samples.items()},
        {key: one.training_text(found.trigger(one)) for key, one in samples.items()},
        {key: sample.concept for key, sample in samples.items()},
        frozenset(
            tag for concept in found.concepts.values() for tag in tag_text.parsed(concept.trigger)
        ),
        found.base or "",
        account(found),
    )


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
    texts |= {f"{key} (caption)": values["caption"][key] for key in keys if values["caption"][key]}
    found = {key: tuple(values["tags"][key] or ()) for key in keys}
    concepts = {key: values["concept"][key] or concept_of(key)[1] for key in keys}
    samples = {
        key: Sample("", (0, 0), found[key], values["caption"][key] or "", text, yours=own[key])
        for key in keys
    }
    told = account(Dataset(".", samples))
    return TagSurvey(
        os.path.relpath(location.root),
        found,
        texts,
        concepts,
        account=told,
        strays=strays,
        total=total,
    )


def show(shown: TagSurvey, wish: TagsRequest, context: Context, usual: str) -> int:
    """Print a table, or what looks wrong; return the exit code.

    Args:
        shown: The dataset.
        wish: What of it.
        context: Console and models.
        usual: The tagger whose labels are the vocabulary unless the wish names another.
    """
    console = context.console
    known = {tag for each in shown.tags.values() for tag in each}
    pictures = list(shown.tags.values())
    total = counted(max(shown.total, len(pictures)), "picture")
    some = f"{len(pictures)} of " if shown.total > len(pictures) else ""
    console.say(
        f"{shown.name}: {some}{total}, {counted(len(known), 'tag')}",
        pictures=len(pictures),
        tags=len(known),
    )
    if wish.lint:
        found = list(findings(shown, wish, context, usual))
        for one in found:
            facts = {"tags": list(one.tags), "key": one.key, "count": one.count}
            console.say(f"{one.kind}: {one.text}", kind=one.kind, **facts)
        console.say(counted(len(found), "finding"), findings=len(found))
        return 0
    if wish.beside and wish.beside not in known:
        raise ConfigError(f"no picture has the tag `{wish.beside}`", nearest(wish.beside, known))
    rows = _pairs(pictures, wish) if wish.pairs else _frequencies(pictures, wish)
    for line, facts in rows[: wish.top or None]:
        console.say(line, **facts)
    left = len(rows) - wish.top
    if wish.top and left > 0:
        console.note(f"{left} more; `--top 0` shows all")
    return 0


def findings(
    shown: TagSurvey, wish: TagsRequest, context: Context, usual: str
) -> Iterator[Finding]:
    """Yield what looks wrong, kind by kind."""
    pictures = list(shown.tags.values())
    yield from lint.untrained(shown.account, shown.strays)
    yield from lint.misspelt(pictures, _words(wish, context, usual))
    yield from lint.faces(pictures)
    yield from lint.together(pictures)
    for concept in sorted(set(shown.concepts.values())):
        of = [each for key, each in shown.tags.items() if shown.concepts[key] == concept]
        yield from lint.invariant(concept, of, shown.triggers)
    count = _counter(shown, wish, context.models)
    yield from lint.overlong(shown.texts, count(list(shown.texts.values())))


def _frequencies(
    pictures: Sequence[Sequence[str]], wish: TagsRequest
) -> list[tuple[str, dict[str, Any]]]:
    found = frequency.beside(pictures, wish.beside) if wish.beside else frequency.often(pictures)
    return [
        (f"{one.pictures:>7} {one.share:>5.0%}  {one.tag}", dict(one._asdict())) for one in found
    ]


def _pairs(
    pictures: Sequence[Sequence[str]], wish: TagsRequest
) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{two.pictures:>7} {two.lift:>5.1f}x  {two.one} + {two.other}", dict(two._asdict()))
        for two in frequency.pairs(pictures)
        if not wish.beside or wish.beside in (two.one, two.other)
    ]


def _words(wish: TagsRequest, context: Context, usual: str) -> Words:
    """Return the vocabulary to look for typing mistakes with; a note says where it is missing."""
    if wish.vocabulary.lower().endswith(".csv"):
        return aliases.words(file_text(wish.vocabulary, Path.cwd()), wish.vocabulary)
    from tagger_models.profiles.registry import ask_labels, profile
    from tagger_models.vocabulary import read_labels

    name = wish.vocabulary or usual
    models = context.models if wish.vocabulary else replace(context.models, offline=True)
    try:
        found = models.find(ask_labels(name))
    except AbsentModelError:
        if wish.vocabulary:
            raise
        context.console.note(
            f"the labels of `{name}` are not on this machine: tags are compared with each other; "
            "name a tagger or a CSV file with `--vocabulary`"
        )
        return Words()
    return Words(tuple(tag_text.spaced(label.name) for label in read_labels(found, profile(name))))


def _counter(shown: TagSurvey, wish: TagsRequest, models: Models) -> Counter:
    """Return what counts tokens: the named base model's tokenizer, the dataset's own, or CLIP's."""
    if wish.base:
        return counter(models, wish.base)
    try:
        return counter(replace(models, offline=True), shown.base)
    except AbsentModelError:  # all bases of Stable Diffusion 1.x have CLIP's
        return counter(models)
