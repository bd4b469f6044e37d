"""Metadata of kohya's sd-scripts (`meta_cap.json`, `meta_lat.json`, `.jsonl`): its words. Pure.

Source: kohya-ss/sd-scripts (commit 48d368fa), library/train_util.py, FineTuningDataset.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from prep.runtime.counts import first_few
from prep.runtime.errors import DatasetError

_NAME = "image_path"  # of a row of JSON lines; in JSON it is the key


def texts(text: str, name: str) -> dict[str, str]:
    """Return image key -> what its picture trains on: the caption, a comma, the tags.

    Of a caption with several lines the first counts, as there.

    Args:
        text: Of the file.
        name: Its name, for messages; JSON lines end in `.jsonl`.

    Raises:
        DatasetError: It is none of these files, or none of its rows has words.
    """
    found: dict[str, str] = {}
    fields: dict[str, None] = {}
    for key, row in _rows(text, name):
        fields |= dict.fromkeys(row)
        words = [row.get("caption") or "", row.get("tags") or ""]
        if not all(isinstance(word, str) for word in words):
            raise DatasetError(f"`{name}`: words of `{key}` are no text", "mend it there")
        first = (word.strip().split("\n")[0].strip() for word in words)
        found[key] = ", ".join(filter(None, first))
    if not any(found.values()):
        told = f"its rows have {first_few([*fields])}" if fields else "its rows are empty"
        raise DatasetError(
            f"no row of `{name}` has a `caption` or `tags`", f"{told}; write words into these two"
        )
    return found


def _rows(text: str, name: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    try:
        if name.lower().endswith(".jsonl"):
            for line in filter(str.strip, text.splitlines()):
                row = json.loads(line)
                yield str(row[_NAME]), row
            return
        for key, row in json.loads(text).items():
            row.get(_NAME)  # no mapping has none
            yield key, row
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise DatasetError(
            f"`{name}` is not metadata of kohya's sd-scripts",
            "name the file that `merge_captions_to_metadata.py` or its like wrote",
        ) from None


def owners(images: Iterable[str], keys: Iterable[str], root: str) -> dict[str, str]:
    """Return image key -> key of the picture that it means; those that mean none are left out.

    An image key is a path with or without its ending, from the folder, from elsewhere, or the
    name alone, where one picture has it.

    Args:
        root: Absolute path of the folder, with `/`.
    """
    exact: dict[str, str] = {}
    by_name: dict[str, list[str]] = {}
    for key in keys:
        plain = PurePosixPath(key)
        exact |= {key: key, str(plain.with_suffix("")): key}
        for word in (plain.name, plain.stem):
            by_name.setdefault(word, []).append(key)
    found = {}
    for image in images:
        path = image.replace("\\", "/")
        near = path.removeprefix(f"{root}/").removeprefix("./")
        named = by_name.get(near.rpartition("/")[2], [])
        if near in exact:
            found[image] = exact[near]
        elif len(named) == 1:
            found[image] = named[0]
    return found
