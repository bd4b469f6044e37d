"""How long the stages that look at pixels take beside scripts that only do the work.

`python -m benchmarks.decoding --out decoding.json`; `--only measure,latents` for a part.

measure  `prep duplicates` over 5,000 pictures of 96 px, and over 200 of 2 megapixels, beside
         processes that decode the same files by the same rules
latents  `prep latents --batch 8` over 64 pictures, beside a script that decodes, cuts and encodes
         them by eight and writes the same files unflushed

What a few pictures take is taken off both, so that starting up does not count. Programs take
turns; medians count.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bare_decoding import BATCH, SIDE
from benchmarks.tagging import Took, _forget, drawn, middle, timed

MOST = {"measure": 1.5, "measure large": 1.5, "latents": 1.05}
BARE = "benchmarks.bare_decoding"
CHANNELS = (32, 64, 128, 128)
_FEW = 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON; return 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", default=",".join(MOST))
    parser.add_argument("--count", type=int, default=5000, help="pictures of 96 px")
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    found: dict[str, dict[str, object]] = {}
    for name in chosen.only.split(","):
        with tempfile.TemporaryDirectory() as folder:
            runs = _part(name, Path(folder), chosen.turns, chosen.count)
        each = {who: middle(took) for who, took in runs.items()}
        ratio = each["prep"].wall / each["bare"].wall
        cpu = each["prep"].cpu / each["bare"].cpu
        for who, took in each.items():
            print(f"{name:<14}{who:<6}{took.wall:8.2f} s {took.cpu:8.2f} CPU s")
        print(f"{name:<14}{ratio:.2f} by the clock, {cpu:.2f} by CPU; at most {MOST[name]:.2f}")
        sys.stdout.flush()
        found[name] = {who: took._asdict() for who, took in each.items()} | {"ratio": ratio}
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1))
    return int(any(float(str(row["ratio"])) > MOST[name] for name, row in found.items()))


def _part(name: str, folder: Path, turns: int, count: int) -> dict[str, list[Took]]:
    """Return what each program takes for more pictures than a few."""
    many, size = {
        "measure": (count, (96, 96)),
        "measure large": (200, (1632, 1224)),
        "latents": (64, (640, 512)),
    }[name]
    pictures = [_drawn(folder / str(n), n, size) for n in (_FEW, many)]
    weights = _vae(folder / "vae") if name == "latents" else folder
    runs: dict[str, list[Took]] = {"prep": [], "bare": []}
    for _ in range(turns):
        for who, took in runs.items():
            timing = _latents if name == "latents" else _measure
            less, more = (timing(who, place, weights) for place in pictures)
            took.append(Took(more.wall - less.wall, more.cpu - less.cpu, more.memory))
    return runs


def _drawn(folder: Path, count: int, size: tuple[int, int]) -> Path:
    folder.mkdir()
    return drawn(folder / "pictures", count, size)


def _measure(who: str, pictures: Path, _: Path) -> Took:
    _forget(pictures)
    ours = ["-m", "prep", "duplicates", str(pictures), "-q", "--jobs", _jobs()]
    return timed(ours if who == "prep" else ["-m", BARE, "decode", str(pictures)], pictures.parent)


def _latents(who: str, pictures: Path, weights: Path) -> Took:
    if who == "bare":
        words = ["-m", BARE, "latents", str(pictures), str(weights)]
        return timed(words, pictures.parent)
    _forget(pictures)
    for path in pictures.parent.glob("meta*"):
        path.unlink()
    first, second = (str(pictures.parent / name) for name in ("meta.json", "meta_bucket.json"))
    bucket = ["bucket", first, "--resolution", str(SIDE)]
    for words in (["edit", str(pictures), "--out", first], bucket):
        timed(["-m", "prep", *words, "-q"], pictures.parent)
    options = ["--model", str(weights), "--batch", str(BATCH), "--jobs", _jobs()]
    return timed(["-m", "prep", "latents", second, *options, "-q"], pictures.parent)


def _jobs() -> str:
    return str(os.cpu_count() or 1)


def _vae(folder: Path) -> Path:
    """Write a VAE of the usual shape with fewer channels and random weights."""
    import torch
    from diffusers import AutoencoderKL

    torch.manual_seed(0)
    blocks = len(CHANNELS)
    AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * blocks,
        up_block_types=["UpDecoderBlock2D"] * blocks,
        block_out_channels=CHANNELS,
        layers_per_block=2,
        latent_channels=4,
    ).save_pretrained(folder)
    return folder


if __name__ == "__main__":
    sys.exit(main())
