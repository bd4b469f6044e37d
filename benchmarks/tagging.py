"""How fast `prep tag` is beside scripts that only do the work, and how much memory it takes.

`python -m benchmarks.tagging --out tagging.json`; `--only whole,model,rerun,memory` for a part.

whole   tagging 150 different pictures of 2 megapixels with a trivial 448 px graph, whole program,
        beside `bare_tagger`
model   tagging 24 pictures of 2 megapixels with a ViT-B/16 with random weights, start left out,
        beside `bare_tagger`; for comparison beside onnxruntime fed with arrays that are ready
photos  the same with 10 further pictures, which fill no whole number of calls of four
small   tagging 5,000 different pictures of 96 px with such a graph of 96 px, beside `bare_tagger`,
        which flushes no file
rerun   tagging the same 150 pictures again, beside a Typer program that does nothing
memory  the most memory over 10,000 small pictures, beside that over 1,000

Programs take turns; medians count. CPU seconds are those of all processes of a program: where
others use the machine at the same time, their ratio is the one to trust.
"""

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.tagger_graphs import labels_file, trivial, vit

PICTURES, WIDTH, HEIGHT = 150, 1632, 1224
LABELS = 10_861
MOST = {
    "whole": 1.5, "model": 1 / 0.95, "photos": 1.05, "small": 1.6, "rerun": 5.0, "memory": 1.1,
}  # fmt: skip
_ROOT = Path(__file__).resolve().parents[1]
_TYPER = """\
import typer

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def greet(name: str = "you") -> None:
    print("hello", name)


app()
"""
_SESSION = """\
import os, sys, time
import numpy, onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
pictures = numpy.random.default_rng(0).random((4, 448, 448, 3), numpy.float32) * 255
session.run(None, {"input": pictures})
began, cpu = time.perf_counter(), sum(os.times()[:2])
for _ in range(int(sys.argv[2]) // 4):
    session.run(None, {"input": pictures})
print(time.perf_counter() - began, sum(os.times()[:2]) - cpu)
"""


class Took(NamedTuple):
    """What a program took.

    Attributes:
        wall: Seconds.
        cpu: Seconds of all its processes.
        memory: Most resident memory of any of its processes, MB.
    """

    wall: float
    cpu: float
    memory: float = 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, write JSON; return 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", default=",".join(MOST))
    parser.add_argument("--out", type=Path)
    chosen = parser.parse_args(arguments)
    found: dict[str, dict[str, dict[str, float]]] = {}
    kept = True
    with tempfile.TemporaryDirectory() as folder:
        for name in chosen.only.split(","):
            place = Path(folder) / name
            place.mkdir()
            runs = PARTS[name](place, chosen.turns)
            found[name] = {who: middle(took)._asdict() for who, took in runs.items()}
            kept = _shown(name, found[name]) <= MOST[name] and kept
    if chosen.out:
        chosen.out.write_text(json.dumps(found, indent=1))
    return int(not kept)


def _shown(name: str, found: Mapping[str, Mapping[str, float]]) -> float:
    """Print a part's table; return the ratio that its promise is about: first to second row."""
    for who, took in found.items():
        numbers = f"{took['wall']:8.2f} s {took['cpu']:8.2f} CPU s {took['memory']:7.0f} MB"
        print(f"{name:<8}{who:<10}{numbers}")
    ours, theirs, *others = found
    for other in others:
        print(f"{name:<8}{ours} / {other}: {_ratios(found[ours], found[other])}")
    if name == "memory":
        ratio = found[ours]["memory"] / found[theirs]["memory"]
        told = f"{ratio:.2f} of memory"
    else:
        ratio = found[ours]["wall"] / found[theirs]["wall"]
        told = _ratios(found[ours], found[theirs])
    print(f"{name:<8}{ours} / {theirs}: {told}; at most {MOST[name]:.2f}", flush=True)
    return ratio


def _ratios(mine: Mapping[str, float], theirs: Mapping[str, float]) -> str:
    clock, cpu = (mine[key] / theirs[key] for key in ("wall", "cpu"))
    return f"{clock:.2f} by the clock, {cpu:.2f} by CPU seconds"


def whole(folder: Path, turns: int) -> dict[str, list[Took]]:
    """Tag 150 pictures by each program in turns, each time as if for the first time."""
    return _beside_bare(*_set_up(folder), turns)


def small(folder: Path, turns: int, count: int = 5000) -> dict[str, list[Took]]:
    """Tag many small pictures by each program in turns: most of it is files and rows."""
    weights, _ = _set_up(folder, 0, 96)
    return _beside_bare(weights, drawn(folder / "small", count, (96, 96)), turns)


def _beside_bare(model: Path, pictures: Path, turns: int) -> dict[str, list[Took]]:
    folder = model.parent
    runs: dict[str, list[Took]] = {"prep": [], "bare": []}
    for _ in range(turns):
        _forget(pictures)
        runs["bare"].append(timed(_bare(pictures, model), folder))
        _forget(pictures)
        runs["prep"].append(timed(_tag(pictures, model), folder))
    return runs


