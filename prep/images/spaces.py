"""What a file says of its colours beside an ICC profile, and of the one that is transparent."""

from contextlib import suppress
from typing import Any

from prep.images import bitmaps, boxes, colour, png_chunks


def space_of(kind: str, data: bytes, image: Any, told: list[str]) -> colour.Space | None:
    """Return what the numbers mean where that goes before an ICC profile, or there is none.

    PNG: cICP, then the profile, then sRGB, then gAMA and cHRM. AVIF: the profile, then nclx.
    Profiles and transparency that Pillow leaves out or tells in another range go into `info`.

    Args:
        kind: The format, as `PNG`.
        data: The whole file.
        image: As Pillow opened it; its `info` is mended.
        told: Grows by a sentence for what is ignored.
    """
    if kind == "PNG":
        return _of_png(data, image, told)
    if kind == "AVIF" and not image.info.get("icc_profile"):
        with suppress(IndexError):  # boxes that lead out of the file tell nothing
            codes = boxes.coding(data)
            # Pillow's numbers run from 0 to 255 whatever the file's do.
            return colour.of_codes((*codes[:3], 1), "nclx", told) if codes else None
    if kind == "BMP" and (profile := bitmaps.embedded_profile(data)):
        image.info["icc_profile"] = profile
    return None


def _of_png(data: bytes, image: Any, told: list[str]) -> colour.Space | None:
    info, header = image.info, png_chunks.header(data)
    if header.clear and image.mode != "P":
        info["transparency"] = png_chunks.clear_value(header, image.mode)
    space = colour.of_codes(header.coding, "cICP", told) if header.coding else None
    if space is not None or info.get("icc_profile") or "srgb" in info:
        return space
    return colour.of_gamma(info.get("gamma"), info.get("chromaticity"))
