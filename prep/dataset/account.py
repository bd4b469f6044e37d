"""What becomes of the words of each picture: which train, which do not, and why. Pure.

One account serves every command. It is made of the samples of a dataset, so that `train`, which
sees nothing else, says the same as `prep`.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from prep.dataset.concepts import (
    MOST_REPEATS,
    concept_of,
    folder_of,
    is_blank,
    names_nothing,
    refused_repeats,
)
from prep.dataset.dataset_file import Dataset, Sample
from prep.dataset.wording import FIELDS
from prep.runtime.counts import counted
from prep.tags.tag_text import parsed, unsplit

# What takes a person's words away -> how it is told, and what would bring them back.
TAKEN: Mapping[str, str] = {
    "framing": "its crop does not show it",
    "rules": "a rule takes it away",
    "prune": "left to the trigger: `--keep` keeps it",
    "implied": "it follows from another tag: `--implied add` keeps it",
    "caption": "a rule sets another caption",
}
_SHOWN = 5
_WORDS = 3

Why = dict[str, list[str]]  # reason (empty for none) -> keys, sorted


@dataclass(frozen=True)
class Account:
    """What is to be told of the words of a dataset. Each part is reason -> keys, sorted.

    Attributes:
        total: How many pictures there are.
        empty: Those without a text.
        alone: Those that train on the trigger and no other word.
        folder: Those that train on their folder's words, having none of their own.
        unused: Those with words of a person that do not train; `empty` and `alone` left out.
        unsplit: Those with a tag that holds another program's separator.
        repeats: Folders whose name sets how often their pictures are seen -> that number; 0 where
            the number in it is none of repeats.
    """

    total: int = 0
    empty: Why = field(default_factory=dict)
    alone: Why = field(default_factory=dict)
    folder: Why = field(default_factory=dict)
    unused: Why = field(default_factory=dict)
    unsplit: Why = field(default_factory=dict)
    repeats: dict[str, int] = field(default_factory=dict)

    def look(self) -> bool:
        """Return whether a person should look: pictures train without any text.

        Not where no picture has words that could train: `train` refuses that. Nor where the trigger
        is all there is: to take every tag away is an answer, and it is said.
        """
        count = sum(map(len, self.empty.values()))
        return any(self.empty) or 0 < count < self.total

    def wrong(self) -> list[str]:
        """Return what a person should look at, a line a subject."""
        return self._silent() if self.look() else []

    def notes(self) -> Iterator[str]:
        """Yield a line a subject for what a person should know and need not act on."""
        if not self.look():
            yield from self._silent()
        if self.alone:
            told = f"of {counted(self.total, 'picture')} train on the trigger alone"
            yield _line(self.alone, told, "trains")
        if self.folder:
            told = f"of {counted(self.total, 'picture')} train on their folder's words alone"
            yield _line(self.folder, told, "trains")
        if self.unused:
            told = f"of {counted(self.total, 'picture')} have words of yours that do not train"
            yield _line(self.unused, told, "has")
        if self.unsplit:
            told = f"of {counted(self.total, 'picture')} have tags that prep does not split"
            yield _line(self.unsplit, told, "has")
        taken = [f"`{name}` {count}" for name, count in sorted(self.repeats.items()) if count]
        if taken:
            yield f"repeats are taken from the names of folders: {', '.join(taken)}"
        yield from _not_taken([name for name, count in sorted(self.repeats.items()) if not count])

    def _silent(self) -> list[str]:
        told = f"of {counted(self.total, 'picture')} have no text"
        return [_line(self.empty, told, "has")] if self.empty else []

    def lines(self) -> list[str]:
        """Return all that is to be told, a line a subject."""
        return [*self.wrong(), *self.notes()]

    def of(self, key: str) -> Iterator[str]:
        """Yield what is to be told of one picture."""
        for word, part in self.parts():
            for reason, keys in part.items():
                if key in keys:
                    yield f"{word}: {reason}" if reason else word

    def listed(self) -> Iterator[tuple[str, str, str]]:
        """Yield (what, key, reason) of every picture that something is to be told of."""
        for word, part in self.parts():
            rows = [(key, reason) for reason, keys in part.items() for key in keys]
            for key, reason in sorted(rows):
                yield word, key, reason

    def facts(self) -> dict[str, Any]:
        """Return the account as JSON keeps it."""
        return {item.name: getattr(self, item.name) for item in fields(self)}

    def parts(self) -> tuple[tuple[str, Why], ...]:
        """Return what is told of -> its keys by reason."""
        return (
            ("no text", self.empty),
            ("only the trigger", self.alone),
            ("only the folder's words", self.folder),
            ("words of yours do not train", self.unused),
            ("not split", self.unsplit),
        )


def account(found: Dataset, keys: Iterable[str] | None = None) -> Account:
    """Return the account of a dataset, or of some of its pictures; those for validation as well."""
    chosen = sorted(found.samples if keys is None else keys)
    made = Account(len(chosen), repeats=repeats_of(chosen))
    for key in chosen:
        sample = found.samples[key]
        trigger = found.trigger(sample)
        words = sample.wording(trigger)
        reasons = list(_unused(sample, trigger, silent=not words.own()))
        if not words.own():
            kind = made.alone if words.words else made.empty
            kind.setdefault("; ".join(reasons) or _blank(sample), []).append(key)
        elif reasons:
            made.unused.setdefault("; ".join(reasons), []).append(key)
        elif not sample.yours and len(words.words) == 1 and words.words[0] == concept_of(key).words:
            made.folder.setdefault(f"`{words.words[0]}`", []).append(key)
        odd = [tag for tag in sample.tags if "tags" in FIELDS[sample.text] and unsplit(tag)]
        if odd:
            made.unsplit.setdefault(f"{_some(odd)}: write commas", []).append(key)
    return made


def joined(each: Iterable[tuple[str, Account]]) -> Account:
    """Return the account of several datasets as one; each comes with what its keys begin with."""
    made = Account()
    for before, one in each:
        for (_, part), (_, other) in zip(made.parts(), one.parts(), strict=True):
            for reason, keys in other.items():
                part.setdefault(reason, []).extend(before + key for key in keys)
        made.repeats.update({before + name: count for name, count in one.repeats.items()})
        made = replace(made, total=made.total + one.total)
    return made


def field_of(step: str) -> str:
    """Return the field from which a step of `TAKEN` takes words: tags or caption."""
    return "caption" if step == "caption" else "tags"


def has_words(sample: Sample, trigger: str) -> bool:
    """Return whether a sample trains on a word beside the trigger."""
    return sample.wording(trigger).own()


def why_skipped(sample: Sample, trigger: str) -> str:
    """Return why `--skip-empty` leaves a sample out."""
    reasons = "; ".join(_unused(sample, trigger, silent=True)) or _blank(sample)
    return f"it has no text ({reasons})" if reasons else "it has no text"


def repeats_of(keys: Iterable[str]) -> dict[str, int]:
    """Return folder -> repeats that its name sets, or 0 where its name is not taken as it is."""
    found: dict[str, int] = {}
    for key in keys:
        folder = folder_of(key)
        if folder and folder not in found:
            count = concept_of(key).repeats
            if count or refused_repeats(folder) or names_nothing(folder) or is_blank(folder):
                found[folder] = count
    return found


def _not_taken(folders: Iterable[str]) -> Iterator[str]:
    """Yield why the names of folders are not taken as a number and a concept."""
    left = {name: f"`{name}`" for name in folders}
    blank = [shown for name, shown in left.items() if is_blank(name)]
    nameless = [shown for name, shown in left.items() if names_nothing(name)]
    others = [shown for shown in left.values() if shown not in (*blank, *nameless)]
    if others:
        yield (
            f"no repeats are taken from {', '.join(others)}: the number is part of the name, "
            f"repeats are 1 to {MOST_REPEATS:,}"
        )
    if nameless:
        yield (
            f"no repeats are taken from {', '.join(nameless)}: no concept is named behind the "
            "number; call the folder `10_name`"
        )
    if blank:
        yield (
            f"no concept is taken from {', '.join(blank)}: nothing of the folder's name shows; "
            "rename it"
        )


def _unused(sample: Sample, trigger: str, *, silent: bool) -> Iterator[str]:
    """Yield why words of a sample do not train: a person's; where it is silent, all there are."""
    called = parsed(trigger)
    words = {
        "tags": any(tag not in called for tag in sample.tags),
        "caption": bool(sample.caption),
    }
    for name, there in words.items():
        if name in FIELDS[sample.text] or not there or not (silent or name in sample.yours):
            continue
        verb = "is" if name == "caption" else "are"
        yield f"its {name} {verb} not used: `--text both`"
    for step, why in TAKEN.items():
        if step in sample.unused:
            yield f"{_some(sample.unused[step])}: {why}"


def _blank(sample: Sample) -> str:
    """Return which text of a person is there, and holds no word."""
    blank = [name for name in FIELDS[sample.text] if name in sample.yours]
    return f"its {' and '.join(blank)} of yours hold no word" if blank else ""


def _some(words: Iterable[str]) -> str:
    named = [f"`{word}`" for word in words]
    more = len(named) - _WORDS
    return ", ".join(named[:_WORDS]) + (f" and {more} more" if more > 0 else "")


def _line(part: Why, told: str, one: str) -> str:
    """Return one line: how many pictures, and the first of them with their reasons."""
    rows = sorted((key, reason) for reason, keys in part.items() for key in keys)
    shared = next(iter(part)) if len(part) == 1 and len(rows) > 1 else ""
    named = [
        f"{key} ({reason})" if reason and reason != shared else key for key, reason in rows[:_SHOWN]
    ]
    more = len(rows) - _SHOWN
    after = f", and {more} more, listed by `prep status`" if more > 0 else ""
    after += f" (each: {shared})" if shared else ""
    if len(rows) == 1:
        told = told.replace(" have ", f" {one} ", 1).replace(" train ", f" {one} ", 1)
    return f"{len(rows)} {told}: {', '.join(named)}{after}"
