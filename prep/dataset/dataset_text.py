"""The two forms of a dataset file: JSON with one sample a line, and JSON lines."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from prep.runtime.errors import DatasetError
from prep.runtime.strict_json import strict_json

FORMAT = "prep-dataset"


def pieces(
    head: Mapping[str, Any], samples: Iterable[tuple[str, dict[str, Any]]], name: str
) -> Iterator[str]:
    """Yield the text of a dataset file; see `dataset_file.dump`.

    Args:
        head: All but the samples.
        samples: Key and fields of each, sorted.
        name: The file's name.
    """
    if name.endswith(".jsonl"):
        yield _text(head) + "\n"
        for key, sample in samples:
            yield _text({"key": key} | sample) + "\n"
        return
    top = "".join(f" {_text(name)}: {_text(value)},\n" for name, value in sorted(head.items()))
    yield "{\n" + top + ' "samples": {\n'
    for number, (key, sample) in enumerate(samples):
        yield (",\n" if number else "") + f"  {_text(key)}: {_text(sample)}"
    yield "\n }\n}\n"


def read(text: str, name: str) -> Any:
    """Return what a file holds as one object; what does not begin as ours is None, not torn.

    Raises:
        DatasetError: It is not JSON, or a line is not one sample.
    """
    if not name.endswith(".jsonl"):
        return strict_json(text, name) if text.lstrip().startswith("{") else None
    rows = [strict_json(row, name) for row in text.split("\n") if row.strip()]
    head = rows[0] if rows and isinstance(rows[0], dict) else {}
    if head.get("format") != FORMAT:
        return head
    samples: dict[str, Any] = {}
    for number, row in enumerate(rows[1:], 2):
        key = row.pop("key", None) if isinstance(row, dict) else None
        if not isinstance(key, str) or key in samples or "samples" in head:
            raise DatasetError(
                f"`{name}`: line {number} is not one sample with a `key` of its own",
                "write it as prep wrote it",
            )
        samples[key] = row
    return head | {"samples": samples}


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, allow_nan=False)
