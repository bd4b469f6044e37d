import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.images.buckets import BucketFit, cover, fitted, nearest, table
from prep.runtime.errors import ConfigError


@pytest.mark.parametrize(
    ("resolution", "least", "most", "step", "count"),
    [
        (512, 256, 1024, 64, 17),
        (768, 256, 1024, 64, 19),
        (1024, 256, 1024, 64, 25),
        (1024, 256, 2048, 64, 41),
        (1024, 512, 2048, 32, 65),
    ],
)
def test_the_table_is_the_incumbents(
    resolution: int, least: int, most: int, step: int, count: int
) -> None:
    """The same settings give as many buckets as kohya's sd-scripts, narrowest first."""
    buckets = table(resolution, least, most, step)

    assert len(buckets) == count
    assert {min(map(min, buckets)), max(map(max, buckets))} == {least, most}
    assert list(buckets) == sorted(set(buckets))
    assert all(w * h <= resolution * resolution for w, h in buckets)
    assert {(h, w) for w, h in buckets} == set(buckets)


def test_the_table_at_512_is_known_by_heart() -> None:
    """The seventeen buckets of Stable Diffusion 1, written out, are also the default."""
    narrow = (
        *((256, 832), (256, 896), (256, 960), (256, 1024)),
        *((320, 704), (320, 768), (384, 640), (448, 576)),
    )
    known = {*narrow, (512, 512), *((height, width) for width, height in narrow)}

    assert table(512) == table(512, 256, 1024, 64) == tuple(sorted(known))


def test_limits_are_rounded_to_the_step_outwards() -> None:
    """A least side is rounded down and a largest side up to a multiple of the step."""
    assert table(512, 300, 1000, 64) == table(512, 256, 1024, 64)
    assert table((512, 768), step=64) == table((768, 512), step=64)


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        (
            (512, 256, 1024, 60),
            "the step of buckets is 60 px, and latents need multiples of 8",
            "write 64 for Stable Diffusion 1 and 2, 32 or 64 for SDXL",
        ),
        (
            (32, 8, 64, 64),
            "the resolution 32x32 is under the step of 64 px",
            "raise the resolution or lower the step",
        ),
        (
            (512, 768, 1024, 64),
            "sides of 768 to 1024 px do not allow the resolution 512x512",
            "the least side may be at most the resolution, the largest at least",
        ),
    ],
)
def test_numbers_that_contradict_each_other_are_told(
    settings: tuple[int, int, int, int], message: str, hint: str
) -> None:
    """A table that cannot be made is an error of the settings with its cure."""
    with pytest.raises(ConfigError) as caught:
        table(*settings)

    assert (str(caught.value), caught.value.hint) == (message, hint)


def incumbent(size: tuple[int, int], buckets: tuple[tuple[int, int], ...]) -> tuple[int, int]:
    """Return kohya's choice: the least difference of the aspect ratios, ties to the narrower."""
    if size in buckets:
        return size
    return min(buckets, key=lambda bucket: abs(bucket[0] / bucket[1] - size[0] / size[1]))


def test_a_picture_on_its_side_gets_the_bucket_on_its_side() -> None:
    """The error is symmetric, where the incumbent sends 342x300 and 300x342 to unlike shapes."""
    buckets = table(512)

    assert incumbent((342, 300), buckets) == (512, 512)
    assert incumbent((300, 342), buckets) == (448, 576)
    assert nearest((342, 300), buckets) == nearest((300, 342), buckets)[::-1] == (576, 448)


sides = st.integers(1, 5000)


@given(sides, sides, st.sampled_from([table(512), table(1024), table((512, 768)), table(768)]))
def test_nearest_is_least_in_the_logarithm(
    width: int, height: int, buckets: tuple[tuple[int, int], ...]
) -> None:
    """No bucket is nearer in log aspect ratio; turning the picture turns its bucket."""
    chosen = nearest((width, height), buckets)
    errors = {b: abs(math.log(b[0] / b[1]) - math.log(width / height)) for b in buckets}

    assert errors[chosen] <= min(errors.values()) + 1e-12 or chosen == (width, height)
    assert nearest((height, width), buckets) == chosen[::-1]


def test_an_exact_size_wins() -> None:
    """A picture that already has a bucket's size keeps it and is not resized."""
    for bucket in table(512):
        assert nearest(bucket, table(512)) == bucket
        assert cover(bucket, bucket) == BucketFit(bucket, bucket, (0, 0, *bucket))
    assert nearest((512, 512), ((256, 256), (512, 512))) == (512, 512)


