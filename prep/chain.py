"""One dataset file -> the next of its chain: the same samples, one stage further. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from prep.dataset import PERSONS, Dataset, Sample, parse


def edited(sample: Sample, row: Mapping[str, Any]) -> Sample:
    """Return a sample with what a person wrote into a dataset file in place of the machine's.

    Args:
        sample: The machine's.
        row: `meta.<field>` -> the person's value or None, for each of PERSONS.
    """
    theirs = {name: row[f"meta.{name}"] for name in PERSONS if row[f"meta.{name}"] is not None}
    if "tags" in theirs:
        theirs["tags"] = tuple(theirs["tags"])
    return replace(sample, **theirs)


def continued(
    facts: Mapping[str, Any],
    rows: Mapping[str, Mapping[str, Any]],
    left_out: Mapping[str, str],
    change: Callable[[Sample, Mapping[str, Any]], Sample],
) -> Dataset:
    """Return the dataset file before this one with its samples taken one stage further.

    Args:
        facts: `previous`: the bytes of the file before; root, state, program and made_by.
        rows: Key -> what the stage knows of a sample; samples without a row are left out.
        left_out: Key -> why.
        change: A sample and its row -> the sample as it is from now on.
    """
    before = parse(facts["previous"].decode("utf-8-sig"), "the dataset file before this one")
    samples = {
        key: change(edited(sample, rows[key]), rows[key])
        for key, sample in before.samples.items()
        if key in rows
    }
    missing = {key: left_out.get(key, "it is gone") for key in before.samples if key not in rows}
    return replace(
        before,
        root=facts["root"],
        state=facts["state"],
        samples=samples,
        left_out=dict(before.left_out) | missing,
        made_by={
            "program": facts["program"],
            "stages": dict(before.made_by.get("stages", {})) | facts["made_by"],
        },
    )
