"""What a set of pictures of one subject should have several of, told by tags: a row each.

The tags are Danbooru's. A picture whose tags say nothing of an aspect does not count for it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

# Aspect -> what a picture may be -> the tags that say so; the first one that has a tag holds.
ASPECTS: Mapping[str, Mapping[str, frozenset[str]]] = {
    aspect: {value: frozenset(tags.split(", ")) for value, tags in values.items()}
    for aspect, values in {
        "framing": {
            "close-up": "close-up, face, eye focus, extreme close-up, macro",
            "portrait": "portrait, face focus, headshot, bust",
            "upper body": "upper body, cowboy shot",
            "full body": "full body, wide shot, very wide shot, full shot",
        },
        "angle": {
            "from behind": "from behind, facing away, back",
            "from the side": "from side, profile, side view, three quarter view",
            "from above": "from above, high angle, top-down",
            "from below": "from below, low angle",
            "from the front": "straight-on, facing viewer, looking at viewer, front view",
        },
        "background": {
            "simple": "simple background, white background, grey background, black background, "
            "transparent background, blue background, gradient background, two-tone background, "
            "pink background, red background, green background, yellow background",
            "scenery": "outdoors, indoors, scenery, cityscape, landscape, nature, sky, room, city, "
            "forest, beach, street, bedroom, classroom, kitchen, night, day, tree, grass",
        },
        "expression": {
            "smile": "smile, grin, smirk, laughing, happy, :d, light smile",
            "sad": "sad, crying, tears, frown, depressed",
            "angry": "angry, annoyed, clenched teeth, scowl, v-shaped eyebrows",
            "surprised": "surprised, :o, shocked, wide-eyed",
            "calm": "expressionless, closed mouth, serious, neutral expression",
        },
    }.items()
}
FEWEST = 8  # pictures whose tags say something of an aspect, below which nothing is told
ONE_SIDED = 0.8  # of them, from where on a set is one-sided
_SHOWN = 3


def aspects(tags: Iterable[str]) -> dict[str, str]:
    """Return what the tags of a picture say of each aspect."""
    plain = {tag.replace("_", " ").lower() for tag in tags}
    found = {}
    for aspect, values in ASPECTS.items():
        value = next((value for value, words in values.items() if words & plain), None)
        if value is not None:
            found[aspect] = value
    return found


def one_sided(pictures: Sequence[Mapping[str, str]]) -> list[str]:
    """Return a sentence for each aspect of which nearly all pictures are alike.

    Args:
        pictures: Of each, what `aspects` returned.
    """
    told = []
    for aspect, values in ASPECTS.items():
        counts = Counter(one[aspect] for one in pictures if aspect in one)
        known = counts.total()
        if known < FEWEST:
            continue
        value, most = counts.most_common(1)[0]
        if most < ONE_SIDED * known:
            continue
        missing = [f"`{other}`" for other in values if not counts[other]]
        lacks = f"; none is {' or '.join(missing[:_SHOWN])}" if missing else ""
        told.append(f"{aspect}: {most} of {known} are `{value}`{lacks}")
    return told
