"""What the bucket stage says of a picture's size; `test_buckets.py` has the arithmetic."""

from typing import Any

import pytest

from prep.runtime.errors import ConfigError
from prep.stage import Rejected
from prep.stages.bucket import Params, bucket, load


def placed(size: tuple[int, int], faces: Any = None, **params: Any) -> Any:
    """Return what the stage makes of a picture of that size, in which these faces were found."""
    chosen = Params(**params)
    return bucket.run({"size": list(size)}, faces, chosen, load(chosen, ()))


def test_a_square_fills_the_square() -> None:
    """A square photograph is scaled to the resolution and not cut."""
    assert placed((1440, 1440)) == {
        "bucket": [512, 512], "size": [512, 512], "crop": [0, 0, 512, 512]
    }  # fmt: skip


def test_a_wide_picture_is_scaled_to_cover_and_cut_in_the_middle() -> None:
    """1280x720 goes into 640x384 at 683x384: 21 px come off the left, 22 off the right."""
    assert placed((1280, 720)) == {
        "bucket": [640, 384], "size": [683, 384], "crop": [21, 0, 661, 384]
    }  # fmt: skip


def test_limits_of_sides_and_step_are_the_person_s() -> None:
    """With other sides and another step there are other buckets."""
    assert placed((320, 720), min_side=128, max_side=1024)["bucket"] == [320, 704]
    assert placed((300, 400), resolution=128, step=32)["bucket"] == [96, 160]


def test_too_small_and_too_thin_are_left_out_with_the_reason() -> None:
    """A picture that fits no bucket leaves the dataset, and the reason says why."""
    small, thin = placed((100, 300)), placed((3000, 300))

    assert small == Rejected("too small: 100x300 px has a side under 256 px")
    assert isinstance(thin, Rejected)
    assert thin.why.startswith("no bucket: the nearest to 3000x300 px is 1024x256, ")


def test_without_enlarging_a_picture_keeps_its_own_size() -> None:
    """`upscale: false` gives a small picture a bucket of its own size, rounded down to steps."""
    found = placed((400, 300), upscale=False)

    assert found == {"bucket": [384, 256], "size": [400, 300], "crop": [8, 22, 392, 278]}


def test_numbers_that_contradict_each_other_are_told_at_once() -> None:
    """A table that cannot be is an error before any picture is looked at."""
    with pytest.raises(ConfigError, match="multiples of 8"):
        load(Params(step=20), ())


def face(*box: int, kind: str = "face") -> dict[str, Any]:
    """Return what a detector says of one face."""
    return {"box": list(box), "kind": kind, "score": 0.9, "detector": "tiny"}


def test_the_crop_moves_for_a_face_and_no_farther() -> None:
    """A face at the picture's edge is kept whole; one that a centred crop keeps moves nothing."""
    centred = placed((1280, 720))

    assert placed((1280, 720), [face(600, 100, 700, 200)]) == centred
    moved = placed((1280, 720), [face(0, 100, 100, 200)])
    assert (moved["bucket"], moved["crop"]) == (centred["bucket"], [0, 0, 640, 384])
    eyes = placed((1280, 720), [face(0, 100, 100, 200, kind="eye")])
    assert eyes == centred


def test_a_picture_gets_the_bucket_that_cuts_no_face() -> None:
    """Faces at both edges are kept by the next bucket; without one, the largest face is."""
    both = [face(0, 300, 120, 420), face(1160, 300, 1280, 410)]
    usual = placed((1280, 720))

    held = placed((1280, 720), both)
    given_up = placed((1280, 720), [*both, face(600, 0, 700, 90), face(600, 640, 700, 720)])

    assert usual["crop"] == [21, 0, 661, 384]  # which would cut both
    assert held["bucket"] == [704, 320]
    assert (held["crop"][0], held["crop"][2]) == (0, 704)
    assert given_up["bucket"] == usual["bucket"]
    assert given_up["crop"][0] == 0
