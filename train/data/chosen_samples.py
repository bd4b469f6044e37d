"""Which samples of a dataset file train, and which are kept for validation."""

from pathlib import Path

from prep.dataset.dataset_file import Concept, Dataset, Sample
from prep.runtime.errors import DatasetError, nearest
from train.data.latents_files import nothing_to_train


def chosen_of(path: Path, found: Dataset) -> dict[str, Sample]:
    """Return the samples to train on, keys sorted; raise where there is none."""
    chosen = {
        key: sample
        for key, sample in sorted(found.samples.items())
        if sample.split == "train" and concept_of(path, found, key, sample).repeats > 0
    }
    if not chosen:
        raise nothing_to_train(path, found)
    return chosen


def kept_of(found: Dataset) -> dict[str, Sample]:
    """Return the samples that are kept for validation and have latents, keys sorted."""
    return {
        key: one
        for key, one in sorted(found.samples.items())
        if one.split == "validation" and one.latents and one.bucket
    }


def concept_of(path: Path, found: Dataset, key: str, sample: Sample) -> Concept:
    """Return the concept of a sample; raise DatasetError where the file does not describe it."""
    if sample.concept not in found.concepts:
        what = f"the concept `{sample.concept}`" if sample.concept else "the concept without a name"
        raise DatasetError(
            f"`{path.name}`: {what} of `{key}` is not described",
            nearest(sample.concept, [name for name in found.concepts if name]),
        )
    return found.concepts[sample.concept]
