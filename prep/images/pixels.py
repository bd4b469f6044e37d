"""A picture of any mode -> RGB: the rules that `prep.images.picture_file` lists, as arithmetic.

Knows no file and no format. A rule changed here raises `prep.images.picture_file.VERSION`.
"""

import math
from functools import cache
from io import BytesIO
from typing import TYPE_CHECKING, Any, cast

from prep.images import colour, frames, hdr

if TYPE_CHECKING:
    from PIL import Image, ImageCms

WHITE = frames.WHITE


def flattened(
    image: "Image.Image", told: list[str], space: colour.Space | None = None
) -> "Image.Image":
    """Return an image of any mode as RGB: sRGB, composited on `WHITE`, in the order it is stored.

    Args:
        image: Loaded; `info` may hold `icc_profile` and `transparency` as Pillow reads them.
        told: Grows by a sentence for whatever is ignored, and for a converted `space`.
        space: What the numbers mean, over any `icc_profile`.

    Raises:
        ValueError: It holds infinite values or such as are not numbers.
    """
    from PIL import Image

    plain, alpha = _parts(image)
    if space is not None:
        rgb = _by_space(plain, space, told)
    else:
        rgb = _srgb(plain, image.info.get("icc_profile"), told)
    if alpha is None:
        return rgb
    white = Image.new("RGBA", rgb.size, WHITE)
    rgb.putalpha(alpha)
    white.alpha_composite(rgb)
    return white.convert("RGB")


def hidden(image: "Image.Image") -> "Image.Image":
    """Return how transparent an image of any mode is, as grey RGB: white where nothing shows."""
    from PIL import Image, ImageChops

    _, alpha = _parts(image)
    clear = Image.new("L", image.size) if alpha is None else ImageChops.invert(alpha)
    return clear.convert("RGB")


def is_opaque(image: "Image.Image") -> bool:
    """Return whether nothing of an image of any mode is transparent."""
    _, alpha = _parts(image)
    return alpha is None or alpha.getextrema()[0] == 255


def _parts(image: "Image.Image") -> "tuple[Image.Image, Image.Image | None]":
    """Return colour (L, RGB, CMYK or LAB) and alpha (L, or None for opaque)."""
    if image.mode == "F" or image.mode.startswith("I"):
        return eight_bits(image)
    if image.mode == "La":
        image = image.convert("LA")
    grey = image.mode in ("1", "L", "LA")
    if image.has_transparency_data:
        clear = image.info.get("transparency")
        if isinstance(clear, tuple) and max(clear) > 255:  # 16-bit: pixels kept the high byte
            image.info["transparency"] = tuple(value >> 8 for value in clear)
        rgba = image.convert("RGBA")
        return rgba.getchannel("R") if grey else rgba.convert("RGB"), rgba.getchannel("A")
    if grey:
        return image.convert("L"), None
    return image if image.mode in ("RGB", "CMYK", "LAB") else image.convert("RGB"), None


def eight_bits(image: "Image.Image") -> "tuple[Image.Image, Image.Image | None]":
    """Return integers or floats of any range as L, and alpha where one value is transparent."""
    from PIL.ImageMath import lambda_eval

    deep = image if image.mode == "F" else image.convert("I")
    alpha = None
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        alpha = lambda_eval(lambda v: (v["x"] != clear) * 255, x=deep).convert("L")
    low, high = (float(value) for value in cast("tuple[float, float]", deep.getextrema()))
    numbers = lambda_eval(lambda v: v["x"] == v["x"], x=deep).convert("L").getextrema() == (1, 1)
    if not (numbers and math.isfinite(low) and math.isfinite(high)):
        raise ValueError("it holds values that are not finite numbers")
    tops = (1, 255, 65535) if image.mode == "F" else (65535,)
    floor, top = next(((0.0, t) for t in tops if low >= 0 and high <= t), (low, high - low or 1.0))
    scaled = lambda_eval(lambda v: (v["float"](v["x"]) - floor) * (255 / top) + 0.5, x=deep)
    return scaled.convert("L"), alpha


def _by_space(plain: "Image.Image", space: colour.Space, told: list[str]) -> "Image.Image":
    """Return RGB of any space as sRGB; sRGB by another name keeps its numbers."""
    rgb = plain if plain.mode == "RGB" else plain.convert("RGB")
    if not space.full:
        table = [min(255, max(0, round((level - 16) * 255 / 219))) for level in range(256)]
        rgb = rgb.point(table * 3)
        told.append("its numbers run from 16 to 235 and were stretched")
    if space.transfer:
        told.append(f"its colours were mapped from {space.name} to sRGB")
        return hdr.tone_mapped(rgb, space)
    if space.is_srgb:
        return rgb
    from PIL import ImageCms

    try:
        profile = ImageCms.ImageCmsProfile(BytesIO(colour.profile(space)))
        found = _by_profile(rgb, profile, ImageCms.createProfile("sRGB"))
    except Exception:  # points on a line, or farther out than a profile can tell
        told.append(f"its colour coding ({space.name}) means nothing and is ignored")
        return rgb
    if found is not rgb:
        told.append(f"its colours were converted from {space.name} to sRGB")
    return found


def _srgb(plain: "Image.Image", icc: bytes | None, told: list[str]) -> "Image.Image":
    if not icc and plain.mode != "LAB":
        return plain if plain.mode == "RGB" else plain.convert("RGB")
    from PIL import ImageCms

    srgb = ImageCms.createProfile("sRGB")
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(BytesIO(icc))
            return _by_profile(plain, profile, srgb)
        except Exception as error:  # LittleCMS and Pillow raise several classes for damage
            told.append(f"its ICC profile is ignored ({type(error).__name__}: {error})")
    if plain.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return cast("Image.Image", ImageCms.profileToProfile(plain, lab, srgb, outputMode="RGB"))
    return plain.convert("RGB")


def _by_profile(
    plain: "Image.Image", profile: "ImageCms.ImageCmsProfile", srgb: Any
) -> "Image.Image":
    from PIL import Image, ImageChops, ImageCms

    space = profile.profile.xcolor_space.strip()
    if space == "RGB" and plain.mode == "L":
        plain = plain.convert("RGB")
    transform = ImageCms.buildTransform(profile, srgb, plain.mode, "RGB")
    if space == "RGB":
        # Most profiles are sRGB by another name; converting would only add rounding.
        probe = Image.frombytes("RGB", (18, 18 * 18), _grid())
        moved = ImageChops.difference(probe, _applied(transform, probe))
        if max(high for _, high in cast("tuple[tuple[int, int], ...]", moved.getextrema())) <= 1:
            return plain
    return _applied(transform, plain)


@cache
def _grid() -> bytes:
    """Return 18 levels of each channel with each of the others, as RGB."""
    levels = range(0, 256, 15)
    return bytes(level for r in levels for g in levels for b in levels for level in (r, g, b))


def _applied(transform: "ImageCms.ImageCmsTransform", image: "Image.Image") -> "Image.Image":
    from PIL import ImageCms

    return cast("Image.Image", ImageCms.applyTransform(image, transform))