def test_ties_go_to_the_narrower_bucket() -> None:
    """Of two buckets with equal error the narrower is taken, in whatever order they are given."""
    assert nearest((200, 100), ((512, 512), (1024, 256))) == (512, 512)
    assert nearest((200, 100), ((1024, 256), (512, 512))) == (512, 512)


@pytest.mark.parametrize(
    ("size", "fit"),
    [
        ((1280, 720), BucketFit((640, 384), (683, 384), (21, 0, 661, 384))),
        ((334, 700), BucketFit((320, 704), (336, 704), (8, 0, 328, 704))),
        ((600, 601), BucketFit((512, 512), (512, 513), (0, 0, 512, 512))),
        ((64, 64), BucketFit((512, 512), (512, 512), (0, 0, 512, 512))),
    ],
)
def test_a_picture_covers_its_bucket_and_is_cropped_in_the_middle(
    size: tuple[int, int], fit: BucketFit
) -> None:
    """Sizes are int(x * scale + 0.5); an odd pixel comes off the right or the bottom."""
    assert cover(size, fit.bucket) == fit


@given(sides, sides, st.sampled_from(table(512)))
def test_the_resize_is_the_incumbents(width: int, height: int, bucket: tuple[int, int]) -> None:
    """The resized size is kohya's, up to the rounding of its floating-point scale."""
    wider = width / height > bucket[0] / bucket[1]
    scale = bucket[1] / height if wider else bucket[0] / width
    fit = cover((width, height), bucket)
    left, top, right, bottom = fit.crop

    assert abs(fit.size[0] - (width * scale)) <= 0.5 + 1e-6
    assert abs(fit.size[1] - (height * scale)) <= 0.5 + 1e-6
    assert (right - left, bottom - top) == bucket
    assert min(left, top) >= 0
    assert right <= fit.size[0]
    assert bottom <= fit.size[1]
    assert bucket[0] == fit.size[0] or bucket[1] == fit.size[1]


@pytest.mark.parametrize("size", [(1, 5000), (255, 400), (400, 255)])
def test_a_small_picture_is_named_with_the_limit(size: tuple[int, int]) -> None:
    """Row 16: 1xN, or a side under the least side of the table, is too small."""
    assert fitted(size, table(512)) == f"too small: {size[0]}x{size[1]} px has a side under 256 px"


def test_an_extreme_shape_names_the_nearest_bucket() -> None:
    """Row 17: a picture that would lose more than half is left out with the nearest bucket."""
    assert fitted((4000, 300), table(512)) == (
        "no bucket: the nearest to 4000x300 px is 1024x256, which would cut away 70% of the picture"
    )
    assert isinstance(fitted((4000, 500), table(512)), BucketFit)  # exactly a half is kept
    assert isinstance(fitted((4000, 300), table(512), max_crop=0.75), BucketFit)


@pytest.mark.parametrize(
    ("size", "fit"),
    [
        ((600, 400), BucketFit((576, 384), (600, 400), (12, 8, 588, 392))),
        ((257, 1023), BucketFit((256, 960), (257, 1023), (0, 31, 256, 991))),
        ((1023, 257), BucketFit((960, 256), (1023, 257), (31, 0, 991, 256))),
        ((511, 511), BucketFit((448, 448), (511, 511), (31, 31, 479, 479))),
        ((1024, 1024), BucketFit((512, 512), (512, 512), (0, 0, 512, 512))),
    ],
)
def test_without_upscaling_a_small_picture_keeps_its_size(
    size: tuple[int, int], fit: BucketFit
) -> None:
    """A picture that would be enlarged is only cropped to the grid; a large one is as ever."""
    assert fitted(size, table(512), upscale=False) == fit


@given(sides, sides, st.sampled_from([table(512), table(1024, 512, 2048, 32), table(768)]))
def test_without_upscaling_nothing_is_enlarged(
    width: int, height: int, buckets: tuple[tuple[int, int], ...]
) -> None:
    """The resized picture is never larger than the picture; sides and area stay in the table's."""
    fit = fitted((width, height), buckets, upscale=False, max_crop=1.0)

    if isinstance(fit, BucketFit):
        sides_of_table = {side for bucket in buckets for side in bucket}
        assert fit.size[0] <= width
        assert fit.size[1] <= height
        assert set(fit.bucket) <= sides_of_table
        assert fit.bucket[0] * fit.bucket[1] <= max(w * h for w, h in buckets)
