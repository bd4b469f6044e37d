"""The `train:` section of pipelines.yaml is checked whole before any stage runs."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep import training
from prep.commands import all_commands
from prep.config import Pipeline, read_pipelines
from prep.errors import ConfigError
from prep.stages import all_stages

HEAD = """\
pipelines:
  toys:
    images: ./toys
    stages:
      - edit: {trigger: toy}
    train:
"""


@pytest.fixture
def section(draw: Callable[..., Path], home: Path) -> Callable[..., Pipeline]:
    """The function that writes a pipeline with a training step of these lines."""
    draw("toys/a.png")

    def write(*lines: str) -> Pipeline:
        text = HEAD + "".join(f"      {line}\n" for line in lines)
        (home / "pipelines.yaml").write_text(text, encoding="utf-8")
        known = all_commands(all_stages().values())
        return read_pipelines(home / "pipelines.yaml", known)["toys"]

    return write


def _refused(pipeline: Pipeline) -> list[tuple[str, str | None]]:
    with pytest.raises(ConfigError) as caught:
        training.check(pipeline)
    return [(str(caught.value), caught.value.hint), *caught.value.others]


def test_no_stage_runs_where_training_could_not(
    prep: Callable[..., Any], section: Callable[..., Pipeline], home: Path
) -> None:
    """Case settled 16: `prep run` says what is wrong with `train:` and has written nothing."""
    section("method: lora", "base: tiny", "rank: 0")
    before = sorted(home.rglob("*"))

    assert prep("run") == (
        1,
        "",
        ("error: `pipelines.yaml` line 9: `rank` is 0\nhint: give a whole number from 1 to 1024\n"),
    )
    assert sorted(path for path in home.rglob("*") if "prep-and-train" not in path.parts) == before


def test_all_mistakes_come_with_their_lines(
    section: Callable[..., Pipeline], capfd: pytest.CaptureFixture[str]
) -> None:
    """Case settled 16: keys, values, limits, packages and files, all in the file's order."""
    pipeline = section(
        "method: lora",
        "rnk: 4",
        "rank: sixteen",
        "schedule: linear",
        "steps: 0",
        "optimizer: AdamW8bit",
        "base: ./nowhere",
        "prompts: ./p.txt",
    )

    told = _refused(pipeline)

    assert told[:4] == [
        ("`pipelines.yaml` line 8: `train` has no key `rnk`", "did you mean `rank`?"),
        (
            (
                "`pipelines.yaml` line 9: invalid value for `rank`: Input should be a valid "
                "integer, unable to parse string as an integer"
            ),
            "see `train check --help`",
        ),
        (
            "`pipelines.yaml` line 10: `schedule` is `linear`",
            (
                "the nearest here is `cosine`; known: constant, cosine, cosine-with-restarts"
            ),
        ),
        ("`pipelines.yaml` line 11: `steps` is 0", "give a whole number from 1 to 10000000"),
    ]  # fmt: skip
    needs = "`optimizer: adamw8bit` needs `bitsandbytes`, which is not installed"
    assert [message for message, _ in told[4:]] == [
        f"`pipelines.yaml` line 12: {needs}",
        "`pipelines.yaml` line 13: no base is at `./nowhere`",
        "`pipelines.yaml` line 14: the file of prompts `p.txt` is not there",
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["method: lara"], "line 7: `method` is `lara`"),
        (["method: finetune", "rank: 4"], "line 8: `train finetune` has no `rank`"),
        (["method: lora", "save_as: file"], "line 8: `train lora` has no `save_as`"),
        (["method: lora", "epochs: 3", "steps: 4"], "line 8: `epochs` and `steps` are both given"),
        (["method: lora", "ahead: true"], "line 8: `train` has no key `ahead`"),
        (["method: lora", "alpha: 0.0"], "line 8: `alpha` is 0.0"),
        (["method: lora", "base: tiny", "clip_skip: 13"], "line 9: `clip_skip` is 13"),
        (["method: lora", "precision: fp16", "device: cpu"], "line 8: `precision: fp16` needs a "),
    ],
)
def test_a_mistake_has_its_line(
    section: Callable[..., Pipeline], lines: list[str], told: str
) -> None:
    """Case settled 16: what is wrong is told in the words of the file, at the key's line."""
    assert told in _refused(section(*lines))[0][0]


def test_a_good_section_passes(
    section: Callable[..., Pipeline], capfd: pytest.CaptureFixture[str]
) -> None:
    """Case settled 16: nothing is said of a section that could be trained, in kohya's words too."""
    training.check(
        section(
            "method: lora", "base: tiny", "rank: 4", "text_encoder: yes", "steps: 3",
            "schedule: cosine_with_restarts", "out: ./runs",
        )
    )  # fmt: skip

    assert capfd.readouterr() == ("", "")


def test_paths_are_relative_to_the_file(
    section: Callable[..., Pipeline], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case settled 16: base model and prompts are found from wherever the person stands."""
    (home / "p.txt").write_text("a toy\n")
    pipeline = section("method: lora", "prompts: ./p.txt")

    assert pipeline.train is not None
    assert pipeline.train["prompts"] == (home / "p.txt").as_posix()
    (home / "inner").mkdir()
    monkeypatch.chdir(home / "inner")
    training.check(pipeline)


def test_a_bug_of_the_check_is_no_mistake_of_the_person(
    section: Callable[..., Pipeline],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Case settled 16: where the check itself breaks, its own words and code are shown."""
    monkeypatch.setattr(training, "_program", lambda: [sys.executable, "-c", "1 / 0"])

    with pytest.raises(SystemExit) as stopped:
        training.check(section("method: lora"))

    assert stopped.value.code == 1
    assert capfd.readouterr().err.endswith("ZeroDivisionError: division by zero\n")
