"""Small projects, and ways to stop a run of them: by signal, by system call, by a full disk.

`python -m tests.prep.killing FOLDER` runs a project and prints one line for each call of a
stage's function, before and after it, and waits for an answer: there runs are stopped.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from prep.commands.run import run_pipeline
from prep.engine.session import Context
from prep.engine.state.database import snapshot
from prep.models.locate import Models
from prep.pipeline.config import read_pipelines
from prep.pipeline.pipeline import choose
from prep.pipeline.subcommands import all_commands
from prep.runtime.console import Console
from prep.stage import Stage
from prep.stages import all_stages
from tinyworld.pictures import PICTURES, encoded

ROOT = Path(__file__).resolve().parents[2]
LIGHT = """\
pipelines:
  light:
    images: ./raw
    meta: ./meta.json
    stages:
      - crop: {to: ./images, min_side: 32}
      - edit: {trigger: mascot}
      - bucket: {resolution: 128, step: 32}
"""
TAGGED = LIGHT.replace("      - edit", "      - tag: {model: tiny, batch: 2}\n      - edit")
FULL = """\
pipelines:
  full:
    images: ./raw
    meta: ./meta.json
    stages:
      - crop: {to: ./cut, aspect_ratio: 0.75, min_side: 64}
      - augment: {to: ./images}
      - caption: {model: tiny, batch: 2}
      - tag: {model: tiny, batch: 2, second: tiny}
      - duplicates
      - faces: {model: tiny}
      - check
      - edit: {trigger: mascot, prune: 1}
      - bucket: {resolution: 128, step: 32}
      - latents: {model: tiny, alpha_mask: true}
      - report
"""
# What prep keeps for itself: it tells of how a result came to be, so it may differ.
OWN = ("ledger.", "journal.jsonl", "clock", "lock", "holder.json")
CHANGING = (
    "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "unlink",
    "unlinkat", "mkdir", "mkdirat", "ftruncate", "link", "linkat", "openat",
)  # fmt: skip


def new_project(folder: Path, pipelines: str) -> Path:
    """Write three pictures, a person's own texts and a pipelines.yaml; return the folder."""
    raw = folder / "raw"
    raw.mkdir(parents=True)
    for picture in [each for each in PICTURES if each.kind == "plain"][:3]:
        (raw / picture.name).write_bytes(encoded(picture, 0))
    for name, text in PERSONS.items():
        (folder / name).write_text(text)
    (folder / "pipelines.yaml").write_text(pipelines)
    return folder


PERSONS = {
    "raw/beach 1.txt": "solo, my words",
    "raw/notes.txt": "not a sidecar",
    "raw/.tmp-mine": "a person's, whatever it is called",
    ".tmp-0123456789abcdef0123456789abcdef": "nobody knows whose",
}


def persons(folder: Path) -> dict[str, tuple[str, int]]:
    """Return the text and the time of every file that a person wrote."""
    files = {name: folder / name for name in PERSONS}
    return {name: (file.read_text(), file.stat().st_mtime_ns) for name, file in files.items()}


def tree(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of all that is in a project, but for prep's own memory."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not (path.parent.name == ".prep" and path.name.startswith(OWN))
    }


def rows(folder: Path) -> dict[str, Any]:
    """Return what the ledgers of a project say of results, files and edits."""
    found: dict[str, Any] = {}
    for state in sorted(folder.rglob(".prep")):
        ledger = snapshot(state)
        known = ledger.recipes()
        made = {
            (stage, key): (known[row.base], *row[1:])
            for stage in ledger.stages()
            for key, row in ledger.made(stage).items()
        }
        said = (made, ledger.outputs(), ledger.edits(), ledger.intents(), ledger.samples())
        found[state.relative_to(folder).as_posix()] = said
        ledger.close()
    return found


def environment() -> dict[str, str]:
    """Return the environment of a child: no files of its own, one thread."""
    more = {"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONPATH": str(ROOT)}
    return {**os.environ, **more}


