"""Which tags a crop gets and loses by what it shows: a table, and a person's file in its place.

    portrait:
      add: [portrait]
      drop: [navel, "*shoes"]    # `*` stands for any text; underscores are spaces

A framing that the file does not name keeps what stands here. Tags that name another framing are
always dropped.
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from prep.framing.shots import CLOSE_UP, COWBOY, FRAMINGS, FULL_BODY, PORTRAIT, UPPER_BODY
from prep.runtime.errors import ConfigError, nearest
from prep.runtime.yaml_nodes import Node, read

_FEET = (
    "*shoes", "*boots", "*footwear", "*sandals", "*sneakers", "*slippers", "*heels", "loafers",
    "mary janes", "*socks", "barefoot", "feet", "toes", "toenails", "ankle*", "footprints",
)  # fmt: skip
_LEGS = (
    *_FEET, "legs", "* legs", "legs *", "bare legs", "crossed legs", "thigh*", "*thighs", "knee*",
    "*thighhighs", "*pantyhose", "*legwear", "*kneehighs", "*leggings", "*garter*", "*skirt",
    "*pants", "*shorts", "jeans", "*panties", "zettai ryouiki", "wide hips", "standing*",
    "sitting", "* sitting", "kneeling", "squatting", "seiza", "wariza", "walking", "running",
    "jumping", "tiptoes", "wide shot",
)  # fmt: skip
_BODY = (
    *_LEGS, "navel", "midriff", "stomach", "waist", "*belt", "*sash", "apron", "waist apron",
    "hand on own hip", "hands on own hips", "hand in pocket", "hands in pockets", "arms *",
    "holding", "holding *", "cape", "tail", "* tail",
)  # fmt: skip

Table = Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]  # framing -> add, drop
USUAL: Table = {
    FULL_BODY: ((FULL_BODY,), ()),
    COWBOY: ((COWBOY,), _FEET),
    UPPER_BODY: ((UPPER_BODY,), _LEGS),
    PORTRAIT: ((PORTRAIT,), _BODY),
    CLOSE_UP: ((CLOSE_UP,), _BODY),
}


def table(text: str, name: str) -> Table:
    """Return what a person's file says, over what is usual; an empty text changes nothing.

    Raises:
        ConfigError: The first mistake, with its line.
    """
    found = dict(USUAL)
    for framing, node in read(text, name).value.items() if text.strip() else ():
        if framing not in FRAMINGS:
            raise _mistake(name, node, f"no framing is named `{framing}`", framing, FRAMINGS)
        if not isinstance(node.value, dict):
            raise _mistake(name, node, f"`{framing}` is not a mapping", "add", ("add", "drop"))
        for word in node.value:
            if word not in ("add", "drop"):
                raise _mistake(name, node, f"`{framing}` has `{word}`", word, ("add", "drop"))
        found[framing] = _tags(node, "add"), _tags(node, "drop")
    return found


def reframed(
    tags: Sequence[str], words: Mapping[str, Sequence[str]]
) -> tuple[tuple[str, ...], list[str]]:
    """Return tags as they fit a crop, and those that were dropped.

    Args:
        tags: Of the picture, spelt with spaces or underscores.
        words: `add` and `drop` of its framing.
    """
    add, drop = words["add"], (*words["drop"], *FRAMINGS)
    kept = [tag for tag in tags if plain(tag) in add or not _meant(plain(tag), drop)]
    under = any("_" in tag for tag in tags) and not any(" " in tag for tag in tags)
    there = {plain(tag) for tag in kept}
    new = [tag.replace(" ", "_") if under else tag for tag in add if tag not in there]
    return (*kept, *new), [tag for tag in tags if tag not in kept]


def plain(tag: str) -> str:
    """Return a tag with spaces in place of underscores, in lower case."""
    return tag.replace("_", " ").strip().lower()


def _meant(tag: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(tag, pattern) for pattern in patterns)


def _tags(node: Node, word: str) -> tuple[str, ...]:
    listed = node.value.get(word, Node([], node.line)).value
    rows = listed if isinstance(listed, list) else [node.value[word]]
    return tuple(plain(row.raw) for row in rows)


def _mistake(name: str, node: Node, what: str, word: str, known: Iterable[str]) -> ConfigError:
    return ConfigError(f"`{name}` line {node.line}: {what}", nearest(word, known))
