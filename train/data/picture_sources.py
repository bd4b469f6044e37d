"""Which picture a sample was made of: crops and mirror images of one are no pictures apart."""

import os
from pathlib import Path

from prep.dataset.dataset_file import Dataset, Sample


def source_of(path: Path, found: Dataset, key: str, sample: Sample) -> str:
    """Return the file of the picture that a sample was made of, over several stages, or its own.

    Derived pictures are named `a.png@face.png`: what stands before that is the source's name.
    """
    root = path.parent / found.root
    if sample.source is None:
        return os.path.normpath(root / key)
    name = str(sample.source.get("key", key)).partition("@")[0]
    return os.path.normpath(root / str(sample.source.get("root", ".")) / name)
