"""A drawn picture, spoilt in each way that a check looks for."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageFont, ImageOps

from prep.images.fitting import fitted
from prep.images.picture_file import opened
from prep.stage import NoParams, Nothing
from prep.stages.opacity import fit, opacity
from prep.stages.quality import quality
from tests.prep.likeness import changed

Picture = Image.Image
SIZE = (640, 480)


def drawn(seed: int = 0) -> Picture:
    """Return the good picture: sharp, in colour, large enough, with grain as cameras leave it."""
    return grained(changed.drawn(seed, SIZE), seed)


def grained(image: Picture, seed: int = 0) -> Picture:
    """Return a picture with grain."""
    levels = np.asarray(image, np.float64)
    grain = np.random.default_rng(seed).normal(0, 3, levels.shape)
    return Image.fromarray((levels + grain).clip(0, 255).astype(np.uint8))


def png(image: Picture) -> bytes:
    """Return a picture's file."""
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def jpeg(image: Picture, quality: int = 90, **more: Any) -> bytes:
    """Return a picture's file as a JPEG."""
    stream = io.BytesIO()
    image.convert("RGB").save(stream, "JPEG", quality=quality, **more)
    return stream.getvalue()


def with_alpha(image: Picture, alpha: Any) -> bytes:
    """Return the file of a picture with an alpha."""
    image = image.copy()
    image.putalpha(Image.fromarray(np.broadcast_to(alpha, image.size[::-1]).astype(np.uint8)))
    return png(image)


def _torn(image: Picture) -> bytes:
    pixels = np.asarray(image).copy()
    pixels[320:] = 128
    pixels[312:320, 300:] = 128
    return png(Image.fromarray(pixels))


def _written_over(image: Picture) -> bytes:
    image = image.copy()
    font = ImageFont.load_default(40)
    ImageDraw.Draw(image).rectangle((0, 400, 640, 480), fill=(20, 20, 30))
    ImageDraw.Draw(image).text((60, 410), "www.example.com", fill="white", font=font)
    return png(image)


def _turned(image: Picture) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif.get_ifd(0x8769).update({0xA002: image.height, 0xA003: image.width})
    return jpeg(image, exif=exif)


def _empty(image: Picture) -> bytes:
    paper = Image.new("RGB", SIZE, (90, 140, 170))
    paper.paste(image.resize((40, 30)), (300, 200))
    return png(paper)


def _larger(image: Picture, way: Image.Resampling = Image.Resampling.BICUBIC) -> bytes:
    small = grained(image.resize((240, 180), Image.Resampling.LANCZOS))
    return png(small.resize(SIZE, way))


SPOILT: dict[str, tuple[str, Callable[[Picture], bytes]]] = {
    "out of focus": ("blur", lambda image: png(image.filter(ImageFilter.GaussianBlur(4)))),
    "a thumbnail": ("too small", lambda image: jpeg(image.resize((160, 120)))),
    "enlarged": ("upscaled", _larger),
    "enlarged sharply": ("upscaled", lambda image: _larger(image, Image.Resampling.LANCZOS)),
    "compressed": ("JPEG damage", lambda image: jpeg(image, 6)),
    "compressed, then a PNG": (
        "JPEG damage",
        lambda image: png(Image.open(io.BytesIO(jpeg(image, 6)))),
    ),
    "bars": ("letterbox", lambda image: png(ImageOps.expand(image, (0, 60), "black"))),
    "a frame": ("letterbox", lambda image: png(ImageOps.expand(image, 40, "white"))),
    "writing": ("text", _written_over),
    "greys": ("monochrome", lambda image: jpeg(ImageOps.grayscale(image))),
    "browns": (
        "monochrome",
        lambda image: png(ImageOps.colorize(ImageOps.grayscale(image), "#140a00", "#fff0d2")),
    ),
    "nothing to be seen": ("alpha", lambda image: with_alpha(image, 0)),
    "half to be seen": ("alpha", lambda image: with_alpha(image, 120)),
    "specks": (
        "alpha",
        lambda image: with_alpha(image, 255 * (np.random.default_rng(0).random((480, 640)) > 0.1)),
    ),
    "on its side": ("turned", _turned),
    "no end": ("torn", _torn),
    "no subject": ("near empty", _empty),
    "night": ("exposure", lambda image: jpeg(ImageEnhance.Brightness(image).enhance(0.12))),
}


def measured(data: bytes) -> tuple[Any, Any]:
    """Return what the two stages measure of a file."""
    found, alpha = opened(io.BytesIO(data)), opened(io.BytesIO(data), alpha=True)
    steps, size = fit(NoParams(), None, {}), list(found.image.size)
    seen = quality.run(fitted(found.image, steps), size, list(found.warnings), NoParams())
    clear = opacity.run(fitted(alpha.image, steps), seen, NoParams())
    return seen, None if isinstance(clear, Nothing) else clear
