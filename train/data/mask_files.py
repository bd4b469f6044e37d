"""Masks of pictures: grey PNG of the bucket's size, white trains, black does not.

Letters: C channels, H and W height and width of latents.
"""

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.dataset.dataset_file import Sample
from prep.runtime import files
from prep.runtime.errors import DatasetError
from train.data.latents_files import check_there, made_again

if TYPE_CHECKING:
    from torch import Tensor


def check_masks(
    path: Path, chosen: Mapping[str, Sample], places: Mapping[str, Path]
) -> dict[str, str]:
    """Return the SHA-256 of every mask; raise unless each is whole, fits and shows something.

    Args:
        path: The dataset file.
        places: Key -> file, of the samples that have a mask.

    Raises:
        DatasetError: A mask is missing, no grey PNG of its bucket's size, or black all over.
    """
    again = made_again(path)
    check_there("masks", path, places)
    digests: dict[str, str] = {}
    for key, place in places.items():
        data = place.read_bytes()
        wrong = _wrong(data, chosen[key].bucket or (0, 0))
        if wrong:
            raise DatasetError(f"the mask of `{key}` {wrong}", again)
        digests[key] = files.digest_bytes(data)
    return digests


def _wrong(data: bytes, bucket: tuple[int, int]) -> str:
    """Return what is wrong with a mask, as the end of a sentence; empty where nothing is."""
    try:
        image = _opened(data)
    except (OSError, ValueError, SyntaxError):
        return "is damaged"
    if image.mode != "L" or image.size != bucket:
        (width, height), (wide, high) = image.size, bucket
        kind = "grey" if image.mode == "L" else "not grey"
        return f"is {kind}, of {width}x{height} px; its bucket is {wide}x{high}"
    return "" if image.getbbox() else "hides all of the picture"


def mask_of(place: Path | None, digest: str, x0_CHW: "Tensor") -> "Tensor":
    """Return how much each place of a sample's latents counts, 0 to 1, shape (H, W), float32.

    That is the mean of its mask over the pixels that the place stands for; 1 without a mask.

    Args:
        place: The mask.
        digest: SHA-256 that it had when it was looked at.
        x0_CHW: The latents.

    Raises:
        DatasetError: The mask is no longer the one that was looked at.
    """
    import numpy as np
    import torch

    height, width = x0_CHW.shape[1:]
    if place is None:
        return torch.ones((height, width))
    data = place.read_bytes() if place.is_file() else b""
    if files.digest_bytes(data) != digest:
        raise DatasetError(
            f"the mask `{place.name}` changed while it trained", "run the same command again"
        )
    pixels = np.asarray(_opened(data), np.float32) / 255
    high, wide = pixels.shape
    cells = pixels.reshape(height, high // height, width, wide // width).mean(axis=(1, 3))
    return torch.from_numpy(cells)


def _opened(data: bytes) -> Any:
    """Return the image in a PNG, its pixels read."""
    from PIL import Image

    image = Image.open(BytesIO(data), formats=("PNG",))
    image.load()
    return image
