"""What the tiny world's models reach, on pictures, prompts and noise with fresh seeds.

`python -m benchmarks.tiny_world [tagger] [judge] [captioner] [--count N] [--models FOLDER]`

Without names, all of them. A table with standard errors; 1 where a bound is not kept.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tiny_reading
from benchmarks.tiny_painting import Figure

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "tinyworld" / "models"

# What is measured, by name: (folder of all models, number of pictures) -> figures.
MEASURED: dict[str, Callable[[Path, int], list[Figure]]] = {
    "tagger": lambda models, count: tiny_reading.tagger_figures(str(models / "tagger"), count),
    "judge": lambda models, count: tiny_reading.judge_figures(models / "judge", count),
    "captioner": lambda models, count: tiny_reading.captioner_figures(
        str(models / "captioner"), count
    ),
}


def told(figure: Figure) -> str:
    """Return a line of the table."""
    bound = ""
    if figure.wanted is not None:
        kept = "kept" if figure.kept() else "NOT KEPT"
        bound = f"  at {'most' if figure.most else 'least'} {figure.wanted:g}: {kept}"
    return f"{figure.name:48} {figure.value:8.4f} +- {figure.error:.4f}{bound}"


def main() -> int:
    """Measure, print a table; return 1 where a bound is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join(MEASURED))
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--models", type=Path, default=MODELS)
    given = parser.parse_args()
    kept = True
    for name in given.names or MEASURED:
        for figure in MEASURED[name](given.models, given.count):
            print(told(figure), flush=True)
            kept = kept and figure.kept()
    return int(not kept)


if __name__ == "__main__":
    raise SystemExit(main())
