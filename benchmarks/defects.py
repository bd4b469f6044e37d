"""Good pictures of packages and folders, and what goes wrong with pictures: planted, by chance."""

import io
import random
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from benchmarks.planted import SHARED

Picture = Image.Image
Dice = random.Random
# Of scikit-image, those that have no such defect of their own: in colour, sharp, without text.
PHOTOGRAPHS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "hubble_deep_field.jpg",
    "motorcycle_left.png",
    "motorcycle_right.png",
    "rocket.jpg",
)
GLOWS = ("0_sun.png", "explosion.png")  # half transparent and unsharp as they were drawn
LEAST = 370  # px, of the shorter side of a stamp
_FILTERS = (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
_TEXTS = ("SAMPLE PICTURE", "(c) Studio 2024", "@artist_name", "www.example.com", "PREVIEW ONLY")


def real() -> list[Path]:
    """Return the pictures of ../shared."""
    return _files(SHARED / "photos") + _files(SHARED / "renpy-sprites")


def sources(folders: list[Path]) -> list[Path]:
    """Return the files of good pictures: of ../shared, of scikit-image and of some folders."""
    spec = find_spec("skimage")
    data = Path(spec.origin).parent / "data" if spec and spec.origin else Path("missing")
    more = [data / name for name in PHOTOGRAPHS if (data / name).exists()]
    return real() + more + [path for folder in folders for path in _files(folder) if _large(path)]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix in (".png", ".jpg"))


def _large(path: Path) -> bool:
    """Return whether a stamp is large, and drawn in many colours."""
    if path.name in GLOWS:
        return False
    with Image.open(path) as image:
        return min(image.size) >= LEAST and image.mode in ("RGB", "RGBA")


def opened(path: Path) -> Picture:
    """Return a picture: RGBA where it has transparency, else RGB."""
    with Image.open(path) as image:
        return image.convert("RGBA" if image.has_transparency_data else "RGB")


def flat(image: Picture) -> Picture:
    """Return it as RGB on white."""
    paper = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(paper, image.convert("RGBA")).convert("RGB")


def _png(image: Picture) -> tuple[str, bytes]:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return ".png", stream.getvalue()


def _jpeg(image: Picture, quality: int = 92, **more: object) -> tuple[str, bytes]:
    stream = io.BytesIO()
    flat(image).save(stream, "JPEG", quality=quality, **more)
    return ".jpg", stream.getvalue()


