"""What there is in the tiny world, as data: looks, scenes and the words for them.

A look is who a mascot is; a scene is one picture of it. Both are plain values, so that tags,
captions and drawings follow from them. Knows no picture and draws nothing.
"""

from dataclasses import dataclass

RGB = tuple[int, int, int]

# Body colour, 0 to 255, by the word a caption would use.
COLOURS: dict[str, RGB] = {
    "coral": (255, 139, 119),
    "mint": (126, 217, 176),
    "lemon": (250, 214, 92),
    "violet": (170, 144, 235),
    "sky": (116, 186, 240),
}
BODIES = ("round", "tall", "square")
HATS = ("none", "sprout", "crown", "party_hat", "beret")
ACCESSORIES = ("none", "scarf", "glasses", "bowtie", "flower")
BACKGROUNDS = ("meadow", "night", "beach", "snow", "studio")
POSES = ("standing", "waving", "cheering", "jumping")
FRAMINGS = ("full_body", "upper_body", "face")


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


MASCOT = Look(body="round", colour="coral", hat="sprout", accessory="scarf")

# The words a captioner of this world may say, and a text encoder knows as one token each.
SENTENCE_WORDS: tuple[str, ...] = tuple(
    """
    a an and at behind big blue body brown cheeks close cloud clouds color creature cute dances
    day drawing evening eyes feet flower flowers friend friendly front grass green hands happy hat
    head hill hills holding in inside is it its jumps leaf little looking mascot moon morning near
    no of on one orange outside over party picture pink plays purple red room sand sea shape sits
    sky sleeps sleepy small smile smiling snowman star stars stands summer sun that the there this
    tree trees two under up very wall water waves wearing white winter with yellow
    """.split()  # noqa: SIM905 - a list of 110 strings would hide the words
)


def words() -> tuple[str, ...]:
    """Return every word of the world once, sorted: attributes and the words of sentences."""
    attributes = (*COLOURS, *BODIES, *HATS, *ACCESSORIES, *BACKGROUNDS, *POSES, *FRAMINGS)
    parts = (part for attribute in attributes for part in attribute.split("_"))
    return tuple(sorted({*parts, *SENTENCE_WORDS}))
