"""What an edit changes in pictures' words, as values and as lines for a person. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from prep.picture import Picture


@dataclass(frozen=True)
class Change:
    """The words of one picture before and after.

    Attributes:
        before: Picture whose tags and caption are those of now.
        after: The same with those that it gets; one of the two differs.
    """

    key: str
    before: Picture
    after: Picture

    def fields(self) -> Iterator[str]:
        """Yield `tags` and `caption`, where they differ."""
        for field in ("tags", "caption"):
            if getattr(self.before, field) != getattr(self.after, field):
                yield field

    def lines(self) -> Iterator[str]:
        """Yield one line for each field that differs, without the key."""
        for field in self.fields():
            told = self._tags() if field == "tags" else self._caption()
            yield f"{field}: {told}"

    def facts(self) -> Mapping[str, object]:
        """Return the same for `--json`."""
        sides = {"before": self.before, "after": self.after}
        return {"key": self.key} | {
            field: {side: getattr(words, field) for side, words in sides.items()}
            for field in self.fields()
        }

    def _tags(self) -> str:
        old, new = self.before.tags, self.after.tags
        stayed = [tag for tag in old if tag in new]
        moved = stayed != [tag for tag in new if tag in old]
        told = [f"-{tag}" for tag in old if tag not in new]
        told += [f"+{tag}" for tag in new if tag not in old]
        return ", ".join(told + ([f"in the order {', '.join(new)}"] if moved else []))

    def _caption(self) -> str:
        return f"{self.before.caption or '(none)'} -> {self.after.caption or '(none)'}"


def between(before: Mapping[str, Picture], after: Mapping[str, Picture]) -> list[Change]:
    """Return what differs, in the order of keys."""
    each = [Change(key, before[key], after[key]) for key in sorted(after)]
    return [change for change in each if any(True for _ in change.fields())]
