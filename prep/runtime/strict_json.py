"""JSON that every reader understands alike, or an error that says where it does not."""

import json
from typing import Any

from prep.runtime.errors import DatasetError


def strict_json(text: str, name: str) -> Any:
    """Parse JSON; duplicate keys, NaN and damage are errors with line and column.

    Raises:
        DatasetError: `text` is not JSON that every reader would understand alike.
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            names = [key for key, _ in items]
            twice = next(key for key in names if names.count(key) > 1)
            raise DatasetError(f"`{name}` has `{twice}` twice", "keep one of the two")
        return found

    def refuse(word: str) -> None:
        raise DatasetError(f"`{name}` holds `{word}`, which is not JSON", "write a number")

    try:
        return json.loads(text, object_pairs_hook=pairs, parse_constant=refuse)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise DatasetError(
            f"`{name}` is not JSON at {where}: {error.msg}",
            "mend it by hand, or delete it and run the command that wrote it again",
        ) from None
    except (RecursionError, ValueError) as error:
        deep = isinstance(error, RecursionError)
        why = "it is nested too deep" if deep else "it holds a number of too many digits"
        raise DatasetError(
            f"`{name}` cannot be read: {why}", "is it really a dataset file?"
        ) from None
