"""What a run found out before it began, for whoever looks at it later: a file in its folder."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from train.data.captions import whole_texts
from train.run.decide import Run

NAME = "run_facts.json"


def run_facts(run: Run, notes: Sequence[str], cut: Mapping[str, int]) -> bytes:
    """Return the file: pictures by key, what was noted, and which texts are cut.

    Args:
        cut: Key of a picture -> tokens of its text, where they are more than are read.
    """
    pictures: dict[str, dict[str, Any]] = {
        key: {
            "file": str(one.picture.absolute()),
            "bucket": list(one.bucket),
            "repeats": one.repeats,
            "texts": whole_texts(one, run.config),
            "regularisation": one.regularisation,
        }
        for key, one in run.data.samples.items()
    }
    found = {
        "steps": run.steps,
        "notes": list(notes),
        "cut": dict(cut),
        "pictures": pictures,
        "held_out": sorted(run.data.validation),
    }
    return (json.dumps(found, indent=1, ensure_ascii=False) + "\n").encode()
