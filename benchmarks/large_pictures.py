"""What crop and augment take of memory and time for photographs, beside bare Pillow on all cores.

`python -m benchmarks.large_pictures --photos FOLDER --out large.json`. The photographs are drawn
from those of FOLDER: enlarged, with grain. Memory is the most that a whole process tree has
resident; throughput is compared with a pool of processes, one a core, that only open, cut or
mirror (and resize, for `small`), and save as PNG. They take turns, and medians are compared.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.prep.tree_memory import Taken, run

SIZES = {"24": (6000, 4000), "45": (8256, 5504), "108": (12032, 9024)}
# What is typed; `small`: each is cut, turned to where the eye is drawn, and made smaller.
COMMANDS = {
    "crop": ("crop",),
    "augment": ("augment",),
    "small": ("crop", "--max-side", "1024", "--focus", "saliency", "--trim"),
}
MOST_MEGABYTES = 1024.0
LEAST_SHARE = 0.8
_GRAIN = 5
_BARE = """
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from PIL import Image, ImageOps

def one(path):
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    if sys.argv[1] == "crop":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    elif sys.argv[1] == "small":
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side)).resize((1024, 1024), 1)
    else:
        image = ImageOps.mirror(image)
    image.save(Path(sys.argv[3]) / f"{path.name}.png", "PNG", compress_level=6)

if __name__ == "__main__":
    Path(sys.argv[3]).mkdir()
    with ProcessPoolExecutor(int(sys.argv[4])) as pool:
        list(pool.map(one, sorted(Path(sys.argv[2]).iterdir())))
"""


class Cost(NamedTuple):
    """What one way of doing it cost: pictures a second, most megabytes of the process tree."""

    rate: float
    megabytes: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON; return 1 where a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--count", type=int, default=12)
    parser.add_argument("--sizes", nargs="+", default=["24", "45"], choices=list(SIZES))
    parser.add_argument("--commands", nargs="+", default=list(COMMANDS), choices=list(COMMANDS))
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "prep-large")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    found: dict[str, dict[str, Cost]] = {}
    for size in chosen.sizes:
        folder = chosen.folder / f"{size}-{chosen.count}"
        draw(chosen.photos, folder, SIZES[size], chosen.count)
        for command in chosen.commands:
            found[f"{command} {size}"] = measured(command, folder, chosen.turns, chosen.jobs)
    print(table(found))
    broken = breaches(found)
    print("\n".join(broken) or "all limits are kept")
    if chosen.out:
        rows = {name: {n: c._asdict() for n, c in each.items()} for name, each in found.items()}
        chosen.out.write_text(json.dumps({"measured": rows, "broken": broken}, indent=1))
    return int(bool(broken))


def draw(photos: Path, folder: Path, size: tuple[int, int], count: int) -> None:
    """Write photographs of (width, height) px, every third one to be turned; once."""
    import numpy as np
    from PIL import Image

    if folder.exists():
        return
    kinds = (".jpg", ".jpeg")
    sources = sorted(path for path in photos.rglob("*") if path.suffix.lower() in kinds)
    folder.mkdir(parents=True)
    for number in range(count):
        exif = Image.Exif()
        exif[0x0112] = 6 if number % 3 == 0 else 1
        photo = Image.open(sources[number % len(sources)]).convert("RGB")
        image = photo.resize(size, Image.Resampling.BICUBIC)
        chance = np.random.default_rng(number)
        for top in range(0, size[1], 512):
            box = (0, top, size[0], min(size[1], top + 512))
            rows: Any = np.asarray(image.crop(box), dtype=np.int16)
            grain = chance.integers(-_GRAIN, _GRAIN + 1, rows.shape, dtype=np.int16)
            image.paste(Image.fromarray((rows + grain).clip(0, 255).astype(np.uint8)), box)
        image.save(folder / f"{number:02d}.jpg", quality=92, exif=exif)


def measured(command: str, folder: Path, turns: int, jobs: int) -> dict[str, Cost]:
    """Return program -> median costs, of prep and of bare Pillow, which take turns."""
    runs: dict[str, list[Taken]] = {"prep": [], "bare": []}
    count = len(list(folder.iterdir()))
    with tempfile.TemporaryDirectory(dir=folder.parent) as place:
        top, out = Path(place), Path(place) / "out"
        (top / "bare.py").write_text(_BARE)
        program, *options = COMMANDS[command]
        said = [program, str(folder), str(out), *options]
        words = {
            "prep": ["-P", "-m", "prep", *said, "-j", str(jobs), "-q"],
            "bare": ["bare.py", command, str(folder), str(out), str(os.cpu_count())],
        }
        for _ in range(turns):
            for name, each in words.items():
                done = run([sys.executable, *each], top)
                assert done.code == 0, done.said
                runs[name].append(done)
                shutil.rmtree(out)
    return {
        name: Cost(
            count / statistics.median(one.seconds for one in each),
            max(one.bytes for one in each) / (1 << 20),
        )
        for name, each in runs.items()
    }


def table(found: Mapping[str, Mapping[str, Cost]]) -> str:
    """Return what was measured as text."""
    lines = [f"{'':<14}{'prep':>18}{'bare Pillow':>18}{'share':>8}"]
    for name, each in found.items():
        cells = [f"{c.rate:.2f}/s {c.megabytes:6.0f} MB" for c in (each["prep"], each["bare"])]
        share = each["prep"].rate / each["bare"].rate
        lines.append(f"{name:<14}{cells[0]:>18}{cells[1]:>18}{share:>8.0%}")
    return "\n".join(lines)


def breaches(found: Mapping[str, Mapping[str, Cost]]) -> list[str]:
    """Return a sentence for each limit that is broken."""
    broken = []
    for name, each in found.items():
        if each["prep"].megabytes > MOST_MEGABYTES:
            broken.append(f"{name}: {each['prep'].megabytes:.0f} MB, at most {MOST_MEGABYTES:.0f}")
        share = each["prep"].rate / each["bare"].rate
        if share < LEAST_SHARE:
            broken.append(f"{name}: {share:.0%} of bare Pillow's throughput, at least 80%")
    return broken


if __name__ == "__main__":
    sys.exit(main())
