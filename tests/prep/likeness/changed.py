"""A drawn picture, what people do to pictures, and what artists do to one."""

import io
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from prep.likeness.appearance import SIDE, packed


@cache
def drawn(seed: int = 0, size: tuple[int, int] = (480, 360)) -> Image.Image:
    """Return a picture of many shapes on a slope of colours: no two seeds look alike."""
    dice = np.random.default_rng(seed)
    width, height = size
    down, across = np.mgrid[:height, :width]
    planes = [across * 90 // width + 80, down * 90 // height + 60, (across + down) * 60 // width]
    image = Image.fromarray(np.stack(planes, 2).astype(np.uint8))
    pen = ImageDraw.Draw(image)
    for _ in range(24):
        x, y = dice.integers(0, width), dice.integers(0, height)
        wide, tall = dice.integers(20, 110, 2)
        colour = tuple(int(level) for level in dice.integers(0, 256, 3))
        shape = pen.ellipse if dice.random() < 0.5 else pen.rectangle
        shape((x - wide // 2, y - tall // 2, x + wide // 2, y + tall // 2), fill=colour)
    return image


def half(image: Image.Image) -> Image.Image:
    """Return it at half its size."""
    return image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)


def jpeg(image: Image.Image, quality: int = 40) -> Image.Image:
    """Return it as it comes out of a JPEG."""
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=quality)
    with Image.open(stream) as found:
        return found.convert("RGB")


def cropped(image: Image.Image, box: tuple[int, int, int, int] = (5, 10, 470, 350)) -> Image.Image:
    """Return a part of it."""
    return image.crop(box)


def bordered(image: Image.Image) -> Image.Image:
    """Return it with a border."""
    return ImageOps.expand(image, 20, "black")


def watermarked(image: Image.Image) -> Image.Image:
    """Return it with writing over it, half transparent."""
    layer = Image.new("RGBA", image.size)
    ink = (255, 255, 255, 150)
    font = ImageFont.load_default(36)
    ImageDraw.Draw(layer).text((60, 300), "example studio", fill=ink, font=font)
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def smiling(image: Image.Image) -> Image.Image:
    """Return it with a face in one place drawn otherwise: 3 % of its width."""
    image = image.copy()
    pen = ImageDraw.Draw(image)
    pen.ellipse((232, 172, 248, 186), fill=(250, 240, 230), outline=(30, 10, 10), width=2)
    pen.ellipse((237, 176, 243, 182), fill=(20, 20, 60))
    return image


def dressed(image: Image.Image) -> Image.Image:
    """Return it with a large area in another colour: the same shading, blue to red."""
    pixels = np.asarray(image).copy()
    pixels[100:260, 160:330] = pixels[100:260, 160:330][..., [2, 1, 0]] // 2 + [90, 0, 20]
    return Image.fromarray(pixels.astype(np.uint8))


def at_night(image: Image.Image) -> Image.Image:
    """Return it as by night."""
    return Image.fromarray((np.asarray(image) * [0.4, 0.45, 0.7]).astype(np.uint8))


def kept(image: Image.Image) -> bytes:
    """Return what `appearance` keeps of a picture."""
    copy = image.copy()
    copy.thumbnail((SIDE, SIDE))
    return packed(copy, image.size)