def rerun(folder: Path, turns: int) -> dict[str, list[Took]]:
    """Tag 150 unchanged pictures again."""
    model, pictures = _set_up(folder)
    timed(_tag(pictures, model), folder)
    time.sleep(2.5)  # digests of files that were just written are not trusted
    timed(_tag(pictures, model), folder)
    runs: dict[str, list[Took]] = {"prep": [], "typer": []}
    for _ in range(2 * turns + 1):
        runs["prep"].append(timed(_tag(pictures, model), folder))
        runs["typer"].append(timed(["-c", _TYPER], folder))
    return runs


def model(folder: Path, turns: int, few: int = 4, many: int = 28) -> dict[str, list[Took]]:
    """Tag a few and some more pictures by a real graph: what further pictures take."""
    weights = folder / "model"
    weights.mkdir()
    (weights / "model.onnx").write_bytes(vit(LABELS))
    (weights / "selected_tags.csv").write_text(labels_file(LABELS), encoding="utf-8")
    pictures = [drawn(folder / f"{count}", count, (WIDTH, HEIGHT)) for count in (few, many)]
    timed(_tag(pictures[0], weights), folder)  # the model's digest is then known
    runs: dict[str, list[Took]] = {"prep": [], "bare": [], "session": []}
    programs = {"prep": _tag, "bare": _bare}
    for _ in range(turns):
        for name, program in programs.items():
            took = []
            for place in pictures:
                _forget(place)
                took.append(timed(program(place, weights), folder))
            less, more = took
            runs[name].append(Took(more.wall - less.wall, more.cpu - less.cpu, more.memory))
        words = ["-c", _SESSION, str(weights / "model.onnx"), str(many - few)]
        said = subprocess.run(
            [sys.executable, *words], capture_output=True, text=True, check=True
        ).stdout.split()
        runs["session"].append(Took(float(said[0]), float(said[1])))
    return runs


def memory(folder: Path, turns: int) -> dict[str, list[Took]]:
    """Tag 10,000 small pictures, and 1,000."""
    del turns  # memory hardly varies
    weights = folder / "model"
    weights.mkdir()
    (weights / "model.onnx").write_bytes(trivial(LABELS, 64))
    (weights / "selected_tags.csv").write_text(labels_file(LABELS), encoding="utf-8")
    sizes = {"10,000": 10_000, "1,000": 1_000}
    return {
        name: [timed(_tag(drawn(folder / name, count, (64, 64), "png"), weights), folder)]
        for name, count in sizes.items()
    }


PARTS: Mapping[str, Callable[[Path, int], dict[str, list[Took]]]] = {
    "whole": whole,
    "model": model,
    "photos": lambda folder, turns: model(folder, turns, 4, 14),
    "small": small,
    "rerun": rerun,
    "memory": memory,
}


def middle(runs: Sequence[Took]) -> Took:
    """Return the medians."""
    return Took(*(statistics.median(column) for column in zip(*runs, strict=True)))


def _tag(pictures: Path, weights: Path) -> list[str]:
    jobs = str(os.cpu_count() or 1)
    return ["-m", "prep", "tag", str(pictures), "--model", str(weights), "-q", "--jobs", jobs]


def _bare(pictures: Path, weights: Path) -> list[str]:
    return ["-m", "benchmarks.bare_tagger", str(weights), str(pictures)]


def timed(words: Sequence[str], home: Path) -> Took:
    """Run a Python program to its end; return what it took with all its children."""
    began, before = time.perf_counter(), os.times()
    environment = os.environ | {"XDG_DATA_HOME": str(home / "home"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, *words]
    child = subprocess.Popen(command, cwd=_ROOT, stdout=subprocess.DEVNULL, env=environment)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, command
    after = os.times()
    cpu = sum(after[2:4]) - sum(before[2:4])
    return Took(time.perf_counter() - began, cpu, usage.ru_maxrss / 1024)


def _set_up(folder: Path, count: int = PICTURES, size: int = 448) -> tuple[Path, Path]:
    """Return a trivial tagger of `size` px and some pictures."""
    weights = folder / "model"
    weights.mkdir()
    (weights / "model.onnx").write_bytes(trivial(LABELS, size))
    (weights / "selected_tags.csv").write_text(labels_file(LABELS), encoding="utf-8")
    return weights, drawn(folder / "pictures", count, (WIDTH, HEIGHT))


def _forget(pictures: Path) -> None:
    """Leave nothing but the pictures."""
    for path in sorted(pictures.rglob("*"), reverse=True):
        if path.is_dir():
            path.rmdir()
        elif path.suffix not in (".jpg", ".png"):
            path.unlink()


def drawn(folder: Path, count: int, size: tuple[int, int], suffix: str = "jpg") -> Path:
    """Draw different pictures: soft colours, with the grain of a photograph."""
    from PIL import Image

    folder.mkdir()
    grain = Image.effect_noise(size, 24).convert("RGB")
    for number in range(count):
        colours = random.Random(number).randbytes(3 * 13 * 17)
        soft = Image.frombytes("RGB", (17, 13), colours).resize(size, Image.Resampling.BICUBIC)
        picture = Image.blend(soft, grain, 0.15)
        picture.save(folder / f"{number:05}.{suffix}", quality=90)
    return folder


if __name__ == "__main__":
    sys.exit(main())
