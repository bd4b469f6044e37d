"""Commands that are stopped at drawn moments: how soon do they end, and what does the rerun give?

`python -m benchmarks.stops [--out FILE] [--stops N] [--only WORD ...] [--spy PROGRAM]`

Ctrl-C goes to all processes of a terminal's job, SIGTERM in turns to the one and to all of them.
The time counts until the program and all that it started are gone. The same command then runs to
its end, and what a person sees in the folder is compared with that of a run never stopped. `--spy`
names a program such as `py-spy`, which is asked where the processes are that take longer than the
limit.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.prep import killing
from tinyworld.pictures import PICTURES, encoded

LIMIT_S = 5.0
_LONGEST_S = 240.0
# The signal, and whether all of the job get it.
_WAYS = ((signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGTERM, True))
_OWN = re.compile(r"(^|/)(\.prep|checkpoints|home)/|metrics\.jsonl$|said\.txt$")
_TRAIN = "    train: {method: lora, base: tiny, steps: 6, batch: 1}\n"
_EDITED = 5000
_SAMPLE = [
    "train",
    "sample",
    "a.safetensors",
    "--base",
    "tiny",
    "--prompt",
    "smile",
    "--steps",
    "40",
]


class Case(NamedTuple):
    """A command, and what stands in its folder before it.

    Attributes:
        words: Of the command line.
        before: Commands that are run first.
        many: Pictures in the folder.
        after: What the first stop waits for: a file by this pattern.
    """

    words: list[str]
    before: tuple[list[str], ...] = ()
    many: int = 0
    after: str = ""


def cases() -> dict[str, Case]:
    """Return name -> what is stopped."""
    meta = ["prep", "edit", "raw"]
    lat = (meta, ["prep", "bucket", "meta.json", "--resolution", "128", "--step", "32"],
           ["prep", "latents", "meta_bucket.json", "--model", "tiny"])  # fmt: skip
    tiny = ["--model", "tiny", "--batch", "2"]
    lora = ["train", "lora", "meta_lat.json", "--base", "tiny", "--steps", "20"]
    drawn = [*lora[:-1], "4", "--save-every-steps", "2", "--prompts", "prompts.txt"]
    sheet = ["prep", "review", "export", "raw"]
    book = "raw/tags.xlsx"
    return {
        "prep run": Case(["prep", "run"]),
        "prep crop": Case(["prep", "crop", "raw", "out"], many=60),
        "prep augment": Case(["prep", "augment", "raw", "out"], many=60),
        "prep caption": Case(["prep", "caption", "raw", *tiny]),
        "prep tag": Case(["prep", "tag", "raw", *tiny]),
        "prep latents": Case(lat[2], lat[:2]),
        "prep edit": Case(["prep", "edit", "raw", "--trigger", "mascot"], many=_EDITED),
        "prep review export": Case(sheet, (meta,), many=_EDITED),
        "prep review import": Case(["prep", "review", "import", book], (meta, sheet), _EDITED),
        "prep status": Case(["prep", "status", "--in", "raw"], (meta,), _EDITED),
        "prep doctor": Case(["prep", "doctor"], (meta,)),
        "train lora": Case(lora, lat),
        "train lora, drawing": Case(drawn, lat, after="runs/*/*-step00000002.safetensors"),
        "train check": Case(["train", "check", "meta_lat.json", "--base", "tiny"], lat),
        "train sample": Case(_SAMPLE, (*lat, lora)),
    }


def prepared(case: Case, folder: Path) -> Path:
    """Write a case's folder, and run what comes before it."""
    killing.new_project(folder, killing.FULL + _TRAIN)
    (folder / "prompts.txt").write_text("smile --s 40\nhat --s 40\n")
    if case.many:
        pictures = [each for each in PICTURES if each.kind == "plain"]
        data = [encoded(pictures[n % len(pictures)], n) for n in range(20)]
        for number in range(case.many):
            more = number.to_bytes(4)  # another picture, for the price of a copy
            (folder / "raw" / f"{number:05d}.png").write_bytes(data[number % 20] + more)
    for words in case.before:
        assert run(words, folder) in (0, 3), (folder / "said.txt").read_text()
    if case.many and case.words[1:3] == ["review", "import"]:
        _edit_sheet(folder / "raw" / "tags.xlsx")
    for lora in folder.glob("*/*/*.safetensors"):
        shutil.copy(lora, folder / "a.safetensors")
    return folder


def _edit_sheet(path: Path) -> None:
    from openpyxl import load_workbook

    book = load_workbook(path)
    sheet = book.worksheets[0]
    titles = [cell.value for cell in sheet[1]]
    column = titles.index("notes") + 1
    for row in range(2, sheet.max_row + 1):
        sheet.cell(row, column).value = "seen"
    book.save(path)


def command(words: list[str]) -> list[str]:
    """Return the command line of one of our programs."""
    return [sys.executable, "-P", "-m", *words]


def run(words: list[str], folder: Path) -> int:
    """Run a command to its end; return its exit code."""
    with started(words, folder) as process:
        return process.wait()


