"""What must not be mirrored: what has two unlike sides, writing, words for left and right.

The tags are Danbooru's; `*` stands for any text.
"""

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

ONE_SIDED = (
    "asymmetrical *", "uneven *", "mismatched *", "single *", "* on one *", "heterochromia",
    "eyepatch", "monocle", "one-eyed", "hair over one eye", "one side up", "side ponytail",
    "side braid", "hairclip", "hair flower", "scar", "scar *", "mole", "mole *", "beauty mark",
    "tattoo", "* tattoo", "armband", "prosthetic *", "mechanical arm", "missing limb",
    "left-handed", "right-handed",
    "text", "* text", "text focus", "clothes writing", "watermark", "signature", "artist name",
    "logo", "speech bubble",
)  # fmt: skip
_SIDES = re.compile(r"\b(left|right)(?:[- ]?hand(?:ed)?)?\b", re.IGNORECASE)
_NO_FLIP = re.compile(r"\bno[- ]?flip\b", re.IGNORECASE)


def one_sided(
    tags: Iterable[str], caption: str, notes: str, patterns: Sequence[str] = ONE_SIDED
) -> str:
    """Return why a picture must not be mirrored; empty where nothing says so.

    Args:
        tags: Its tags.
        caption: Its caption.
        notes: What a person wrote under `notes`: `no flip` is their mark.
        patterns: Tags of one-sided things.
    """
    if _NO_FLIP.search(notes):
        return "you noted `no flip`"
    plain = [tag.replace("_", " ").lower() for tag in tags]
    for tag in plain:
        if any(fnmatchcase(tag, pattern) for pattern in patterns) or _SIDES.search(tag):
            return f"it has the tag `{tag}`"
    word = _SIDES.search(caption)
    return f"its caption says `{word[0]}`" if word else ""
