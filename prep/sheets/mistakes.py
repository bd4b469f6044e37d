"""What is wrong with a sheet, as messages with hints: the first of many, none of them endless."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from prep.runtime.errors import DatasetError

_SHOWN = 20
_LONGEST_TOLD = 2_000  # characters of a message

Mistake = tuple[str, str]


@dataclass
class Mistakes:
    """The first mistakes, and how many more there are.

    Attributes:
        first: Message and hint of each.
    """

    first: list[Mistake] = field(default_factory=list)
    more: int = 0

    def add(self, mistakes: Iterable[Mistake]) -> None:
        """Take more of them."""
        for message, hint in mistakes:
            if len(self.first) < _SHOWN:
                self.first.append((shortened(message), shortened(hint)))
            else:
                self.more += 1

    def stop(self) -> None:
        """Raise DatasetError where there are any."""
        if self.first:
            rest = [(f"... and {self.more} more like these", "mend these first")]
            raise DatasetError(*self.first[0], others=[*self.first[1:], *rest[: self.more]])


def shortened(text: str) -> str:
    """Return a text for a message; of a very long one, its beginning."""
    return text if len(text) <= _LONGEST_TOLD else f"{text[:_LONGEST_TOLD]}..."
