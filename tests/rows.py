"""Tables of cases whose rows cost a process each: some run always, all with `--long`."""

from collections.abc import Sequence
from typing import Any

import pytest


def few_of(rows: Sequence[Any], every: int = 4) -> list[Any]:
    """Return rows for `parametrize`: the first of each so many runs always, the others long."""
    return [
        row if place % every == 0 else pytest.param(*_values(row), marks=pytest.mark.long)
        for place, row in enumerate(rows)
    ]


def _values(row: Any) -> Sequence[Any]:
    return row if isinstance(row, tuple) else (row,)
