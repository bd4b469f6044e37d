"""What a tagger's label is. Knows no model and no library that runs one."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """One entry of a tagger's vocabulary.

    Attributes:
        name: As the label file spells it: underscores kept, nothing escaped.
        category: general, character, rating, artist, copyright, meta or year. The rating that is
            called `general` is not of the category general. An e621 tagger has species and lore,
            too, a few models quality and model.
        threshold: Least probability that the label file itself gives for this label; None where
            it gives none.
        series: The works a character belongs to, as labels spell them; where the file says so.
    """

    name: str
    category: str
    threshold: float | None = None
    series: tuple[str, ...] = ()