def run(folder: Path, before: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
    """Run a project's pipeline as a person would."""
    words = [*before, sys.executable, "-P", "-m", "prep", "run", "-j", "1"]
    return subprocess.run(
        [*words, "--pipelines", str(folder / "pipelines.yaml")],
        cwd=folder,
        env=environment() | {"XDG_DATA_HOME": str(folder.parent / "home")},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@dataclass
class Watched:
    """A running project that says which stage's function it is about to call, or has called."""

    process: "subprocess.Popen[str]"

    def events(self) -> Iterator[str]:
        """Yield `begin STAGE` and `end STAGE` as they happen; the run waits at each."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            yield line.strip()
            self.go_on()

    def go_on(self) -> None:
        """Let the run go on until its next event."""
        assert self.process.stdin is not None
        with suppress(BrokenPipeError):
            self.process.stdin.write("\n")
            self.process.stdin.flush()

    def reach(self, event: str, nth: int = 1) -> bool:
        """Wait for the n-th time that something happens; False where the run ended before."""
        met = 0
        for said in self.events():
            met += said == event
            if met == nth:
                return True
        return False

    def send(self, number: int, *, group: bool = True) -> int:
        """Send a signal, to the whole process group or the one process; return the exit code."""
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.go_on()  # a function that is called in a thread hears of no signal
        return self.end()

    def end(self) -> int:
        """Let the run go on to its end; return the exit code."""
        for _ in self.events():
            pass
        return self.process.wait(timeout=60)


@contextmanager
def watched(folder: Path) -> Iterator[Watched]:
    """Start a project in a process group of its own; whatever is left of it is killed at last."""
    words = [sys.executable, "-P", "-m", "tests.prep.killing", str(folder)]
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        words,
        cwd=ROOT,
        env=environment(),
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        yield Watched(process)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def killed(folder: Path, event: str, nth: int, delay_s: float) -> bool:
    """Kill a run's whole process group some time after an event; False where it never came."""
    with watched(folder) as running:
        if not running.reach(event, nth):
            return False
        running.go_on()
        time.sleep(delay_s)
    return True


@dataclass(frozen=True)
class Call:
    """One system call that changes a file: the n-th of its name, and all strace says of it."""

    name: str
    nth: int
    text: str


def calls(folder: Path) -> list[Call]:
    """Run a project under strace; return the calls of its main thread that change a file in it.

    Opening is one where it may write. Only calls after the first that names the project count:
    those before are Python's.
    """
    log = folder.parent / "strace.log"
    names = ",".join(CHANGING)
    done = run(folder, ("strace", "-y", "-s", "4096", "-o", str(log), "-e", f"trace={names}"))
    assert done.returncode == 0, done.stderr
    met = dict.fromkeys(CHANGING, 0)
    found = []
    for line in log.read_text(errors="replace").splitlines():
        match = re.match(r"(\w+)\(", line)
        if match is None or match[1] not in met:
            continue
        met[match[1]] += 1
        reads = match[1] == "openat" and not re.search(r"O_WRONLY|O_RDWR", line)
        if str(folder) in line and not reads:
            found.append(Call(match[1], met[match[1]], line))
    return found


def run_into(folder: Path, call: Call, what: str) -> "subprocess.CompletedProcess[str]":
    """Run a project so that at one call happens `what`: `signal=KILL`, `error=ENOSPC`, ..."""
    inject = f"inject={call.name}:{what}:when={call.nth}"
    before = ("strace", "-o", os.devnull, "-e", f"trace={call.name}", "-e", inject)
    return run(folder, before)


def difference(clean: Path, folder: Path) -> list[str]:
    """Return what is not the same in two projects: paths, and names of ledger tables."""
    one, other = tree(clean), tree(folder)
    names = sorted(name for name in one.keys() | other.keys() if one.get(name) != other.get(name))
    ledgers, others = rows(clean), rows(folder)
    names += [state for state in ledgers if ledgers[state] != others.get(state)]
    mine = {name: text for name, (text, _) in persons(folder).items()}
    return names + [name for name in mine if mine[name] != PERSONS[name]]


def changed(folder: Path) -> None:
    """Do what a person does between two runs: other pixels, other params, other words."""
    (folder / "raw/beach 3.png").write_bytes(encoded(PICTURES[4], 1))
    (folder / "raw/beach 2.txt").write_text("late, words")
    file = folder / "pipelines.yaml"
    text = file.read_text().replace("mascot", "hero")
    file.write_text(text.replace("min_side: 32", "min_side: 40"))


def _announced(stage: Stage) -> Stage:
    def said(word: str) -> None:
        sys.stdout.write(f"{word} {stage.name}\n")
        sys.stdout.flush()
        sys.stdin.readline()

    def call(*args: Any) -> Any:
        said("begin")
        result = stage.run(*args)
        said("end")
        return result

    return replace(stage, run=call)


def main(folder: Path, watch: Callable[[Stage], Stage] = lambda stage: stage) -> int:
    """Run a project's pipeline in this process."""
    stages = {name: watch(stage) for name, stage in all_stages().items()}
    pipelines = read_pipelines(folder / "pipelines.yaml", all_commands(stages.values()))
    models = Models(folder.parent / "home", offline=True)
    with Path(os.devnull).open("w") as silence:
        context = Context(stages, models, Console(0, False, silence, silence), 1)
        return run_pipeline(choose(pipelines, None), context, ())


if __name__ == "__main__":
    from prep.runtime.program import run_app
    from prep.runtime.stopping import end_at_once

    with end_at_once():
        run_app(lambda **_: main(Path(sys.argv[1]), _announced), [], "prep")  # type: ignore[arg-type]
