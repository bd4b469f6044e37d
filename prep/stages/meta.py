"""The dataset file: every sample with what it trains on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from prep.dataset import account, dataset_file
from prep.dataset.chain import edited, edited_fields, owned
from prep.dataset.concepts import MOST_REPEATS, concept_of
from prep.dataset.dataset_file import PERSONS, TEXTS, Concept, Dataset, Sample
from prep.dataset.wording import FIELDS
from prep.stage import IN_DATASET, Page, Rows, Shape, param, stage


@dataclass(frozen=True)
class Params:
    """What the command line and pipelines.yaml accept."""

    text: str = param(
        "tags", "what trains: tags, caption, or both (tags, then the caption)", choices=TEXTS
    )
    repeats: int = param(1, "how often each picture is seen in an epoch", ge=1, le=MOST_REPEATS)
    trigger: str = param("", "word that calls the subject; in front of whatever trains")
    skip_empty: bool = param(False, "leave pictures without a text out, in place of listing them")


@stage(
    version=2,
    reads=(
        "digest", "looks", "training_words", "tags?", "caption?", "concept?", "weight?",
        "lineage?", "yours.tags?", "yours.caption?",
        *(f"{IN_DATASET}{name}?" for name in PERSONS),
    ),
    writes="meta",
    params=Params,
    shape=Shape.VIEW,
    commands=("edit",),
    link="",
)  # fmt: skip
def meta(rows: Rows, params: Params) -> Page:
    """Publish meta.json; tags, caption, text, weight, concept and split are yours to edit there.

    A picture whose words the tagger or captioner of today could not make is left out, unless a
    person wrote them: those of an earlier one never train.
    """
    samples: dict[str, Sample] = {}
    failed: dict[str, str] = {}
    empty: dict[str, str] = {}
    for key, row in rows.rows.items():
        sample = owned(edited(_sample(key, row, params), row), edited_fields(row))
        why = _unanswered(key, sample, row, rows)
        if why:
            failed[key] = why
        elif params.skip_empty and not account.has_words(sample, params.trigger):
            empty[key] = account.why_skipped(sample, params.trigger)
        else:
            samples[key] = sample
    made = Dataset(
        root=rows.facts["root"],
        state=rows.facts["state"],
        samples=samples,
        concepts=_concepts(rows, samples, params),
        made_by={"program": rows.facts["program"], "stages": rows.facts["made_by"]},
        left_out=dict(sorted((dict(rows.left_out) | failed | empty).items())),
    )
    return Page(dataset_file.dump(made, rows.facts["file"]), failed, empty, account.account(made))


def _unanswered(key: str, sample: Sample, row: Mapping[str, Any], rows: Rows) -> str:
    """Return why today's models have no words for what trains of a picture; empty if they have."""
    for name in FIELDS[sample.text]:
        why = rows.failed.get(name, {}).get(key)
        if why and row[f"{IN_DATASET}{name}"] is None:
            return why
    return ""


def _sample(key: str, row: Mapping[str, Any], params: Params) -> Sample:
    yours = tuple(name for name in FIELDS["both"] if row[f"yours.{name}"] is not None)
    return Sample(
        digest=row["digest"],
        original_size=tuple(row["looks"]["size"]),
        tags=tuple(row["training_words"]["tags"]),
        caption=_caption(row),
        text=params.text,
        concept=row["concept"] or concept_of(key)[1],
        weight=1.0 if row["weight"] is None else row["weight"],
        flip=bool(row["lineage"] and row["lineage"]["flip"]),
        source=row["lineage"],
        yours=yours,
        unused=_unused(row, yours),
    )


def _unused(row: Mapping[str, Any], yours: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Return step -> the words of a person that it took away."""
    return {
        step: tuple(words)
        for step, words in row["training_words"].get("unused", {}).items()
        if account.field_of(step) in yours
    }


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
