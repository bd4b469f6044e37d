"""The chain of dataset files X.json, X_bucket.json, X_lat.json: names, and what each adds. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from prep.dataset.account import account, field_of
from prep.dataset.dataset_file import Concept, Dataset, Sample, dump, parse
from prep.dataset.sample_fields import PERSONS
from prep.dataset.wording import FIELDS
from prep.stage import IN_DATASET, Page


def edited(sample: Sample, row: Mapping[str, Any]) -> Sample:
    """Return a sample with what a person wrote into a dataset file in place of the machine's.

    Args:
        sample: The machine's.
        row: `meta.NAME` -> the person's value or None, for each of PERSONS.
    """
    theirs = {name: row[IN_DATASET + name] for name in edited_fields(row)}
    if "tags" in theirs:
        theirs["tags"] = tuple(theirs["tags"])
    return replace(sample, **theirs)


def owned(sample: Sample, words: Iterable[str]) -> Sample:
    """Return a sample that says what a person's edit of a dataset file means for its account.

    Words that they wrote there and that do not train are theirs; where they wrote tags or caption
    anew, nothing of it was taken away.

    Args:
        sample: After the edit.
        words: Which of its fields they wrote.
    """
    own = [name for name in FIELDS["both"] if name in words]
    idle = {name for name in own if name not in FIELDS[sample.text]}
    unused = {step: v for step, v in sample.unused.items() if field_of(step) not in own}
    yours = tuple(name for name in FIELDS["both"] if name in idle.union(sample.yours))
    return replace(sample, yours=yours, unused=unused)


def patched(data: bytes, name: str, values: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return a dataset file's bytes with some fields of some samples replaced.

    Args:
        data: The file's bytes; returned as they are where nothing changes.
        name: Its name, for messages; the suffix decides the format.
        values: Key -> field -> value. Samples that the file does not have are passed over.
    """
    before = parse(data.decode("utf-8-sig"), name)
    samples = {
        key: owned(replace(sample, **values[key]), values[key]) if key in values else sample
        for key, sample in before.samples.items()
    }
    if samples == before.samples:
        return data
    return dump(replace(before, samples=samples), name)


def edited_fields(row: Mapping[str, Any]) -> list[str]:
    """Return which fields of a sample a person wrote in a dataset file."""
    return [name for name in PERSONS if row[IN_DATASET + name] is not None]


def page(made: Dataset, name: str) -> Page:
    """Return a dataset file that continues another one, with what it has to tell.

    Args:
        made: The dataset.
        name: The file's name.
    """
    return Page(dump(made, name), rejected=made.left_out, account=account(made))


def continued(
    facts: Mapping[str, Any],
    rows: Mapping[str, Mapping[str, Any]],
    left_out: Mapping[str, str],
    change: Callable[[Sample, Mapping[str, Any]], Sample],
) -> Dataset:
    """Return the dataset file before this one with its samples taken one stage further.

    Args:
        facts: `previous`: the bytes of the file before; file, root, state, program and made_by.
        rows: Key -> what the stage knows of a sample; samples without a row are left out.
        left_out: Key -> why; also of samples that have a row.
        change: A sample and its row -> the sample as it is from now on.
    """
    before = parse(facts["previous"].decode("utf-8-sig"), facts["file"])
    samples, missing = dict(before.samples), dict[str, str]()
    before = replace(before, samples={})  # what each becomes takes its place, one by one
    for key in list(samples):
        row = None if key in left_out else rows.get(key)
        if row is None:
            missing[key] = left_out.get(key, "it is gone")
            del samples[key]
        else:
            own = owned(edited(samples[key], row), edited_fields(row))
            samples[key] = change(own, row)
    # A concept that a person named in a later file of the chain trains as pictures without one.
    usual = before.concepts.get("", Concept())
    concepts = {sample.concept: usual for sample in samples.values()} | dict(before.concepts)
    return replace(
        before,
        root=facts["root"],
        state=facts["state"],
        samples=samples,
        concepts=dict(sorted(concepts.items())),
        left_out=dict(before.left_out) | missing,
        made_by={
            "program": facts["program"],
            "stages": dict(before.made_by.get("stages", {})) | facts["made_by"],
        },
    )
