"""The label files that are no tables: a name a line, or JSON."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from prep.runtime.errors import ModelFileError
from tagger_models.labels.label import Label

AGAIN = "fetch the file again from where the model came from"
_RATING = "rating:"
_WORDS = frozenset(
    ("general", "character", "copyright", "artist", "meta", "rating", "quality", "model", "year")
)


def line_labels(text: str, name: str) -> tuple[Label, ...]:
    """Return the labels of a file with one name a line; empty lines are passed over.

    There are no categories in it but one: `rating:safe` is the rating `rating:safe`, as
    DeepDanbooru writes them; all others are general.

    Raises:
        ModelFileError: An unprintable name, one that is there twice, or none at all.
    """
    lines = ((n, line.strip()) for n, line in enumerate(text.split("\n"), 1))
    kinds = {True: "rating", False: "general"}
    rows = ((f"line {n}", one, kinds[one.startswith(_RATING)]) for n, one in lines if one)
    return _checked(rows, name)


def index_labels(text: str, name: str) -> tuple[Label, ...]:
    """Return the labels of a JSON list of names, or of an object from index to name; general.

    Raises:
        ModelFileError: It is neither, lacks an index, or has a name that `line_labels` refuses.
    """
    found = _json(text, name)
    named = found if isinstance(found, list) else _in_order(found, name)
    return _checked(((f"label {n}", one, "general") for n, one in enumerate(named)), name)


def mapping_labels(text: str, name: str) -> tuple[Label, ...]:
    """Return the labels of a JSON object that knows categories, in one of two shapes.

    They are `{"idx_to_tag": {"0": name}, "tag_to_category": {name: category}}`, and
    `{"0": {"tag": name, "category": category}}`. Case does not matter in a category.

    Raises:
        ModelFileError: It is neither, lacks an index or a category, knows an unknown one, or has
            a name that `line_labels` refuses.
    """
    found = _json(text, name)
    if isinstance(found, dict) and "idx_to_tag" in found:
        named, told = _in_order(found["idx_to_tag"], name), found.get("tag_to_category")
        kinds = told if isinstance(told, dict) else {}
        pairs = [(one, kinds.get(one) if isinstance(one, str) else None) for one in named]
    else:
        rows = [one if isinstance(one, dict) else {} for one in _in_order(found, name)]
        pairs = [(row.get("tag"), row.get("category")) for row in rows]
    return _checked(
        ((f"label {n}", tag, str(kind).lower()) for n, (tag, kind) in enumerate(pairs)), name
    )


def series_of(text: str, where: str) -> tuple[str, ...]:
    """Return the works in a cell that holds a JSON list of names; an empty cell holds none.

    Raises:
        ModelFileError: It is no such list.
    """
    try:
        found = json.loads(text) if text else []
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise ModelFileError(f"{where}: `ips` is not a list of names", AGAIN)
    return tuple(found)


def _json(text: str, name: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ModelFileError(f"`{name}` is damaged: it is not JSON", AGAIN) from None


def _in_order(found: Any, name: str) -> list[Any]:
    """Return the values of an object from index to value: 0, 1, 2 and so on, none left out."""
    values = found if isinstance(found, Mapping) else {}
    lacking = next((n for n in range(len(values)) if str(n) not in values), None)
    if not values or lacking is not None:
        raise ModelFileError(
            f"`{name}` is not a label file: "
            + ("it maps no indexes to labels" if lacking in (None, 0) else f"it lacks {lacking}"),
            "use the label file that was published with the model",
        )
    return [values[str(n)] for n in range(len(values))]


def _checked(rows: Iterable[tuple[str, Any, str]], name: str) -> tuple[Label, ...]:
    """Return labels from (place, name, category)."""
    return distinct(((where, _label(f"`{name}` {where}", *told)) for where, *told in rows), name)


def _label(where: str, tag: Any, category: str) -> Label:
    shown = printable(tag, where)
    if category not in _WORDS:
        known = f"known: {', '.join(sorted(_WORDS))}"
        raise ModelFileError(f"{where}: category `{category}` is not known", known)
    return Label(shown, category)


def printable(name: Any, where: str) -> str:
    """Return a label's name; raise ModelFileError where it is none that can be shown."""
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        raise ModelFileError(f"{where}: the label's name is empty or unprintable", AGAIN)
    return name


def distinct(labels: Iterable[tuple[str, Label]], name: str) -> tuple[Label, ...]:
    """Return labels, which come with their places in a file, in their order.

    Raises:
        ModelFileError: One comes twice in its category, or there is none at all.
    """
    found: dict[tuple[str, str], tuple[str, Label]] = {}
    for where, label in labels:
        first, _ = found.setdefault((label.name, label.category), (where, label))
        if first != where:
            raise ModelFileError(f"`{name}` {where}: `{label.name}` is already on {first}", AGAIN)
    if not found:
        raise ModelFileError(f"`{name}` holds no labels", AGAIN)
    return tuple(label for _, label in found.values())
