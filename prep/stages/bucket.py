"""Which bucket a picture belongs to, and how it is resized and cropped to fill it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prep.images import buckets
from prep.stage import Rejected, param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    resolution: int = param(512, "px; no bucket has a larger area than this square", ge=64, le=8192)
    step: int = param(64, "px; sides of buckets are multiples of it", ge=8, le=1024)
    min_side: int = param(0, "px; least side of a bucket; 0: half the resolution", ge=0, le=8192)
    max_side: int = param(
        0, "px; largest side of a bucket; 0: twice the resolution", ge=0, le=32768
    )
    max_crop: float = param(0.5, "largest part of a picture that may be cut away", gt=0, le=1)
    upscale: bool = param(True, "enlarge pictures that are smaller than their bucket")


def load(params: Params, found: tuple[Any, ...]) -> Any:
    """Return the table of buckets."""
    least, most = params.min_side or None, params.max_side or None
    return buckets.table(params.resolution, least, most, params.step)


@stage(
    version=1,
    reads=("looks", "faces?"),
    writes="bucket",
    params=Params,
    done="",
    shown=lambda found: "{}x{} px".format(*found["bucket"]),
    load=load,
)
def bucket(
    looks: Mapping[str, Any], faces: Sequence[Any] | None, params: Params, table: Any
) -> dict[str, Any] | Rejected:
    """Assign each picture to an aspect-ratio bucket, and write meta_bucket.json.

    Faces that `prep faces` found are not cut, where a bucket can be without that.
    """
    from prep.framing.people import must_stay

    width, height = looks["size"]
    size = (width, height)
    keep = must_stay(faces or (), size)
    fit = buckets.fitted(size, table, params.max_crop, params.upscale, keep)
    if isinstance(fit, str):
        return Rejected(fit)
    return {"bucket": list(fit.bucket), "size": list(fit.size), "crop": list(fit.crop)}
