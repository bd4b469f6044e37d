"""Whether the losses of a run find a caption that was put to the wrong picture.

`python -m benchmarks.wrong_captions FOLDER [--seeds N] [--first N]`

The pictures of `benchmarks.pick`: 30 of the tiny world's mascot, one with the caption of a scene
that differs in place, pose and framing. It has to lead the list of `train losses` in eight of ten;
of the same pictures with true captions none may stand out in eight of ten. FOLDER keeps what is
done. A line a seed; 1 where a bound is not kept.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tiny_runs
from benchmarks.pick import PICTURES, shown
from train.run import fixed_losses
from train.run.wrong_captions import Doubt, doubts


def found(folder: Path, seed: int, wrong: bool) -> tuple[str, list[Doubt]]:
    """Return the picture with the wrong caption, and what the run says of all captions."""
    planted, each = shown(seed, wrong)
    place = folder / f"seed {seed} {'wrong' if wrong else 'true'}"
    meta = tiny_runs.dataset(place, seed, each[:PICTURES], each[PICTURES:])
    made = tiny_runs.trained(meta, seed, steps=1, rank=4, learning_rate=1e-4, watch=PICTURES)
    return planted, doubts(fixed_losses.read(made.parent / fixed_losses.NAME)[0])


def main() -> int:
    """Measure what is not done yet, and print a line a seed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    first = quiet = said = 0
    for seed in range(given.first, given.first + given.seeds):
        planted, each = found(given.folder.resolve(), seed, wrong=True)
        _, true = found(given.folder.resolve(), seed, wrong=False)
        first += each[0].key == planted
        said += each[0].key == planted and each[0].stands_out()
        quiet += not true[0].stands_out()
        print(
            f"seed {seed:2}: planted {planted}, first {each[0].key} at {each[0].distance:.1f} "
            f"({each[0].ratio:.2f}), then {each[1].distance:.1f}; true captions: at most "
            f"{true[0].distance:.1f} ({true[0].ratio:.2f})",
            flush=True,
        )
    print(f"leads the list: {first} of {given.seeds}, and is named: {said}")
    print(f"of true captions none is named: {quiet} of {given.seeds}")
    return int(min(first, quiet) < 0.8 * given.seeds)


if __name__ == "__main__":
    raise SystemExit(main())
