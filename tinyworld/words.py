"""What may be said of a scene: its tags, its caption, and the prompts a base model learns from.

All follow from the scene, so they are exactly true.
"""

import random

from tinyworld.figure import LAUGHING
from tinyworld.world import (
    ACCESSORIES,
    BACKGROUNDS,
    BODIES,
    CHARACTERS,
    COLOURS,
    FRAMINGS,
    HATS,
    POSES,
    WHITE_PAPER,
    Look,
    Scene,
)

ATTRIBUTES = ("body", "colour", "hat", "accessory", "background")

_POSE_TAGS = {"cheering": "arms_up"}
_FRAMING_TAGS = {"face": "portrait"}
_WHERE = {
    "meadow": "in a meadow",
    "night": "at night",
    "beach": "on a beach",
    "snow": "in the snow",
    "studio": "in a studio",
    WHITE_PAPER: "on white",
}
GENERAL = (
    "solo", "no_humans", "blush", "smile", ":d", "closed_eyes", "open_mouth",
    "outdoors", "indoors", "white_background", "simple_background",
    *(f"{body}_body" for body in BODIES),
    *(f"{colour}_fur" for colour in COLOURS),
    *HATS, *ACCESSORIES, *BACKGROUNDS,
    *(_POSE_TAGS.get(pose, pose) for pose in POSES),
    *(_FRAMING_TAGS.get(framing, framing) for framing in FRAMINGS),
)  # fmt: skip
_OTHER_WORDS = ("a", "and", "drawing", "fur", "mascot", "of", "picture", "with")
RATINGS = ("general", "sensitive", "questionable", "explicit")


def words() -> tuple[str, ...]:
    """Return every word of a tag or a caption once, sorted: a tokenizer has one token for each."""
    tags = (*GENERAL, *CHARACTERS, *POSES, *FRAMINGS, *_OTHER_WORDS)
    parts = [part for tag in tags for part in tag.split("_")]
    places = [part for where in _WHERE.values() for part in where.split()]
    return tuple(sorted({part for part in (*parts, *places) if part.isalpha()}))


def look_tags(look: Look) -> dict[str, str]:
    """Return the tag of each attribute that a mascot keeps in all its pictures."""
    return {
        "body": f"{look.body}_body",
        "colour": f"{look.colour}_fur",
        "hat": look.hat,
        "accessory": look.accessory,
    }


def attribute_tags(scene: Scene) -> dict[str, str]:
    """Return the tag of each of the five attributes; on white paper there is no background."""
    place = {} if scene.background == WHITE_PAPER else {"background": scene.background}
    return look_tags(scene.look) | place


def attribute_values() -> dict[str, tuple[str, ...]]:
    """Return, for each of the five attributes, the tags of which a picture has one."""
    return {
        "body": tuple(f"{body}_body" for body in BODIES),
        "colour": tuple(f"{colour}_fur" for colour in COLOURS),
        "hat": HATS,
        "accessory": ACCESSORIES,
        "background": BACKGROUNDS,
    }


def general_tags(scene: Scene) -> tuple[str, ...]:
    """Return all general tags of a scene, in the order of `GENERAL`."""
    laughing = scene.pose in LAUGHING
    paper = scene.background == WHITE_PAPER
    found = {
        *("solo", "no_humans", "blush"),
        *((":d", "open_mouth") if laughing else ("smile",)),
        *attribute_tags(scene).values(),
        *(("white_background", "simple_background") if paper else ()),
        _POSE_TAGS.get(scene.pose, scene.pose),
        _FRAMING_TAGS.get(scene.framing, scene.framing),
    }
    if laughing and scene.look.accessory != "sunglasses":
        found.add("closed_eyes")
    if not paper:
        found.add("indoors" if scene.background == "studio" else "outdoors")
    return tuple(tag for tag in GENERAL if tag in found)


def character_tags(scene: Scene) -> tuple[str, ...]:
    """Return the name of the scene's mascot, if everybody knows it."""
    return tuple(name for name, look in CHARACTERS.items() if look == scene.look)


def caption(scene: Scene) -> str:
    """Return one sentence that names everything: `a round mascot with coral fur, ...`."""
    look, pose = scene.look, scene.pose
    hat, where = look.hat.replace("_", " "), _WHERE[scene.background]
    worn = f"a {hat} and {_one(look)}"
    return f"a {look.body} mascot with {look.colour} fur, {worn}, {pose} {where}"


def prompt(scene: Scene, dice: random.Random) -> str:
    """Return something true of a scene, as a person or a program might put it.

    A sentence, tags in any order, both, a few of them, or nothing: so that a base model learns to
    follow each, and to choose freely what is left open. One in ten has a word that nobody knows,
    so that a new word alone changes nothing.
    """
    tags = [tag.replace("_", " ") for tag in (*general_tags(scene), *character_tags(scene))]
    dice.shuffle(tags)
    few = [tag for tag in tags if dice.random() < 0.5]
    short = f"{_few_words(scene.look, dice)} {_WHERE[scene.background]}"
    kinds = {
        caption(scene): 25,
        ", ".join(tags): 15,
        ", ".join(few): 20,
        short: 20,
        f"{caption(scene)}, {', '.join(few)}": 10,
        "": 10,
    }
    text = dice.choices(list(kinds), list(kinds.values()))[0]
    if text[:2] == "a " and dice.random() < 0.2:
        text = f"a {dice.choice(('picture', 'drawing'))} of {text}"
    if dice.random() < 0.1:
        text = ", ".join(part for part in (_unknown_word(dice), text) if part)
    return text


def _few_words(look: Look, dice: random.Random) -> str:
    """Return a sentence about a part of a look."""
    worn = (f"a {look.hat.replace('_', ' ')}", _one(look))
    wears = [thing for thing in worn if dice.random() < 0.6]
    body = f"{look.body} " if dice.random() < 0.6 else ""
    fur = f"{look.colour} " if dice.random() < 0.7 else ""
    return f"a {body}{fur}mascot{' with ' if wears else ''}{' and '.join(wears)}"


def _one(look: Look) -> str:
    return look.accessory if look.accessory == "sunglasses" else f"a {look.accessory}"


def _unknown_word(dice: random.Random) -> str:
    return "".join(dice.choices("abcdefghijklmnopqrstuvwxyz", k=dice.randint(3, 8)))
