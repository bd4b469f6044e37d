"""What the report knows of each picture, from the row that its view is given. Pure."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from prep.dataset.concepts import concept_of
from prep.dataset.dataset_file import Concept, Sample
from prep.dataset.sample_fields import LOST_ENTRY
from prep.framing.people import must_stay
from prep.images import buckets
from prep.sheets.row import Row, exported_row
from prep.stage import IN_DATASET, Rows
from prep.tags.tag_text import parsed

TRAIN, VALIDATION, DROPPED, UNFIT = "trained", "validation", "dropped", "fits no bucket"
Count = Callable[[Sequence[str]], list[int]]
Box = tuple[float, float, float, float]
Faces = Sequence[Mapping[str, Any]]


class ReportParams(Protocol):
    """What a person asks of the report; see the stage `report`."""

    @property
    def text(self) -> str:
        """Which words train."""

    @property
    def resolution(self) -> int:
        """px; of the buckets where none were made."""


@dataclass(frozen=True)
class ShownPicture:
    """One picture of the report.

    Attributes:
        row: Its row of the sheet, as it would be exported.
        place: What becomes of it: TRAIN, VALIDATION, DROPPED or UNFIT.
        why: Of the last two, the reason.
        sample: Its words as they train; see `prep.dataset.dataset_file.Sample`.
        text: What a text encoder gets; of several captions the one with most tokens.
        tokens: How many tokens that is.
        size: Upright (width, height) px.
        bucket: (width, height) px; None where it has none.
        frame: What the bucket shows of the picture: left, top, right, bottom, each of 0 to 1.
        like: What `prep.likeness.proposals` says of it; None: it is like no other.
        faces: What detectors found in it; boxes in px.
        checks: What `check` proposes for it.
        aspects: What its tags say of framing, angle and the like; see `prep.quality.aspects`.
        source: The picture that it was made from; empty for none.
        copies: Its small copies, packed; None where there are none.
    """

    row: Row
    place: str
    why: str
    sample: Sample
    text: str
    tokens: int
    size: tuple[int, int]
    bucket: tuple[int, int] | None
    frame: Box | None
    like: Mapping[str, Any] | None
    faces: tuple[Mapping[str, Any], ...]
    checks: tuple[Mapping[str, Any], ...]
    aspects: Mapping[str, str]
    source: str
    copies: bytes | None

    @property
    def key(self) -> str:
        """Its key."""
        return self.row.key

    @property
    def repeats(self) -> int:
        """How often an epoch shows it, by the name of its folder."""
        return concept_of(self.key).repeats or 1


def trigger_of(rows: Rows) -> str:
    """Return the word that calls the subject, as `prep edit` was asked last."""
    return str(_asked(rows, "edit").get("trigger", ""))


def pictures_of(rows: Rows, params: ReportParams, count: Count) -> list[ShownPicture]:
    """Return all pictures of a folder that could be read, in the order of keys."""
    asked = _asked(rows, "bucket")
    least, most = asked.get("min_side") or None, asked.get("max_side") or None
    resolution = asked.get("resolution", params.resolution)
    table = buckets.table(resolution, least, most, asked.get("step", 64))
    cut, larger = asked.get("max_crop", 0.5), asked.get("upscale", True)

    def fitted(size: tuple[int, int], faces: Faces) -> buckets.BucketFit | str:
        return buckets.fitted(size, table, cut, larger, must_stay(faces, size))

    found = [
        _picture(exported_row(key, row, rows.columns), row, params.text, fitted)
        for key, row in rows.rows.items()
    ]
    trigger = trigger_of(rows)
    texts = [[one.text() for one in each.sample.wordings(trigger)] for each in found]
    numbers = iter(count([text for several in texts for text in several]))
    counted = [[(next(numbers), text) for text in several] for several in texts]
    longest = [max(several, default=(0, ""), key=lambda one: one[0]) for several in counted]
    return [
        replace(each, tokens=tokens, text=text)
        for each, (tokens, text) in zip(found, longest, strict=True)
    ]


def concepts_of(found: Sequence[ShownPicture], trigger: str) -> dict[str, Concept]:
    """Return the concepts that pictures have, each with the trigger."""
    return {one.sample.concept: Concept(trigger=trigger) for one in found}


def _asked(rows: Rows, stage: str) -> Mapping[str, Any]:
    """Return the params that a stage had last; none where it has not run."""
    made = rows.facts["made_by"].get(stage, {})
    last = made[-1] if isinstance(made, list) else made
    params: Mapping[str, Any] = last.get("params", {})
    return params


def _picture(
    row: Row,
    values: Mapping[str, Any],
    text: str,
    fitted: Callable[[tuple[int, int], Faces], buckets.BucketFit | str],
) -> ShownPicture:
    width, height = values["looks"]["size"]
    size = (width, height)
    made = values.get("bucket")
    faces = tuple(values.get("faces") or ())
    fit = fitted(size, faces)
    if made:
        fit = buckets.BucketFit(tuple(made["bucket"]), tuple(made["size"]), tuple(made["crop"]))
    sample = _sample(row.key, values, text)
    place, why = _place(row, values, fit, sample)
    whole = fit if isinstance(fit, buckets.BucketFit) else None
    frame = _share(whole) if whole else None
    like = values.get("duplicate_of")
    return ShownPicture(
        row, place, why, sample, "", 0, size, whole.bucket if whole else None, frame,
        like if isinstance(like, Mapping) else None,
        faces, tuple(values.get("checks") or ()),
        (values.get("balance") or {}).get("aspects", {}),
        str((values.get("lineage") or {}).get("key", "")), values.get("page_thumbnail"),
    )  # fmt: skip


def _share(fit: buckets.BucketFit) -> Box:
    """Return what a bucket shows of a picture, each side as a share of it."""
    (left, top, right, bottom), (width, height) = fit.crop, fit.size
    shares = (left / width, top / height, right / width, bottom / height)
    one, two, three, four = (round(share, 4) for share in shares)
    return one, two, three, four


def _sample(key: str, values: Mapping[str, Any], text: str) -> Sample:
    """Return the words of a picture as they train: after the rules, and as a person said."""

    def person(name: str) -> Any:
        return values.get(f"{IN_DATASET}{name}")

    ruled = values.get("training_words") or {}
    tags = person("tags") if person("tags") is not None else ruled.get("tags", values.get("tags"))
    caption = person("caption") or ruled.get("caption") or values.get("caption") or ""
    yours = tuple(
        name
        for name in ("tags", "caption")
        if values.get(f"yours.{name}") is not None or person(name) is not None
    )
    return Sample(
        values["digest"],
        (1, 1),
        parsed(tags) if isinstance(tags, str) else tuple(tags or ()),
        "\n".join(caption) if isinstance(caption, list) else str(caption),
        text=person("text") or text,
        concept=person("concept") or values.get("concept") or concept_of(key).name,
        split=person("split") or "train",
        weight=_weight(person("weight"), values.get("weight")),
        yours=yours,
        unused={step: tuple(words) for step, words in ruled.get("unused", {}).items()},
    )


def _weight(*said: Any) -> float:
    return next((float(one) for one in said if one is not None), 1.0)


def _place(
    row: Row, values: Mapping[str, Any], fit: buckets.BucketFit | str, sample: Sample
) -> tuple[str, str]:
    if row.said("keep") == "no":
        return DROPPED, "you said no"
    if values.get(f"{IN_DATASET}{LOST_ENTRY}") is not None:
        return DROPPED, "you removed it from a dataset file"
    if isinstance(fit, str):
        return UNFIT, fit
    return (VALIDATION if sample.split == "validation" else TRAIN), ""