def started(words: list[str], folder: Path) -> "subprocess.Popen[bytes]":
    """Start a command as the leader of a job of its own."""
    environment = {**os.environ, "XDG_DATA_HOME": str(folder / "home"), "HF_HUB_OFFLINE": "1"}
    with (folder / "said.txt").open("ab") as said:
        return subprocess.Popen(
            command(words), cwd=folder, env=environment, stdout=said, stderr=said,
            stdin=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip


class End(NamedTuple):
    """How a stopped run ended: seconds, exit code, where it was when it took too long."""

    seconds: float
    code: int
    where: str


def stopped(process: "subprocess.Popen[bytes]", way: tuple[int, bool], spy: str | None) -> End:
    """Stop a run; return when it and all that it started are gone.

    Args:
        way: The signal, and whether all of the job get it.
    """
    number, whole = way
    begun, where = time.monotonic(), ""
    if whole:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    while (took := time.monotonic() - begun) < _LONGEST_S:
        process.poll()
        left = alive(process.pid)
        if not left:
            return End(took, process.wait(), where)
        if took > LIMIT_S and not where:
            where = _looked_at(left, spy)
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return End(took, process.wait(), where)


def alive(job: int) -> list[int]:
    """Return the processes of a job that have not ended."""
    found = []
    for place in Path("/proc").iterdir():
        if place.name.isdigit():
            with suppress(OSError):
                words = (place / "stat").read_text().rpartition(")")[2].split()
                if int(words[3]) == job and words[0] != "Z":
                    found.append(int(place.name))
    return found


def _looked_at(processes: list[int], spy: str | None) -> str:
    said = []
    for each in processes:
        with suppress(OSError):
            said.append(Path(f"/proc/{each}/cmdline").read_text().replace("\0", " ")[:200])
        if spy:
            words = [spy, "dump", "--pid", str(each)]
            said.append(subprocess.run(words, capture_output=True, text=True, check=False).stdout)
    return "\n".join(said) or "it has just ended"


def seen(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of what a person sees, but for what tells of times."""
    files = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {
        name: path.read_bytes()
        for name, path in sorted(files.items())
        if path.is_file() and not _OWN.search(name)
    }


def measured(name: str, case: Case, work: Path, chance: random.Random, wish: Any) -> Iterator[Any]:
    """Yield a row for each stop of a command."""
    base = prepared(case, work / "base")
    folder = Path(shutil.copytree(base, work / "project"))
    begun = time.monotonic()
    usual = run(case.words, folder)
    longest = time.monotonic() - begun
    expected = seen(folder)
    for nth in range(wish.stops):
        shutil.rmtree(folder)
        shutil.copytree(base, folder)
        process, begun = started(case.words, folder), time.monotonic()
        while case.after and process.poll() is None and not list(folder.glob(case.after)):
            time.sleep(0.01)
        early = time.monotonic() - begun
        wait = chance.uniform(0.05, max(longest - early, 0.1))
        with suppress(subprocess.TimeoutExpired):
            process.wait(wait)
        if process.poll() is None:
            way = _WAYS[nth % len(_WAYS)]
            end = stopped(process, way, wish.spy)
            again = run(case.words, folder)
            wrong = _wrong(expected, folder, usual, again)
            yield _row(name, (early + wait, longest), way, end, wrong)


def _wrong(expected: Mapping[str, bytes], folder: Path, usual: int, again: int) -> list[str]:
    found = seen(folder)
    names = sorted(found.keys() | expected.keys())
    wrong = [name for name in names if found.get(name) != expected.get(name)]
    return wrong + ([f"exit code {again}, usually {usual}"] if again != usual else [])


def _row(
    name: str, moment: tuple[float, float], way: tuple[int, bool], end: End, wrong: list[str]
) -> dict[str, Any]:
    word = signal.Signals(way[0]).name + (" to all" if way[1] else "")
    when = f"{moment[0]:.2f}/{moment[1]:.1f}"
    print(
        f"{name:<20} {when:>11} {word:>14} {end.seconds:>7.2f} {end.code:>5}  {wrong}", flush=True
    )
    if end.where:
        print(end.where, flush=True)
    return {
        "what": name, "moment": round(moment[0], 2), "signal": word,
        "seconds": round(end.seconds, 2), "code": end.code, "wrong": wrong,
    }  # fmt: skip


def main() -> int:
    """Print the table, write JSON beside `--out`; return 1 where the limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--stops", type=int, default=4, help="stops of each command")
    parser.add_argument("--only", nargs="+", default=[], help="commands")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--spy", default=shutil.which("py-spy"))
    wish = parser.parse_args()
    # A job in the background of a shell inherits an ignored Ctrl-C, and so would what it starts.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    chance = random.Random(wish.seed)
    rows: list[dict[str, Any]] = []
    print(f"{'stopped':<20} {'at, of s':>11} {'signal':>14} {'took s':>7} {'code':>5}  wrong")
    for name, case in cases().items():
        if not wish.only or name in wish.only:
            with tempfile.TemporaryDirectory() as place:
                rows += measured(name, case, Path(place), chance, wish)
    took = [row["seconds"] for row in rows]
    late = [row for row in rows if row["seconds"] > LIMIT_S or row["wrong"]]
    middle = statistics.median(took)
    print(f"{len(rows)} stops, median {middle:.2f} s, longest {max(took):.2f} s, wrong {len(late)}")
    if wish.out:
        told = {"rows": rows, "python": sys.version, "seed": wish.seed}
        wish.out.write_text(json.dumps(told, indent=1) + "\n")
    return int(bool(late))


if __name__ == "__main__":
    sys.exit(main())
