"""The thresholds that hold: what a person asked for over what comes with the tagger. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from prep.runtime.errors import ConfigError, nearest
from prep.tags import tag_text as text_of_tags
from tagger_models.labels.label import Label
from tagger_models.scores import FLOOR


@dataclass(frozen=True)
class Thresholds:
    """Least probabilities.

    Attributes:
        of_categories: By category; the labels of other categories are not kept.
        of_labels: By label name, in place of its category's.
    """

    of_categories: Mapping[str, float]
    of_labels: Mapping[str, float]


def chosen(
    labels: Sequence[Label],
    default: Mapping[str, float],
    asked: Mapping[str, float],
    named: str = "",
) -> Thresholds:
    """Return the thresholds that hold for a vocabulary.

    What is named for a tag holds over what is asked for its category, that over the label file's
    own for the tag, and that over the tagger's for the category.

    Args:
        labels: The vocabulary.
        default: The tagger's own, by category.
        asked: A person's by category; 0 asks for nothing.
        named: A person's further ones: `smile=0.6, copyright=0.4`, tags and categories.

    Raises:
        ConfigError: All mistakes at once: a threshold under the floor or over 1, a name that is
            neither a tag of the vocabulary nor a category.
    """
    of_categories = {name: value for name, value in asked.items() if value}
    wrong = [_under(value) for value in of_categories.values() if value < FLOOR]
    more, of_names, mistakes = _read(named, labels)
    if wrong or mistakes:
        first, *others = wrong + mistakes
        raise ConfigError(*first, others=others)
    of_categories |= more
    own = {
        label.name: max(label.threshold, FLOOR)
        for label in labels
        if label.threshold is not None and label.category not in of_categories
    }
    return Thresholds({**default, **of_categories}, own | of_names)


def _read(
    text: str, labels: Sequence[Label]
) -> tuple[dict[str, float], dict[str, float], list[tuple[str, str]]]:
    """Return thresholds by category and by label name, and what is wrong with the text."""
    categories = {label.category for label in labels} - {"rating"}
    names = {text_of_tags.spaced(one.name): one.name for one in labels if one.category != "rating"}
    names |= {name: name for name in names.values()}
    of_categories: dict[str, float] = {}
    of_names: dict[str, float] = {}
    mistakes: list[tuple[str, str]] = []
    for piece in text_of_tags.parsed(text):
        name, sign, number = (part.strip() for part in piece.rpartition("="))
        value = _number(number)
        if not sign or value is None:
            mistakes.append((f"`{piece}` is not a threshold", "write `smile=0.6, solo=0.4`"))
        elif value < FLOOR:
            mistakes.append(_under(value))
        elif name in categories:
            of_categories[name] = value
        elif name in names:
            of_names[names[name]] = value
        else:
            mistakes.append((f"the tagger knows no tag or category `{name}`", nearest(name, names)))
    return of_categories, of_names, mistakes


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None


def _under(value: float) -> tuple[str, str]:
    return (
        f"a threshold of {value:g} is under {FLOOR}, the least score that is kept",
        f"use {FLOOR} or more",
    )
