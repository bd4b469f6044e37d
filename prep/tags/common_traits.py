"""What a subject looks like in nearly every picture: what its trigger word can stand for. Pure.

Such a trait (`blue eyes`, `long hair`) is left out of the texts, so that the trigger word learns
it. Clothes, poses and places are no traits: those should stay separable.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping

# Help of the param that two stages have.
PRUNE = "leave out traits (eyes, hair, ...) that this share of a concept's pictures has; 0: none"

# After the suffixes of `tagging/character.py` of deepghs/imgutils, which drops such tags wherever
# they occur; clothes and counts of people, which it drops too, are left out here.
_ENDS = frozenset(
    (
        *("eye", "eyes", "pupils", "eyebrows", "eyelashes", "hair", "bangs", "sidelocks", "bun"),
        *("buns", "cut", "twintails", "ponytail", "braid", "braids", "drill", "drills", "afro"),
        *("ahoge", "updo", "bald", "dreadlocks", "beard", "mustache", "skin", "fur", "freckles"),
        *("ear", "ears", "horn", "horns", "antlers", "tail", "tails", "wing", "wings", "halo"),
        *("fang", "fangs", "mole", "scar", "heterochromia", "breasts", "muzzle", "mane"),
    )
)
_BEGINS = ("hair over ", "hair between ", "hair intakes", "one side up", "two side up")
# Words of what the subject does, or wears, or what happens to it.
_PASSING = frozenset(
    (
        *("closed", "half-closed", "empty", "rolling", "narrowed", "covering", "covered", "wet"),
        *("own", "another's", "holding", "hand", "hands", "arm", "playing", "adjusting", "tying"),
        *("brushing", "drying", "grabbing", "pulling", "floating", "fake", "in", "on", "out"),
        *("under", "pubic", "arms"),
    )
)
# Fewer pictures than these do not show what is always so.
_FEWEST = 5


def is_trait(tag: str) -> bool:
    """Return whether a tag says what a subject looks like, whatever it does or wears."""
    words = tag.replace("_", " ").lower().split()
    if not words or _PASSING & set(words):
        return False
    return words[-1] in _ENDS or " ".join(words).startswith(_BEGINS)


def everywhere(tags: Iterable[Collection[str]], share: float) -> frozenset[str]:
    """Return the tags that at least this share of pictures has; none of fewer than 5 pictures.

    Args:
        tags: Those of each picture, each once.
        share: In (0, 1].
    """
    pictures = [tuple(each) for each in tags]
    if len(pictures) < _FEWEST:
        return frozenset()
    counts = Counter(tag for each in pictures for tag in each)
    return frozenset(tag for tag, count in counts.items() if count >= share * len(pictures))


def to_prune(
    samples: Mapping[str, tuple[str, Collection[str]]], share: float, kept: Collection[str] = ()
) -> dict[str, list[str]]:
    """Return key -> the traits of a picture that its concept has nearly everywhere, sorted.

    Args:
        samples: Key -> (concept, tags).
        share: Least share of a concept's pictures, in (0, 1]; 0 prunes nothing.
        kept: Tags that are never pruned.
    """
    if not share:
        return {key: [] for key in samples}
    concepts: dict[str, list[Collection[str]]] = {}
    for concept, tags in samples.values():
        concepts.setdefault(concept, []).append(tags)
    usual = {
        concept: {tag for tag in everywhere(each, share) if is_trait(tag) and tag not in kept}
        for concept, each in concepts.items()
    }
    return {
        key: sorted(usual[concept].intersection(tags)) for key, (concept, tags) in samples.items()
    }
