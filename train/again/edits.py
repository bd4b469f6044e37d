"""Edits of a dataset that leave every picture its place: order, times, noise stay the same. Pure.

A picture that is dropped is shown as before and weighs nothing, so that all others meet the very
steps that they met; what differs is what it taught.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from prep.dataset.wording import Wording
from prep.runtime.counts import counted
from prep.runtime.errors import ConfigError, UsageError, nearest
from train.data.dataset import Data, TrainingSample

_RETAG = re.compile(r"(.+?):([+-].+)")


@dataclass(frozen=True)
class DataEdit:
    """What is done to pictures.

    Attributes:
        keys: Key of a picture, or a pattern of keys as `night*.png`.
        drop: Whether they are dropped.
        add: Tags that they get behind their own; `remove`: that they lose.
    """

    keys: str
    drop: bool = False
    add: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()

    def told(self) -> str:
        """Return the edit as a person typed it."""
        if self.drop:
            return f"--drop {self.keys}"
        tags = [*(f"+{tag}" for tag in self.add), *(f"-{tag}" for tag in self.remove)]
        return f"--retag {self.keys}:{','.join(tags)}"


def tags_of(edits: Sequence[DataEdit]) -> list[str]:
    """Return the tags that edits give or take."""
    return [tag for edit in edits for tag in (*edit.add, *edit.remove)]


def retag_of(text: str) -> DataEdit:
    """Return the edit that `KEY:+tag,-tag` asks for.

    Raises:
        UsageError: It is none of this kind.
    """
    found = _RETAG.fullmatch(text.strip())
    words = [word.strip() for word in found[2].split(",")] if found else []
    signed = [(word[:1], word[1:].strip()) for word in words]
    if found is None or any(sign not in ("+", "-") or not word for sign, word in signed):
        raise UsageError(
            f"`--retag {text}` is wrong",
            "give a picture and what it gets and loses, as `a.png:+night,-snow`",
        )
    return DataEdit(
        found[1].strip(),
        add=tuple(tag for sign, tag in signed if sign == "+"),
        remove=tuple(tag for sign, tag in signed if sign == "-"),
    )


def edited(data: Data, edits: Sequence[DataEdit]) -> tuple[Data, list[str]]:
    """Return the data after edits, and the keys of the pictures that differ.

    Raises:
        ConfigError: An edit finds no picture, or changes nothing of those that it finds; or all
            are dropped.
    """
    samples = dict(data.samples)
    for edit in edits:
        found = matching(samples, edit.keys)
        after = {key: _edited(samples[key], edit) for key in found}
        if all(after[key] == samples[key] for key in found):
            one = "it" if len(found) == 1 else f"each of the {counted(len(found), 'picture')}"
            what = f"{one} has these tags already"
            if edit.remove:
                some = "it has no" if len(found) == 1 else f"no picture of {len(found)} has the"
                what = f"{some} tag `{edit.remove[0]}`"
            raise ConfigError(
                f"`{edit.told()}` changes nothing: {what}",
                f"the tags of `{found[0]}`: {', '.join(_tags(samples[found[0]]))}",
            )
        samples |= after
    changed = [key for key, one in samples.items() if one != data.samples[key]]
    if not any(one.weight for one in samples.values() if not one.regularisation):
        raise ConfigError(
            "no picture is left to train on", "drop fewer: `--drop` takes one picture, or some"
        )
    return replace(data, samples=samples), changed


def matching(samples: Mapping[str, TrainingSample], keys: str) -> list[str]:
    """Return the keys that a key or a pattern names.

    Raises:
        ConfigError: There is none.
    """
    if keys in samples:
        return [keys]
    found = [key for key in samples if fnmatchcase(key, keys)]
    if not found:
        raise ConfigError(f"no picture that trains is named `{keys}`", nearest(keys, samples))
    return found


def _edited(sample: TrainingSample, edit: DataEdit) -> TrainingSample:
    if edit.drop:
        return replace(sample, weight=0.0)
    said = _said(Wording(sample.words, sample.num_tags, sample.lead), edit)
    each = tuple(_said(one, edit) for one in sample.each)
    return replace(sample, words=said.words, num_tags=said.num_tags, text=said.text(), each=each)


def _said(one: Wording, edit: DataEdit) -> Wording:
    """Return a text whose tags are edited; its trigger stays."""
    lead, tags, rest = (
        one.words[: one.lead], one.words[one.lead : one.num_tags], one.words[one.num_tags :]
    )  # fmt: skip
    kept = [tag for tag in tags if tag not in edit.remove]
    kept += [tag for tag in edit.add if tag not in (*lead, *kept)]
    return Wording((*lead, *kept, *rest), one.lead + len(kept), one.lead)


def _tags(sample: TrainingSample) -> tuple[str, ...]:
    return sample.words[: sample.num_tags]
