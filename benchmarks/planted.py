"""Pictures from packages and folders, what people do to pictures, and variants: no copies."""

import io
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from tinyworld import draw, world

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
STAMPS = Path("/usr/share/tuxpaint/stamps")
LEAST = 64  # px, of the shorter side
_SEEN = 6  # levels; black on white looks the same in another light
Picture = Image.Image
Change = Callable[[Picture, random.Random], Picture]


def pictures(count: int, dice: random.Random, folders: list[Path]) -> list[Picture]:
    """Return so many different pictures: all of ../shared and scikit-image, others by chance.

    What is missing is drawn: mascots of the tiny world.
    """
    spec = find_spec("skimage")
    places = [Path(spec.origin).parent / "data"] if spec and spec.origin else []
    always = [path for place in (SHARED / "photos", *places) for path in _files(place)]
    others = [path for place in folders for path in _files(place)]
    found = [_opened(path) for path in always]
    dice.shuffle(others)
    for path in others:
        if len(found) >= count:
            break
        image = _opened(path)
        if min(image.size) >= LEAST:
            found.append(image)
    while len(found) < count:
        found.append(_mascot(world.random_scene(dice.getrandbits(32)), dice.getrandbits(32)))
    return found[:count]


def half(image: Picture, dice: random.Random) -> Picture:
    """Return it at half its size."""
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def jpeg(*qualities: int) -> Change:
    """Return what saves a picture as a JPEG of one of some qualities."""

    def saved(image: Picture, dice: random.Random) -> Picture:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=dice.choice(qualities))
        with Image.open(stream) as found:
            return found.convert("RGB")

    return saved


def crop(part: float) -> Change:
    """Return what cuts a part of width and height away, anywhere."""

    def cut(image: Picture, dice: random.Random) -> Picture:
        width, height = (round(side * (1 - part)) for side in image.size)
        left, top = dice.randint(0, image.width - width), dice.randint(0, image.height - height)
        return image.crop((left, top, left + width, top + height))

    return cut


def border(image: Picture, dice: random.Random) -> Picture:
    """Return it with a border of 3 to 10 %: white, black or any colour."""
    width = max(2, round(max(image.size) * dice.uniform(0.03, 0.1)))
    colour = tuple(dice.randrange(256) for _ in range(3))
    return ImageOps.expand(image, width, dice.choice(("white", "black", colour)))


def watermark(image: Picture, dice: random.Random) -> Picture:
    """Return it with writing over it that can be seen there: once, or all over in a fifth."""
    width, height = image.size
    size = max(9, round(max(image.size) * dice.uniform(0.06, 0.14)))
    font = ImageFont.load_default(size)
    text = dice.choice(("SAMPLE", "(c) Studio 2024", "@artist_name", "example.com", "preview"))
    long = int(font.getlength(text))
    x, y = dice.randint(0, max(0, width - long)), dice.randint(0, max(0, height - 2 * size))
    under = np.asarray(image.convert("L"))[y : y + size, x : x + long].mean()
    dark = ((0, 0, 0), (40, 40, 60), (128, 128, 128), (200, 30, 30))
    light = ((255, 255, 255), (255, 255, 255), (200, 200, 200), (255, 210, 60))
    ink = (*dice.choice(dark if under > 150 else light), round(255 * dice.uniform(0.35, 0.9)))
    layer = Image.new("RGBA", image.size)
    everywhere = [(a, b) for b in range(0, height, 3 * size) for a in range(0, width, long + size)]
    for place in everywhere if dice.random() < 0.2 else [(x, y)]:
        ImageDraw.Draw(layer).text(place, text, fill=ink, font=font)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def mirror(image: Picture, dice: random.Random) -> Picture:
    """Return it mirrored left to right."""
    return ImageOps.mirror(image)


# What is done -> what it is called, and the least part that has to be found.
COPIES: dict[str, tuple[Change, str, float]] = {
    "half size": (half, "resized", 0.95),
    "JPEG 40": (jpeg(40), "recompressed", 0.95),
    "crop 4 %": (crop(0.04), "cropped", 0.95),
    "crop 20 %": (crop(0.2), "cropped", 0.8),
    "border": (border, "bordered", 0.8),
    "watermark": (watermark, "watermarked", 0.95),
    "mirror": (mirror, "mirrored", 0.95),
    "recompressed": (jpeg(75, 85, 92), "recompressed", 0.95),
}


