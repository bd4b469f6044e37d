"""The checks: a row each. The next one is one row more, and a function where it needs one.

What a check proposes is for a person to accept. Its harm is what was measured where it was ignored,
by whom, or TASTE: a person may well want such pictures.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from prep.quality.measures import Measures
from prep.quality.transparency import Transparency

DROP, FIX, LOOK = "drop", "fix", "look"
PROPOSALS = (DROP, FIX, LOOK)  # the strongest first
STRICTNESS = ("loose", "standard", "strict")
TASTE = "taste"
_LETTERBOX_SIDES = ("left", "top", "right", "bottom")

Box = tuple[int, int, int, int]


class CheckedPicture(NamedTuple):
    """A picture as a check sees it.

    Attributes:
        seen: What was measured of it.
        alpha: The same of its alpha; None where it has none of its own.
        usual: Kinds of findings that more than half of the set has: they are its style.
        like: A picture that shows the same, and stands where this one lies; empty for none.
        resolution: px, the side of the square that has as many pixels as is trained on.
    """

    seen: Measures
    alpha: Transparency | None
    like: str
    resolution: int


class Told(NamedTuple):
    """What is wrong with a picture: one plain sentence, and where, in px; None: all over."""

    why: str
    box: Box | None = None


class Check(NamedTuple):
    """One check.

    Attributes:
        kind: Its name, as the sheets show it.
        propose: One of PROPOSALS.
        limits: What `find` is given: loose, standard and strict.
        find: What is wrong with a picture; None for nothing.
        harm: What was measured where it was ignored, or TASTE.
        style: Where more than half of a set has it, it is how the set is meant to be.
        instead: Kinds that say the same better: where one of these is found, this one is not.
    """

    kind: str
    propose: str
    limits: tuple[Any, Any, Any]
    find: Callable[[CheckedPicture, Any], Told | None]
    harm: str = TASTE
    style: bool = False
    instead: tuple[str, ...] = ()


def _torn(picture: CheckedPicture, least: float) -> Told | None:
    if picture.seen.torn < least:
        return None
    width, height = picture.seen.size
    top = round(height * (1 - picture.seen.torn))
    why = f"its lower {picture.seen.torn:.0%} has one colour, as where the end of a file is missing"
    return Told(why, (0, top, width, height))


def _near_empty(picture: CheckedPicture, most: float) -> Told | None:
    filled = picture.seen.filled
    return Told(f"only {filled:.1%} of it shows anything") if filled <= most else None


def _too_small(picture: CheckedPicture, part: float) -> Told | None:
    (width, height), side = picture.seen.size, picture.resolution
    if width * height >= part * side**2 and min(width, height) >= side // 2:
        return None
    return Told(f"it is {width}x{height} px, and {side}x{side} are trained on")


def _upscaled(picture: CheckedPicture, limits: tuple[float, float, float]) -> Told | None:
    least, period, drop = limits
    seen = picture.seen
    if (seen.edge or 0) < least or (seen.period < period and seen.drop < drop):
        return None
    width, height = (round(side / seen.scale) for side in seen.size)
    if seen.scale > _MOST_SCALE:
        return Told("it was made larger: it lacks the fine waves that its size could hold")
    return Told(f"it was made larger: it shows no more than {width}x{height} px would")


def _blur(picture: CheckedPicture, limits: tuple[float, float]) -> Told | None:
    least, part = limits
    edge = picture.seen.edge
    if edge is None or edge < least or edge / max(picture.seen.size) < part:
        return None
    return Told(f"its sharpest edges are {edge:.0f} px wide")


def _jpeg(picture: CheckedPicture, most: float) -> Told | None:
    quality = picture.seen.jpeg
    if quality > most:
        return None
    return Told(f"JPEG compressed it with a quality of about {quality:.0f} of 100")


def _letterbox(picture: CheckedPicture, least: float) -> Told | None:
    bars, (width, height) = picture.seen.bars, picture.seen.size
    if max(bars) < least:
        return None
    sides = " and ".join(name for name, bar in zip(_LETTERBOX_SIDES, bars, strict=True) if bar)
    left, top, right, bottom = bars
    inside = (round(left * width), round(top * height),
              width - round(right * width), height - round(bottom * height))  # fmt: skip
    return Told(f"it has bars of one colour: {sides}", inside)


def _text(picture: CheckedPicture, letters: int) -> Told | None:
    lines = [line for line in picture.seen.lines if line[4] >= letters]
    if not lines:
        return None
    left, top, right, bottom, num = lines[0]
    more = f", and {len(lines) - 1} more" if len(lines) > 1 else ""
    return Told(f"it has a line of about {num} letters{more}", (left, top, right, bottom))


def _alpha(picture: CheckedPicture, limits: tuple[float, float, float]) -> Told | None:
    least_seen, least_solid, most_specks = limits
    alpha = picture.alpha
    if alpha is None:
        return None
    if alpha.seen < least_seen:
        return Told("all of it is transparent")
    if alpha.solid < least_solid * alpha.half:
        return Told(f"{alpha.half:.0%} of it is half transparent: white shines through")
    if alpha.specks > most_specks:
        return Told("its transparency is full of single pixels")
    return None


def _turned(picture: CheckedPicture, _: None) -> Told | None:
    if picture.seen.turned:
        return Told("it lies: its EXIF says how to turn it, and its size that it was turned")
    return Told(f"it lies: {picture.like} shows the same upright") if picture.like else None


def _exposure(picture: CheckedPicture, limits: tuple[float, float]) -> Told | None:
    least, most = limits
    if picture.seen.light < least:
        return Told(f"it is nearly black: nothing is lighter than {picture.seen.light:.0f} of 255")
    if picture.seen.dark > most:
        return Told(f"it is nearly white: nothing is darker than {picture.seen.dark:.0f} of 255")
    return None


def _monochrome(picture: CheckedPicture, limits: tuple[float, float]) -> Told | None:
    colour, grey = limits
    if picture.seen.grey <= colour:
        return Told("it has no colours")
    if picture.seen.colour <= colour and picture.seen.grey <= grey:
        return Told("it has one tone and no other colours")
    return None


_MOST_SCALE = 8
_RIVAL = "almost none: a rival's LoRAs of one subject drew no worse (docs/checks.md)"
CHECKS: tuple[Check, ...] = (
    Check("torn", DROP, (0.08, 0.04, 0.04), _torn),
    Check("near empty", DROP, (0.015, 0.04, 0.08), _near_empty, instead=("alpha",)),
    Check("too small", DROP, (0.25, 0.5, 0.95), _too_small),
    Check("alpha", FIX, ((0.002, 0.01, 0.02), (0.01, 0.05, 0.005), (0.02, 0.2, 0.001)), _alpha),
    Check("turned", FIX, (None, None, None), _turned),
    Check("letterbox", FIX, (0.05, 0.03, 0.02), _letterbox),
    Check("exposure", LOOK, ((50, 220), (75, 205), (100, 165)), _exposure, instead=("near empty",)),
    Check(
        "upscaled", LOOK, ((1.75, 4.0, 2.4), (1.75, 2.2, 2.1), (1.6, 2.0, 1.8)), _upscaled,
        instead=("too small", "near empty"),
    ),
    Check(
        "blur", LOOK, ((2.5, 0.0045), (1.65, 0.003), (1.6, 0.002)), _blur, _RIVAL,
        instead=("upscaled", "too small", "near empty"),
    ),
    Check("JPEG damage", LOOK, (15, 30, 50), _jpeg,
          instead=("near empty", "exposure")),
    Check("text", LOOK, (10, 7, 5), _text),
    Check("monochrome", LOOK, ((3, 0), (8, 70), (12, 90)), _monochrome, style=True,
          instead=("near empty", "exposure")),
)  # fmt: skip
KINDS = tuple(check.kind for check in CHECKS)


def findings(
    pictures: Mapping[str, CheckedPicture], strictness: str, skip: frozenset[str] = frozenset()
) -> dict[str, list[tuple[Check, Told]]]:
    """Return for each picture what is wrong with it, in the order of CHECKS.

    Args:
        pictures: Key -> picture.
        strictness: One of STRICTNESS.
        skip: Kinds that are not looked for.
    """
    level = STRICTNESS.index(strictness)
    checks = [check for check in CHECKS if check.kind not in skip]
    found: dict[str, list[tuple[Check, Told]]] = {}
    for key, picture in pictures.items():
        told = {check.kind: (check, check.find(picture, check.limits[level])) for check in checks}
        kinds = {kind for kind, (_, why) in told.items() if why is not None}
        found[key] = [
            (check, why)
            for check, why in told.values()
            if why is not None and not kinds & set(check.instead)
        ]
    usual = {check.kind for check in checks if check.style and _is_usual(check.kind, found)}
    return {
        key: [one for one in several if one[0].kind not in usual] for key, several in found.items()
    }


def _is_usual(kind: str, found: Mapping[str, list[tuple[Check, Told]]]) -> bool:
    having = sum(any(check.kind == kind for check, _ in several) for several in found.values())
    return having > len(found) / 2
