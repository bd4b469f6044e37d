"""The dataset file: every sample with what it trains on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prep import dataset
from prep.chain import edited
from prep.concepts import concept_of
from prep.dataset import PERSONS, TEXTS, Concept, Dataset, Sample
from prep.stage import Rows, Shape, param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    text: str = param(
        "tags", "what trains: tags, caption, or both (tags, then the caption)", choices=TEXTS
    )
    repeats: int = param(1, "how often each picture is seen in an epoch", ge=1)
    trigger: str = param("", "word that calls the subject; kept first in every picture's tags")


@stage(
    version=1,
    reads=(
        "digest", "looks", "training_words", "caption?", "concept?", "weight?", "lineage?",
        *(f"meta.{field}?" for field in PERSONS),
    ),
    writes="meta",
    params=Params,
    shape=Shape.VIEW,
    commands=("edit",),
)  # fmt: skip
def meta(rows: Rows, params: Params) -> bytes:
    """Publish meta.json; tags, caption, text, weight, concept and split are yours to edit there."""
    samples = {key: _sample(key, row, params) for key, row in rows.rows.items()}
    return dataset.dump(
        Dataset(
            root=rows.facts["root"],
            state=rows.facts["state"],
            samples=samples,
            concepts=_concepts(rows, samples, params),
            made_by={"program": rows.facts["program"], "stages": rows.facts["made_by"]},
            left_out=rows.left_out,
        ),
        rows.facts["file"],
    )


def _sample(key: str, row: Mapping[str, Any], params: Params) -> Sample:
    sample = Sample(
        digest=row["digest"],
        original_size=tuple(row["looks"]["size"]),
        tags=tuple(row["training_words"]["tags"]),
        caption=_caption(row),
        text=params.text,
        concept=row["concept"] or concept_of(key)[1],
        weight=1.0 if row["weight"] is None else row["weight"],
        flip=bool(row["lineage"] and row["lineage"]["flip"]),
        source=row["lineage"],
    )
    return edited(sample, row)


def _caption(row: Mapping[str, Any]) -> str:
    """Return the caption as a rule changed it, or as it was written."""
    ruled: str | None = row["training_words"]["caption"]
    return (row["caption"] or "") if ruled is None else ruled


def _concepts(rows: Rows, samples: Mapping[str, Sample], params: Params) -> dict[str, Concept]:
    """Return the concepts of all samples; a folder `10_name` repeats its pictures ten times."""
    repeats = {name: count for key in rows.rows for count, name in [concept_of(key)] if count}
    names = sorted({sample.concept for sample in samples.values()} | {""})
    return {
        name: Concept(repeats=repeats.get(name) or params.repeats, trigger=params.trigger)
        for name in names
    }
