"""A picture as filters and edits see it: its words, its size, its scores. Pure.

Text is compared without regard to case; in a tag `_` is a space, and in every pattern `*` stands
for any text.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from prep.dataset.wording import wordings
from prep.tags.tag_text import canonical


@dataclass(frozen=True)
class PictureRecord:
    """What a filter may ask of a picture, and an edit may change.

    Attributes:
        key: The sample's key; empty where no filter asks for it.
        tags: Canonical tags.
        size: Upright (width, height) px; None where it is not known.
        scores: Tag -> probability in [0, 1]; None where no tagger scored the picture.
        text: What trains, and is counted in tokens: `tags`, `caption` or `both`.
        trigger: The word in front of what trains; empty where it is not known.
        count: From a text, its number of tokens; None where no filter asks for it.
    """

    key: str = ""
    tags: tuple[str, ...] = ()
    caption: str = ""
    size: tuple[int, int] | None = None
    scores: Mapping[str, float] | None = None
    text: str = "tags"
    trigger: str = ""
    count: Callable[[str], int] | None = None

    def texts(self, field: str) -> tuple[str, ...]:
        """Return the texts that a filter on `tag`, `caption`, `name` or `path` looks at."""
        if field in ("tag", "caption"):
            return self.tags if field == "tag" else (self.caption,)
        name = self.key.rpartition("/")[2]
        return (self.key,) if field == "path" else (name, name.rpartition(".")[0])

    def number(self, field: str) -> float | None:
        """Return what a filter compares, see `filters.NUMBERS`; None where it is not known."""
        if field in ("width", "height", "ratio"):
            width, height = self.size or (0, 0)
            known = {"width": width, "height": height, "ratio": width / max(height, 1)}
            return known[field] if self.size else None
        if field == "tokens":
            return max(map(self.count, self.trained())) if self.count else None
        return len(self.tags) if field == "tags" else len(self.caption)

    def trained(self) -> list[str]:
        """Return the texts that train: one, or one for each caption."""
        found = wordings(self.tags, self.caption, self.text, self.trigger)
        return [one.text() for one in found]


def plain(text: str, field: str = "tag") -> str:
    """Return text as it is compared: canonical, without case; of a tag, `_` as a space."""
    folded = canonical(text).casefold()
    return canonical(folded.replace("_", " ")) or folded if field == "tag" else folded


def glob(pattern: str, text: str) -> bool:
    """Return whether `text` as a whole is like `pattern`, in which `*` stands for any text.

    Takes time in proportion to the lengths, however many stars there are.
    """
    first, *rest = pattern.split("*")
    if not rest:
        return text == pattern
    *middle, last = rest
    if len(text) < len(first) + len(last) or not (text.startswith(first) and text.endswith(last)):
        return False
    at, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
