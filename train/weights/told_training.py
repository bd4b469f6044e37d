"""What files of other trainers say of their pictures and words: kohya's fields, as far as they go.

Source: kohya-ss/sd-scripts (commit 48d368fa), train_network.py: `ss_dataset_dirs`, `ss_datasets`,
`ss_tag_frequency`. They are read as anything may stand in them.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from prep.runtime.counts import counted

_SHOWN = 12
_REPEATS = re.compile(r"^\d+_")  # before the words of a folder: kohya's `10_sks girl`


class PictureFolder(NamedTuple):
    """A folder of pictures that was trained on.

    Attributes:
        name: Its own, without those above it.
        words: That stand for its pictures; empty where there are none.
    """

    name: str
    pictures: int
    repeats: int
    words: str


def folders(said: Mapping[str, str]) -> list[PictureFolder]:
    """Return the folders of pictures that metadata name, regularisation left out."""
    found = [
        _folder(str(name), row, "img_count", "n_repeats")
        for name, row in _mapping(said.get("ss_dataset_dirs")).items()
    ]
    if found:
        return found
    each = _loaded(said.get("ss_datasets"))
    rows = [one for one in each if isinstance(one, dict)] if isinstance(each, list) else []
    subsets = [sub for one in rows for sub in _list(one.get("subsets")) if isinstance(sub, dict)]
    return [
        _folder(str(sub.get("image_dir") or ""), sub, "img_count", "num_repeats")
        for sub in subsets
        if not sub.get("is_reg")
    ]


def tags(said: Mapping[str, str]) -> list[tuple[str, int]]:
    """Return the words of captions with their counts, the most frequent first."""
    counts: Counter[str] = Counter()
    for one in _mapping(said.get("ss_tag_frequency")).values():
        for tag, count in one.items() if isinstance(one, dict) else ():
            if type(count) is int:
                counts[str(tag).strip()] += count
    return counts.most_common()


def calling(said: Mapping[str, str]) -> tuple[str, str]:
    """Return the words that call a file, and how that is known; both empty where it is not."""
    if words := said.get("modelspec.trigger_phrase") or said.get("ss_token_string"):
        return words, ""
    named = [one.words for one in folders(said) if one.words]
    if named:
        return ", ".join(dict.fromkeys(named)), " (of its folders of pictures)"
    return "", ""


def lines(said: Mapping[str, str], private: bool) -> Iterator[str]:
    """Yield what is known of pictures and captions, without the names of either where private."""
    found = folders(said)
    if found:
        shown = sum(one.pictures * one.repeats for one in found)
        count = sum(one.pictures for one in found)
        yield f"pictures: {count} in {counted(len(found), 'folder')}, {shown} in an epoch"
    elif (count_said := said.get("ss_num_train_images", "")).isdecimal():
        yield f"pictures: {count_said} in an epoch"
    for one in () if private else found:
        yield f"  {one.name}: {counted(one.pictures, 'picture')}, {one.repeats} times an epoch"
    words = tags(said)
    if words:
        most = ", ".join(f"{tag} ({count})" for tag, count in words[:_SHOWN])
        more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
        told = "" if private else f", the most frequent: {most}{more}"
        yield f"words of its captions: {len(words)}{told}"


def _folder(place: str, row: Any, count: str, repeats: str) -> PictureFolder:
    fields = row if isinstance(row, dict) else {}
    name = place.replace("\\", "/").rstrip("/").rpartition("/")[2]
    words = str(fields.get("class_tokens") or "")
    if not words and _REPEATS.match(name):
        words = _REPEATS.sub("", name)
    numbers = [one if type(one := fields.get(word)) is int else 0 for word in (count, repeats)]
    return PictureFolder(name, numbers[0], numbers[1] or 1, words)


def _loaded(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except (ValueError, RecursionError):
        return None


def _mapping(text: str | None) -> Mapping[str, Any]:
    found = _loaded(text)
    return found if isinstance(found, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
