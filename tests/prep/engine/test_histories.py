"""Any history of edits, runs and kills ends as one clean run on what is there in the end.

Kills are real: a forked child sends itself SIGKILL just before its n-th flush, rename or removal.
"""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from prep.dataset import dataset_file
from tests.prep import killing
from tinyworld.pictures import PICTURES, encoded

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")

PIPELINE = """\
pipelines:
  any:
    images: ./images
    meta: ./meta.json
    stages:
      - tag: {model: tiny, threshold: 0.5}
      - edit: {trigger: mascot}
      - bucket: {resolution: 128, step: 32}
"""
MOST = 4
FLUSHES = 60


class Histories(RuleBasedStateMachine):
    """A person, a disk and runs that die; what people wrote is remembered beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp())
        self.folder = self.top / "project"
        self.images = self.folder / "images"
        self.images.mkdir(parents=True)
        (self.folder / "pipelines.yaml").write_text(PIPELINE)
        self.made = 0
        self.words: dict[str, str] = {}  # key -> the text that a person wrote beside it
        self.weights: dict[str, float] = {}  # key -> the weight that a person wrote in meta.json
        # What was both renamed and redrawn since the last run is a new picture to anybody, and
        # the text that went with it is a person's: histories do one of the two.
        self.redrawn: set[str] = set()
        self.renamed: set[str] = set()
        self.add(0)

    def keys(self) -> list[str]:
        """Return the pictures there are."""
        return sorted(path.name for path in self.images.glob("*.png"))

    def key(self, nth: int) -> str:
        """Return one of the pictures."""
        return self.keys()[nth % len(self.keys())]

    @precondition(lambda self: len(self.keys()) < MOST)
    @rule(seed=st.integers(0, 3))
    def add(self, seed: int) -> None:
        self.made += 1
        name = f"{seed}{self.made}.png"  # sorts anywhere, and no name comes back
        (self.images / name).write_bytes(encoded(PICTURES[2], self.made))

    @precondition(lambda self: len(self.keys()) > 1)
    @rule(nth=st.integers(0, 3))
    def remove(self, nth: int) -> None:
        key = self.key(nth)
        (self.images / key).unlink()
        (self.images / key).with_suffix(".txt").unlink(missing_ok=True)
        self.words.pop(key, None)
        self.weights.pop(key, None)

    @rule(nth=st.integers(0, 3))
    def rename(self, nth: int) -> None:
        key = self.key(nth)
        if key in self.redrawn:
            return
        self.made += 1
        new = f"{self.made}.png"
        self.renamed.add(new)
        for suffix in (".png", ".txt"):
            file = (self.images / key).with_suffix(suffix)
            if file.exists():
                file.rename((self.images / new).with_suffix(suffix))
        for known in (self.words, self.weights):
            if key in known:
                known[new] = known.pop(key)

    @rule(nth=st.integers(0, 3), seed=st.integers(100, 109))
    def redraw(self, nth: int, seed: int) -> None:
        key = self.key(nth)
        if key not in self.renamed:
            (self.images / key).write_bytes(encoded(PICTURES[2], seed))
            self.redrawn.add(key)

    @rule(nth=st.integers(0, 3), text=st.sampled_from(("hat, red", "\u5e3d\u5b50", "")))
    def write(self, nth: int, text: str) -> None:
        key = self.key(nth)
        (self.images / key).with_suffix(".txt").write_text(text, encoding="utf-8")
        self.words[key] = text

    @precondition(lambda self: (self.folder / "meta.json").exists())
    @rule(nth=st.integers(0, 3), weight=st.sampled_from((0.5, 2.0, 3.0)))
    def weigh(self, nth: int, weight: float) -> None:
        file = self.folder / "meta.json"
        found = dataset_file.load(file)
        key = self.key(nth)
        if key in found.samples:
            self.weights[key] = weight
            weigh(file, {key: weight})

    @rule(threshold=st.sampled_from((0.3, 0.5)), trigger=st.sampled_from(("mascot", "hero")))
    def choose(self, threshold: float, trigger: str) -> None:
        text = PIPELINE.replace("0.5", str(threshold)).replace("mascot", trigger)
        (self.folder / "pipelines.yaml").write_text(text)

    @rule()
    def run(self) -> None:
        assert killing.main(self.folder) == 0
        self.redrawn.clear()
        self.renamed.clear()

    @rule(nth=st.integers(1, FLUSHES))
    def die(self, nth: int) -> None:
        killed_at(self.folder, nth)

    def teardown(self) -> None:
        try:
            self.check()
        finally:
            shutil.rmtree(self.top)

    def check(self) -> None:
        """Compare with a clean run on the same pictures, words and params."""
        assert killing.main(self.folder) == 0
        clean = self.top / "clean"
        (clean / "images").mkdir(parents=True)
        shutil.copy(self.folder / "pipelines.yaml", clean)
        for key in self.keys():
            shutil.copy(self.images / key, clean / "images")
        for key, text in self.words.items():
            (clean / "images" / key).with_suffix(".txt").write_text(text, encoding="utf-8")
        assert killing.main(clean) == 0
        weigh(clean / "meta.json", self.weights)
        assert killing.main(clean) == 0
        assert killing.tree(self.folder) == killing.tree(clean)


def weigh(file: Path, weights: dict[str, float]) -> None:
    """Edit weights in a dataset file as a person would: the file keeps all else."""
    import json

    found = json.loads(file.read_text(encoding="utf-8"))
    for key, weight in weights.items():
        found["samples"][key]["weight"] = weight
    file.write_text(json.dumps(found), encoding="utf-8")


def killed_at(folder: Path, nth: int) -> None:
    """Run in a child that SIGKILL ends just before its n-th change of the disk."""
    child = os.fork()
    if child == 0:
        count = 0

        def deadly(real: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **more: Any) -> Any:
                nonlocal count
                count += 1
                if count == nth:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*args, **more)

            return call

        for name in ("fsync", "replace", "rename", "unlink"):
            setattr(os, name, deadly(getattr(os, name)))
        code = 1
        try:
            code = killing.main(folder)
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status


Histories.TestCase.settings = settings(
    max_examples=8,
    stateful_step_count=10,
    deadline=None,
    phases=(Phase.generate,),  # ten steps are read as they are; shrinking takes minutes
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
TestHistories = Histories.TestCase
