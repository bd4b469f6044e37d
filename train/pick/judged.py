"""What a tagger sees in pictures: asked of the `prep` program, which keeps what it saw.

`train` knows no tagger. It is a program of its own that judges, as it is in a pipeline, and a
picture that was judged is not judged again.
"""

import csv
from collections.abc import Mapping
from pathlib import Path

from prep.runtime.console import Console
from prep.runtime.program import program_words, run_child

# Label of a tagger -> how sure it is, 0 to 1; labels below a tenth are left out.
Scores = Mapping[str, float]
_SHEET = "tags_long.csv"
_FINISHED = (0, 3, 4)  # prep's exit codes of a run that has finished


def judged(folder: Path, tagger: str) -> Mapping[str, Scores]:
    """Return what a tagger sees in each picture of a folder, by the names of their files.

    Args:
        folder: Of this program alone: prep writes texts and sheets beside the pictures.
        tagger: As `prep tag --model` names it.

    Raises:
        SystemExit: prep ended otherwise than well, with its exit code; it has said why.
    """
    speech = Console(level=0).options()
    for words in (["tag", str(folder), "--model", tagger], ["review", "export", str(folder)]):
        code = run_child([*program_words("prep"), *words, *speech])
        if code not in _FINISHED:
            raise SystemExit(code)
    found: dict[str, dict[str, float]] = {}
    with (folder / _SHEET).open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            each = found.setdefault(row["key"], {})
            if row["category"] != "rating" and row["score"]:
                each[row["tag"].removeprefix("'")] = float(row["score"])
    return found
