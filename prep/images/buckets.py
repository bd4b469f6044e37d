"""Aspect-ratio buckets: the table, the nearest one, the resize and the crop. Arithmetic only.

Sizes are (width, height) in px. The table and the resize are those of kohya's sd-scripts
(`library/model_util.py: make_bucket_resolutions`, `library/train_util.py: BucketManager`), so the
same settings give the same buckets. Two things differ on purpose:

- The error of a bucket is the ratio of the two aspect ratios, not their difference: a picture and
  the same picture on its side get buckets that are each other on their side.
- Without upscaling, only a picture that would be enlarged keeps its own size; the others use the
  table as ever, so there are few buckets and the limits of the sides hold.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from prep.images.placement import Size, num_whole, placed
from prep.runtime.errors import ConfigError

Boxes = Sequence[Sequence[float]]


@dataclass(frozen=True)
class BucketFit:
    """How a picture fills its bucket.

    Attributes:
        bucket: Size of what is trained on.
        size: Size of the picture after the resize that precedes the crop; covers the bucket.
        crop: (left, top, right, bottom) of the bucket within the resized picture, centred unless
            something must be kept; an odd pixel comes off the right or the bottom.
    """

    bucket: Size
    size: Size
    crop: tuple[int, int, int, int]


def table(
    resolution: int | Size,
    min_side: int | None = None,
    max_side: int | None = None,
    step: int = 64,
) -> tuple[Size, ...]:
    """Return all buckets of at most the resolution's area, narrowest first.

    Args:
        resolution: Side of a square, or the size whose area no bucket exceeds.
        min_side: Least side, rounded down to a multiple of `step`; None for half the shorter side.
        max_side: Largest side, rounded up; None for twice the longer side. The incumbent's fixed
            1024 would train 1920x1080 at 1024x576 where the resolution is 1024.
        step: Sides are multiples of it.

    Raises:
        ConfigError: The numbers contradict each other.
    """
    width, height = (resolution, resolution) if isinstance(resolution, int) else resolution
    least = min(width, height) // 2 if min_side is None else min_side
    most = max(width, height) * 2 if max_side is None else max_side
    _check((width, height), least, most, step)
    least, most, area = max(step, least // step * step), -(-most // step) * step, width * height
    square = math.isqrt(area) // step * step
    found = {(square, square)}
    for one in range(least, most + step, step):
        other = min(most, area // one // step * step)
        if other >= least:
            found |= {(one, other), (other, one)}
    return tuple(sorted(found))


def nearest(size: Size, buckets: Sequence[Size]) -> Size:
    """Return the bucket whose aspect ratio is nearest; a bucket of exactly this size wins.

    Ties go to the narrower bucket. No table for a square of 256 to 2048 px has one.
    """
    if size in buckets:
        return size
    return min(sorted(buckets), key=lambda bucket: _error(size, bucket))


def cover(size: Size, bucket: Size) -> BucketFit:
    """Return how a picture of `size`, scaled to just cover `bucket`, is cropped to it."""
    (width, height), (across, down) = size, bucket
    if width * down > height * across:  # wider than the bucket: the heights match
        resized = ((2 * width * down + height) // (2 * height), down)
    else:
        resized = (across, (2 * height * across + width) // (2 * width))
    return _centred(resized, bucket)


def fitted(
    size: Size,
    buckets: Sequence[Size],
    max_crop: float = 0.5,
    upscale: bool = True,
    keep: Boxes = (),
) -> BucketFit | str:
    """Return how a picture of `size` fills its bucket, or the reason why it has none.

    Args:
        size: Upright size of the picture.
        buckets: What `table` returned.
        max_crop: The largest part of the resized picture that may be cut away, 0 to 1. A half:
            with more, what is left is rarely what the caption speaks of.
        upscale: Whether a picture may be enlarged to fill its bucket.
        keep: (left, top, right, bottom) px of what is not to be cut, the most important first:
            the crop moves for it, and where that is not enough, the picture gets the nearest
            bucket that holds it all; where there is none, the nearest one.
    """
    least = min(min(bucket) for bucket in buckets)
    if min(size) < least:
        return f"too small: {_text(size)} px has a side under {least} px"
    fit = cover(size, nearest(size, buckets))
    if not upscale and (fit.size[0] > size[0] or fit.size[1] > size[1]):
        fit = _own_size(size, buckets)
    fit = moved(fit, size, keep)
    if num_whole(fit.crop, _scaled(keep, size, fit.size)) < len(keep):
        fit = _holding(size, buckets, fit, max_crop, keep)
    cut = _cut_away(fit)
    if cut > max_crop:
        return (
            f"no bucket: the nearest to {_text(size)} px is {_text(fit.bucket)}, "
            f"which would cut away {cut:.0%} of the picture"
        )
    return fit


def moved(fit: BucketFit, size: Size, keep: Boxes) -> BucketFit:
    """Return a fit with its crop moved so that it cuts as little of some boxes as it can."""
    central = (fit.size[0] - fit.bucket[0]) // 2, (fit.size[1] - fit.bucket[1]) // 2
    return replace(fit, crop=placed(fit.size, fit.bucket, central, _scaled(keep, size, fit.size)))


def _holding(
    size: Size, buckets: Sequence[Size], usual: BucketFit, max_crop: float, keep: Boxes
) -> BucketFit:
    """Return the fit of the nearest bucket that holds all boxes; without one, the usual fit.

    A bucket for which more of the picture would be enlarged, or cut away than may be, is none.
    """
    most = max(1.0, usual.size[0] / size[0])
    for bucket in sorted(buckets, key=lambda one: _error(size, one)):
        fit = moved(cover(size, bucket), size, keep)
        boxes = _scaled(keep, size, fit.size)
        small = fit.size[0] <= most * size[0] + 1
        if small and _cut_away(fit) <= max_crop and num_whole(fit.crop, boxes) == len(keep):
            return fit
    return usual


def _scaled(boxes: Boxes, size: Size, to: Size) -> list[tuple[float, ...]]:
    across, down = to[0] / size[0], to[1] / size[1]
    return [(box[0] * across, box[1] * down, box[2] * across, box[3] * down) for box in boxes]


def _cut_away(fit: BucketFit) -> float:
    return 1 - fit.bucket[0] * fit.bucket[1] / (fit.size[0] * fit.size[1])


def _error(size: Size, bucket: Size) -> float:
    """Return how far a bucket's aspect ratio is from a picture's: 1 is not at all."""
    one, other = bucket[0] * size[1], bucket[1] * size[0]
    return max(one, other) / min(one, other)


def _own_size(size: Size, buckets: Sequence[Size]) -> BucketFit:
    """Return the largest bucket on the table's grid that `size` holds, unresized."""
    step = math.gcd(*(side for bucket in buckets for side in bucket))  # neighbours are one apart
    return _centred(size, (size[0] // step * step, size[1] // step * step))


def _centred(size: Size, bucket: Size) -> BucketFit:
    left, top = (size[0] - bucket[0]) // 2, (size[1] - bucket[1]) // 2
    return BucketFit(bucket, size, (left, top, left + bucket[0], top + bucket[1]))


def _check(resolution: Size, least: int, most: int, step: int) -> None:
    if step < 8 or step % 8:
        raise ConfigError(
            f"the step of buckets is {step} px, and latents need multiples of 8",
            "write 64 for Stable Diffusion 1 and 2, 32 or 64 for SDXL",
        )
    if min(resolution) < step:
        raise ConfigError(
            f"the resolution {_text(resolution)} is under the step of {step} px",
            "raise the resolution or lower the step",
        )
    if least > min(resolution) or most < max(resolution) or least < 1:
        raise ConfigError(
            f"sides of {least} to {most} px do not allow the resolution {_text(resolution)}",
            "the least side may be at most the resolution, the largest at least",
        )


def _text(size: Size) -> str:
    return f"{size[0]}x{size[1]}"
