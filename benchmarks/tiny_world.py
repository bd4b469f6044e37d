"""What the tiny world's models reach, on pictures, prompts and noise with fresh seeds.

`python -m benchmarks.tiny_world [tagger] [judge] [captioner] [vae] [base] [lora] [--count N]`

Without names, all of them. `lora` runs the demo first, in a new folder, and takes its LoRA; or
`--lora FILE` names one. A table with standard errors; 1 where a bound is not kept.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import tiny_painting, tiny_reading
from benchmarks.tiny_painting import Figure
from tinyworld.demo import TRIGGER, demo

ROOT = Path(__file__).resolve().parents[1]
MODELS = ROOT / "tinyworld" / "models"


def judges(models: Path) -> dict[str, tiny_painting.Judge]:
    """Return the two classifiers that judge what is painted."""
    return {
        "tagger": tiny_reading.tagger_judge(str(models / "tagger")),
        "judge": tiny_reading.second_judge(models / "judge"),
    }


# What is measured, by name: (folder of all models, number of pictures) -> figures.
MEASURED: dict[str, Callable[[Path, int], list[Figure]]] = {
    "tagger": lambda models, count: tiny_reading.tagger_figures(str(models / "tagger"), count),
    "judge": lambda models, count: tiny_reading.judge_figures(models / "judge", count),
    "captioner": lambda models, count: tiny_reading.captioner_figures(
        str(models / "captioner"), count
    ),
    "vae": lambda models, count: tiny_painting.vae_figures(models / "base", count),
    "base": lambda models, count: tiny_painting.base_figures(
        models / "base", judges(models), count
    ),
}


def of_lora(lora: Path | None, models: Path, count: int) -> list[Figure]:
    """Return the figures of a LoRA of the mascot; without one, of that which the demo makes."""
    if lora is not None:
        return tiny_painting.lora_figures(models / "base", lora, TRIGGER, judges(models), count)
    with tempfile.TemporaryDirectory() as folder:
        if demo(Path(folder)):
            raise SystemExit("the demo failed")
        (made,) = Path(folder).glob("runs/*/*.safetensors")
        return of_lora(made, models, count)


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
    parser.add_argument("names", nargs="*", metavar="NAME", help=" ".join([*MEASURED, "lora"]))
    parser.add_argument("--count", type=int, default=128)
    parser.add_argument("--lora", type=Path)
    parser.add_argument("--models", type=Path, default=MODELS)
    given = parser.parse_args()
    kept = True
    for name in given.names or [*MEASURED, "lora"]:
        found = (
            of_lora(given.lora, given.models, given.count)
            if name == "lora"
            else MEASURED[name](given.models, given.count)
        )
        for figure in found:
            print(told(figure), flush=True)
            kept = kept and figure.kept()
    return int(not kept)


if __name__ == "__main__":
    raise SystemExit(main())
