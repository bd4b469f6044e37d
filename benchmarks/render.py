"""What kept scores weigh, and how long it takes to render them anew.

`python -m benchmarks.render --out render.json`. 10,000 pictures with a vocabulary of 10,861 labels
(4 ratings, 8,106 general, 2,751 character: the shape of the WD v3 taggers) are recorded in a
ledger as `prep tag` records them; some of them are rendered in several styles, in turn.

The scores are drawn, not a tagger's: none is at hand. They are skewed as a tagger's are, and on the
heavy side: the number of labels at or above t falls as 1/t from the floor on, with probabilities
that add up to the 31 tags of a picture (what WD EVA02 gave over 40 pictures), as a calibrated
tagger's would; 20 labels that are sure (0.5 to 1) come on top. That makes 691 labels over the floor
of 0.01 on average, 40 of them over 0.2614; the number of a picture varies by a third.
"""

import argparse
import json
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from prep.engine.state.database import opened
from prep.engine.state.recipe import Made
from prep.runtime.files import digest_bytes
from prep.tagging.rendering import Style, renderer
from tagger_models.labels.label import Label
from tagger_models.scores import FLOOR, packed

MOST_BYTES = 60_000_000
MOST_MICROSECONDS = 100.0
SIZES = {"rating": 4, "general": 8106, "character": 2751}
TAGS_OF_A_PICTURE = 31.0
SURE = 20

_LIMITS = {"general": 0.2614, "character": 0.85}
STYLES: Mapping[str, Style] = {
    "thresholds": Style(_LIMITS),
    "mcut": Style(_LIMITS, cut="mcut"),
    "everything": Style(
        _LIMITS,
        of_labels={"general_7": 0.5},
        cut="mcut",
        most=40,
        rating=True,
        rating_least=0.3,
        series="name",
    ),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON; return 1 where a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        weight = weighed(Path(folder), chosen.pictures)
    times = timed([scores(number) for number in range(500)], chosen.turns)
    print(f"{chosen.pictures} pictures: {weight / 1e6:.1f} MB")
    for name, microseconds in times.items():
        print(f"{name:<12}{microseconds:6.1f} us a picture")
    if chosen.out:
        chosen.out.write_text(json.dumps({"bytes": weight, "microseconds": times}, indent=1))
    broken = weight * 10_000 > MOST_BYTES * chosen.pictures
    return int(broken or max(times.values()) > MOST_MICROSECONDS)


def vocabulary() -> list[Label]:
    """Return labels in the shape of the WD v3 taggers; characters have brackets, as half do."""
    ends = {"character": "_(series_{})"}
    return [
        Label(f"{kind}_{number}{ends.get(kind, '').format(number % 200)}", kind)
        for kind, count in SIZES.items()
        for number in range(count)
    ]


def scores(number: int) -> bytes:
    """Return the packed scores of a drawn picture; see the module."""
    draw = random.Random(number)
    ratings = SIZES["rating"]
    mean = TAGS_OF_A_PICTURE / (FLOOR * math.log(1 / FLOOR))
    tail = min(max(round(draw.gauss(mean, mean / 3)), 1), 3000)
    likely = [FLOOR / draw.uniform(FLOOR, 1) for _ in range(tail)]
    likely += [draw.uniform(0.5, 1) for _ in range(SURE)]
    ids = sorted(draw.sample(range(ratings, sum(SIZES.values())), len(likely)))
    rates = [(index, draw.random()) for index in range(ratings)]
    return packed(rates + list(zip(ids, likely, strict=True)))


def weighed(folder: Path, count: int) -> int:
    """Return the bytes of a ledger that holds the scores of so many pictures, and nothing else."""
    rows = []
    for number in range(count):
        data = scores(number)
        made = Made(1, digest_bytes(f"picture {number}".encode()), digest_bytes(data))
        rows.append((f"folder/picture {number:06d}.png", made, data))
    with opened(folder) as ledger, ledger.batch():
        ledger.record("score", rows)
    return sum(file.stat().st_size for file in folder.iterdir())


def timed(pictures: Sequence[bytes], turns: int) -> dict[str, float]:
    """Return style -> median microseconds a picture, of the processor; the styles take turns."""
    labels = vocabulary()
    render = {name: renderer(labels, style) for name, style in STYLES.items()}
    runs: dict[str, list[float]] = {name: [] for name in STYLES}
    for _ in range(turns):
        for name, rendered in render.items():
            began = time.process_time()
            for data in pictures:
                rendered(data)
            runs[name].append((time.process_time() - began) / len(pictures) * 1e6)
    return {name: statistics.median(each) for name, each in runs.items()}


if __name__ == "__main__":
    sys.exit(main())