def variants(found: list[Picture], dice: random.Random) -> Iterator[tuple[str, Picture, Picture]]:
    """Yield pairs that are no copies, half of them with one of the two changed as well."""
    changes: tuple[Change, ...] = (jpeg(60), half, crop(0.1))
    for name, one, other in _variants(found, dice):
        change = dice.choice(changes) if dice.random() < 0.5 else None
        yield name, one, change(other, dice) if change else other


def _variants(found: list[Picture], dice: random.Random) -> Iterator[tuple[str, Picture, Picture]]:
    sprites = {path: _opened(path) for path in _files(SHARED / "renpy-sprites")}
    for one, other in combinations(sprites, 2):
        dressed = one.stem.rpartition(" ")[0] != other.stem.rpartition(" ")[0]
        yield "costume" if dressed else "expression", sprites[one], sprites[other]
    for _ in range(60):
        name, scene, changed = _other_mascot(dice)
        if not np.array_equal(np.asarray(scene), np.asarray(changed)):  # a face shows no pose
            yield name, scene, changed
    large = [image for image in found if min(image.size) >= 300]
    for image in dice.sample(large, min(60, len(large))):
        relit = _relit(image, dice)
        if np.abs(np.asarray(relit, float) - np.asarray(image)).mean() > _SEEN:
            yield "lighting", image, relit
        yield "expression", image, _small_change(image, dice)


def flat(dice: random.Random) -> list[Picture]:
    """Return pictures with nothing on them."""
    colours = [tuple(dice.randrange(256) for _ in range(3)) for _ in range(8)]
    plain = [Image.new("RGB", (dice.randint(100, 400), 200), colour) for colour in colours]
    slope = np.tile(np.linspace(100, 104, 300), (200, 1))
    noise = np.random.default_rng(dice.getrandbits(32)).normal(128, 2, (300, 300))
    return [*plain, *(Image.fromarray(p.astype(np.uint8)).convert("RGB") for p in (slope, noise))]


def _other_mascot(dice: random.Random) -> tuple[str, Picture, Picture]:
    """Return a scene of the tiny world, and the same where one thing of the mascot is another."""
    scene, seed = world.random_scene(dice.getrandbits(32)), dice.getrandbits(32)
    wears = {"hat": world.HATS, "accessory": world.ACCESSORIES, "colour": tuple(world.COLOURS)}
    what = dice.choice((*wears, "pose"))
    if what == "pose":
        changed = replace(scene, pose=dice.choice([p for p in world.POSES if p != scene.pose]))
    else:
        others = [word for word in wears[what] if word != getattr(scene.look, what)]
        changed = replace(scene, look=replace(scene.look, **{what: dice.choice(others)}))
    name = "expression" if what == "pose" else "costume"
    return name, _mascot(scene, seed), _mascot(changed, seed)


def _relit(image: Picture, dice: random.Random) -> Picture:
    levels = np.asarray(image) / 255.0
    night = np.array([0.4, 0.45, 0.7]) * dice.uniform(0.8, 1.2)
    relit = dice.choice((
        levels * dice.uniform(0.5, 0.8), levels * night, levels * [1.0, 0.88, 0.7],
        levels ** dice.choice((0.6, 1.6)),
    ))  # fmt: skip
    return Image.fromarray((relit * 255).clip(0, 255).astype(np.uint8))


def _small_change(image: Picture, dice: random.Random) -> Picture:
    """Return a picture with an eye, 3 % of its longer side, drawn somewhere."""
    image = image.copy()
    pen, side = ImageDraw.Draw(image), max(image.size) * 0.03
    x, y = dice.uniform(0.25, 0.7) * image.width, dice.uniform(0.25, 0.7) * image.height
    dark = tuple(dice.randrange(60) for _ in range(3))
    light = tuple(dice.randrange(180, 256) for _ in range(3))
    around = (x - side / 2, y - side / 3, x + side / 2, y + side / 3)
    pen.ellipse(around, fill=light, outline=dark, width=max(1, int(side / 8)))
    pen.ellipse((x - side / 5, y - side / 5, x + side / 5, y + side / 5), fill=dark)
    return image


def _mascot(scene: world.Scene, seed: int) -> Picture:
    return draw.draw(replace(scene, size=tuple(4 * side for side in scene.size)), seed)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".jpg"))


def _opened(path: Path) -> Picture:
    """Return a picture on white."""
    with Image.open(path) as image:
        found = image.convert("RGBA")
    paper = Image.new("RGBA", found.size, "white")
    return Image.alpha_composite(paper, found).convert("RGB")
