"""Make the stand-in models again, in the real formats: a tagger, a captioner, a base model.

Their weights are random, by a seed: they run through exactly the code that real models run
through, and what they say means nothing yet. The same seed gives the same bytes on one machine.
"""

from pathlib import Path

from tinyworld.make_base import make_base
from tinyworld.make_captioner import make_captioner
from tinyworld.make_tagger import make_tagger

SEED = 7

MAKERS = {"tagger": make_tagger, "captioner": make_captioner, "base": make_base}


def make_models(folder: Path, seed: int = SEED) -> list[Path]:
    """Write every model into its own folder under `folder`; return those folders."""
    made = []
    for name, make in MAKERS.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        make(folder / name, seed)
        made.append(folder / name)
    return made
