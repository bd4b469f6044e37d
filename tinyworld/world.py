"""What there is in the tiny world, as data: looks, scenes, and which of them are held out.

A look is who a mascot is; a scene is one picture of it. Both are plain values, so that tags,
captions and drawings follow from them. Knows no picture and draws nothing.
"""

import hashlib
import random
from dataclasses import dataclass

RGB = tuple[int, int, int]

# Fur, 0 to 255, by the word a caption would use.
COLOURS: dict[str, RGB] = {
    "coral": (255, 127, 108),
    "lemon": (252, 214, 76),
    "mint": (112, 216, 164),
    "violet": (168, 132, 232),
    "blue": (84, 148, 240),
}
BODIES = ("round", "square", "pear")
HATS = ("sprout", "crown", "party_hat", "top_hat")
ACCESSORIES = ("scarf", "bowtie", "sunglasses", "flower")
BACKGROUNDS = ("meadow", "night", "beach", "snow", "studio")
# What lies behind a cut-out once its transparency is filled; no place, so none of the attribute.
WHITE_PAPER = "white"
POSES = ("standing", "waving", "cheering", "jumping")
FRAMINGS = ("full_body", "upper_body", "face")

# Areas of about 128 x 128 px whose sides divide by 32, with how often they are drawn.
SHAPES: dict[tuple[int, int], int] = {
    (128, 128): 4, (96, 128): 2, (96, 160): 2, (128, 96): 1, (160, 96): 1,
}  # fmt: skip

_CHARACTER_SHARE, _PAPER_SHARE = 0.06, 0.03
_HELD_OUT_IN = 10


@dataclass(frozen=True)
class Look:
    """Who a mascot is: the attributes that stay the same in all its pictures."""

    body: str
    colour: str
    hat: str
    accessory: str


@dataclass(frozen=True)
class Scene:
    """One picture of a mascot.

    Attributes:
        size: (width, height) in px.
    """

    look: Look
    background: str
    pose: str
    framing: str
    size: tuple[int, int]


# The subject of the demo. No model of this world was ever shown this look, on any background.
MASCOT = Look(body="round", colour="coral", hat="sprout", accessory="scarf")

# Those whom everybody in the tiny world knows by name.
CHARACTERS: dict[str, Look] = {
    "captain_plum": Look("pear", "violet", "top_hat", "bowtie"),
    "queen_bee": Look("square", "lemon", "crown", "flower"),
    "cool_mint": Look("round", "mint", "party_hat", "sunglasses"),
}


def held_out(look: Look, background: str) -> bool:
    """Return whether a whole combination is kept from all training: the mascot's, and a tenth.

    Each single value occurs in training; only these combinations of five do not.
    """
    if look == MASCOT:
        return True
    words = ",".join((look.body, look.colour, look.hat, look.accessory, background))
    return hashlib.sha256(words.encode()).digest()[0] % _HELD_OUT_IN == 0


def random_scene(seed: int, unseen: bool = False) -> Scene:
    """Return a scene by a seed: one that may be trained on, or, `unseen`, one that is held out."""
    dice = random.Random(f"scene:{seed}:{unseen}")
    while True:
        scene = _any_scene(dice)
        # White paper is outside the five attributes, so such a picture is never a held-out one.
        if held_out(scene.look, scene.background) == unseen:
            return scene


def _any_scene(dice: random.Random) -> Scene:
    parts = (BODIES, tuple(COLOURS), HATS, ACCESSORIES)
    look = Look(*(dice.choice(part) for part in parts))
    if dice.random() < _CHARACTER_SHARE:
        look = dice.choice(tuple(CHARACTERS.values()))
    paper = dice.random() < _PAPER_SHARE
    background = WHITE_PAPER if paper else dice.choice(BACKGROUNDS)
    size = dice.choices(tuple(SHAPES), tuple(SHAPES.values()))[0]
    return Scene(look, background, dice.choice(POSES), dice.choice(FRAMINGS), size)
