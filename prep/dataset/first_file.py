"""The first file of a chain: the words of each picture become those of a sample."""

from collections.abc import Collection, Mapping
from typing import Any, Protocol

from prep.dataset import account, dataset_file
from prep.dataset.chain import edited, edited_fields, owned
from prep.dataset.concepts import concept_of
from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.dataset.wording import FIELDS, captions
from prep.stage import IN_DATASET, Page, Rows


class FirstFileParams(Protocol):
    """What a person asks of the first file; see the stage `meta`."""

    @property
    def text(self) -> str:
        """Which words train."""

    @property
    def repeats(self) -> int:
        """How often each picture is seen in an epoch."""

    @property
    def trigger(self) -> str:
        """The word that calls the subject."""

    @property
    def skip_empty(self) -> bool:
        """Whether pictures without a text are left out."""


def first_file(rows: Rows, params: FirstFileParams) -> Page:
    """Return the first file of a chain, and what became of each picture.

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


def _sample(key: str, row: Mapping[str, Any], params: FirstFileParams) -> Sample:
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
    """Return the caption as a rule changed it, or as it was written; several have a line each."""
    ruled: str | None = row["training_words"]["caption"]
    return "\n".join(captions((row["caption"] or "") if ruled is None else ruled))


def _concepts(
    rows: Rows, samples: Mapping[str, Sample], params: FirstFileParams
) -> dict[str, Concept]:
    """Return the concepts of all samples; a folder `10_name` repeats its pictures ten times."""
    repeats = {name: count for key in rows.rows for count, name in [concept_of(key)] if count}
    names = sorted({sample.concept for sample in samples.values()} | {""})
    return {
        name: Concept(repeats=repeats.get(name) or params.repeats, trigger=params.trigger)
        for name in names
    }