def blur(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it out of focus, or moved while it was taken."""
    image, radius = flat(image), max(image.size) * dice.uniform(0.004, 0.012)
    if dice.random() < 0.4:
        return _jpeg(_moved(image, round(3 * radius), dice))
    way = ImageFilter.GaussianBlur if dice.random() < 0.6 else ImageFilter.BoxBlur
    return _png(image.filter(way(radius)))


def _moved(image: Picture, length: int, dice: Dice) -> Picture:
    """Return it moved along a line, in any direction."""
    across, down = dice.choice(((1, 0), (0, 1), (1, 1), (1, -1)))
    pixels = np.asarray(image, np.float64)
    total = np.zeros_like(pixels)
    for step in range(length + 1):
        shift = step - length // 2
        total += np.roll(pixels, (down * shift, across * shift), (0, 1))
    return Image.fromarray((total / (length + 1)).astype(np.uint8))


def too_small(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it as small as a thumbnail."""
    small = flat(image)
    small.thumbnail((dice.randint(90, 240),) * 2, Image.Resampling.LANCZOS)
    return dice.choice((_png, _jpeg))(small)


def upscaled(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it made smaller, then as large as it was."""
    whole, factor = flat(image), dice.uniform(2.0, 4.0)
    small = whole.resize([round(side / factor) for side in whole.size], Image.Resampling.LANCZOS)
    large = small.resize(whole.size, dice.choice(_FILTERS))
    return dice.choice((_png, _jpeg))(large)


def jpeg_damage(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it saved as a very small JPEG, half the time as a PNG of that."""
    found = _jpeg(image, dice.randint(4, 14))
    return found if dice.random() < 0.5 else _png(Image.open(io.BytesIO(found[1])))


def letterbox(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it with bars above and below, or left and right."""
    image = flat(image)
    width, height = image.size
    across, down = (0, round(height * dice.uniform(0.06, 0.2)))
    if dice.random() < 0.4:
        across, down = round(width * dice.uniform(0.06, 0.2)), 0
    edge = np.asarray(image)[0 if down else slice(None), slice(None) if down else 0].mean()
    dark = dice.choice(((0, 0, 0), (0, 0, 0), (30, 30, 30), (dice.randrange(60),) * 3))
    colour = dark if edge > 90 else (255, 255, 255)
    return dice.choice((_png, _jpeg))(ImageOps.expand(image, (across, down), colour))


def text(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it with writing over it: one line where it can be read, or lines all over."""
    image = flat(image)
    width, height = image.size
    size = max(14, round(max(image.size) * dice.uniform(0.035, 0.08)))
    font, words = ImageFont.load_default(size), dice.choice(_TEXTS)
    long = int(font.getlength(words))
    grey = np.asarray(image.convert("L"), np.float32)
    places = [(dice.randint(0, max(0, width - long)), dice.randint(0, height - 2 * size))
              for _ in range(30)]  # fmt: skip
    x, y = min(places, key=lambda at: grey[at[1] : at[1] + size, at[0] : at[0] + long].std())
    under = grey[y : y + size, x : x + long].mean()
    ink = (20, 20, 20) if under > 128 else (245, 245, 245)
    layer = Image.new("RGBA", image.size)
    fill = (*ink, round(255 * dice.uniform(0.6, 1.0)))
    rows = [(x, y)] if dice.random() < 0.6 else [(x, at) for at in range(size, height, 4 * size)]
    for place in rows:
        ImageDraw.Draw(layer).text(place, words, fill=fill, font=font)
    return _png(Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB"))


def monochrome(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it in greys, or in browns."""
    grey = ImageOps.grayscale(flat(image))
    if dice.random() < 0.3:
        return _jpeg(ImageOps.colorize(grey, (20, 10, 0), (255, 240, 210)))
    return dice.choice((_png, _jpeg))(grey.convert("RGB"))


def broken_alpha(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it with an alpha that hides all, half of all, or pixels by chance."""
    image = image.convert("RGBA")
    alpha = np.asarray(image.getchannel("A")).copy()
    match dice.choice(("hidden", "half", "specks")):
        case "hidden":
            alpha[:] = 0
        case "half":
            alpha[:] = dice.randint(50, 200)
        case _:
            chance = np.random.default_rng(dice.getrandbits(32)).random(alpha.shape)
            alpha[chance < dice.uniform(0.03, 0.2)] = dice.choice((0, 255))
            alpha[chance > 0.97] = 0
    image.putalpha(Image.fromarray(alpha))
    return _png(image)


def turned(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it turned by a program that left what the camera had said as it was."""
    image = flat(image)
    if image.width == image.height:  # a square tells nothing
        image = image.crop((0, 0, image.width, image.height * 3 // 4))
    camera = image.rotate(90, expand=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0xA002: camera.width, 0xA003: camera.height})
    return _jpeg(image, exif=exif)


def corrupt_tail(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it without its end: cut off, or saved again with grey in place of it."""
    suffix, data = dice.choice((_png, _jpeg))(flat(image))
    if dice.random() < 0.5:
        return suffix, data[: round(len(data) * dice.uniform(0.4, 0.9))]
    pixels = np.asarray(flat(image)).copy()
    top = round(pixels.shape[0] * dice.uniform(0.4, 0.85)) // 8 * 8
    pixels[top + 8 :] = 128
    pixels[top : top + 8, round(pixels.shape[1] * dice.uniform(0.1, 0.9)) // 8 * 8 :] = 128
    return _png(Image.fromarray(pixels))


def near_empty(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return a plain area with next to nothing in it."""
    colour = tuple(dice.randrange(40, 256) for _ in range(3))
    paper = Image.new("RGB", (dice.randint(500, 900), dice.randint(500, 900)), colour)
    small = flat(image)
    small.thumbnail((dice.randint(20, 60),) * 2)
    paper.paste(small, (dice.randint(0, 400), dice.randint(0, 400)))
    return dice.choice((_png, _jpeg))(paper)


def exposure(image: Picture, dice: Dice) -> tuple[str, bytes]:
    """Return it nearly black, or nearly white."""
    part, image = dice.uniform(0.05, 0.2), flat(image)
    if dice.random() < 0.6:
        return _jpeg(ImageEnhance.Brightness(image).enhance(part))
    return _jpeg(ImageOps.invert(ImageEnhance.Brightness(ImageOps.invert(image)).enhance(part)))


Plant = Callable[[Picture, Dice], tuple[str, bytes]]
# Kind of finding -> what plants it.
PLANTS: dict[str, Plant] = {
    "blur": blur,
    "too small": too_small,
    "upscaled": upscaled,
    "JPEG damage": jpeg_damage,
    "letterbox": letterbox,
    "text": text,
    "monochrome": monochrome,
    "alpha": broken_alpha,
    "turned": turned,
    "torn": corrupt_tail,
    "near empty": near_empty,
    "exposure": exposure,
}
