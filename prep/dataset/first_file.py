"""The first file of a chain: the words of each picture become those of a sample."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from prep.dataset import account, dataset_file
from prep.dataset.chain import edited, edited_fields, owned
from prep.dataset.concept_table import ConceptWish, check_names, named, wishes
from prep.dataset.concepts import FolderConcept, concept_of
from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.dataset.wording import FIELDS, captions
from prep.stage import IN_DATASET, Page, Rows
from prep.tags.tag_text import parsed


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
    def concepts(self) -> str:
        """What a person says of concepts; see `prep.dataset.concept_table`."""

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
    wished = wishes(params.concepts)
    keys = (*rows.rows, *rows.left_out) if wished else ()
    folders = {concept_of(key).name for key in keys}
    said = named(wished, folders)
    for key, row in rows.rows.items():
        folder = concept_of(key)
        sample = owned(edited(_sample(row, folder, params, said), row), edited_fields(row))
        why = _unanswered(key, sample, row, rows)
        trigger = _trigger(sample.concept, folder, params, said)
        if why:
            failed[key] = why
        elif params.skip_empty and not account.has_words(sample, trigger):
            empty[key] = account.why_skipped(sample, trigger)
        else:
            samples[key] = sample
    check_names(said, folders | {sample.concept for sample in samples.values()})
    made = Dataset(
        root=rows.facts["root"],
        state=rows.facts["state"],
        samples=samples,
        concepts=_concepts(rows, samples, params, said),
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


def _sample(
    row: Mapping[str, Any],
    folder: FolderConcept,
    params: FirstFileParams,
    said: Mapping[str, ConceptWish],
) -> Sample:
    yours = tuple(name for name in FIELDS["both"] if row[f"yours.{name}"] is not None)
    concept = row["concept"] or folder.name
    wish = said.get(concept, ConceptWish())
    trigger = _trigger(concept, folder, params, said)
    tags, caption = _led(row["training_words"]["tags"], params.trigger, trigger), _caption(row)
    words = wish.class_prompt or _own(folder, concept).words
    if words and not (tags or caption or yours or trigger):  # the folder's own, as kohya has it
        tags, caption = ((), words) if params.text == "caption" else ((words,), "")
    return Sample(
        digest=row["digest"],
        original_size=tuple(row["looks"]["size"]),
        tags=tags,
        caption=caption,
        text=params.text,
        concept=concept,
        weight=_weight(row, wish),
        flip=bool(row["lineage"] and row["lineage"]["flip"]),
        source=row["lineage"],
        yours=yours,
        unused=_unused(row, yours),
    )


def _weight(row: Mapping[str, Any], wish: ConceptWish) -> float:
    """Return what a picture weighs: as a person wrote it, else its share of its concept's.

    Of a source of which fewer pictures were made than of others, each has a larger share.
    """
    if row["weight"] is not None:
        return float(row["weight"])
    share = (row["lineage"] or {}).get("share", 1.0)
    return float(share * (1.0 if wish.weight is None else wish.weight))


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


def _trigger(
    concept: str, folder: FolderConcept, params: FirstFileParams, said: Mapping[str, ConceptWish]
) -> str:
    """Return the word that calls a concept; of class pictures none that calls the subject."""
    wish = said.get(concept, ConceptWish())
    if wish.trigger is not None:
        return wish.trigger
    return "" if _of_class(wish, _own(folder, concept)) else params.trigger


def _of_class(wish: ConceptWish, folder: FolderConcept) -> bool:
    return folder.regularisation if wish.regularisation is None else wish.regularisation


def _led(tags: Sequence[str], usual: str, trigger: str) -> tuple[str, ...]:
    """Return tags with a concept's own trigger in front, in the place of the usual one."""
    if trigger == usual:
        return tuple(tags)
    before = parsed(usual)
    own = tags[len(before) :] if tuple(tags[: len(before)]) == before else tags
    return tuple(dict.fromkeys((*parsed(trigger), *own)))


def _own(folder: FolderConcept, concept: str) -> FolderConcept:
    """Return what a folder says of a concept: nothing, where it is another one's."""
    return folder if folder.name == concept else FolderConcept()


def _concepts(
    rows: Rows,
    samples: Mapping[str, Sample],
    params: FirstFileParams,
    said: Mapping[str, ConceptWish],
) -> dict[str, Concept]:
    """Return the concepts of all samples; a folder `10_name` repeats its pictures ten times.

    What a person says of a concept counts; then what its folder says, then the options.
    """
    folders = {folder.name: folder for folder in map(concept_of, rows.rows)}
    found = {}
    for name in sorted({sample.concept for sample in samples.values()} | {""}):
        wish, folder = said.get(name, ConceptWish()), folders.get(name, FolderConcept())
        repeats = folder.repeats or params.repeats if wish.repeats is None else wish.repeats
        found[name] = Concept(
            repeats=repeats,
            trigger=_trigger(name, folder, params, said),
            class_prompt=wish.class_prompt or (folder.words if folder.regularisation else ""),
            regularisation=_of_class(wish, folder),
        )
    return found
