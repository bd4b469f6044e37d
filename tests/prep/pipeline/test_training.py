"""The `train:` section of pipelines.yaml is checked whole before any stage runs."""

import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tinyworld
from prep.pipeline import training
from prep.pipeline.config import read_pipelines
from prep.pipeline.pipeline import Pipeline
from prep.pipeline.subcommands import all_commands
from prep.runtime.errors import ConfigError
from prep.stages import all_stages
from tests.rows import few_of
from train.schedule_rows import SCHEDULES

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
        "schedule: adafactor",
        "steps: 0",
        "optimizer: AdamW8bit",
        "base: ./nowhere",
        "prompts: ./p.txt",
    )

    told = _refused(pipeline)

    assert told[:4] == [
        ("`pipelines.yaml` line 8: `train` has no key `rnk`", "did you mean `rank`?"),
        (
            "`pipelines.yaml` line 9: invalid value for `rank`: it is not a whole number",
            "see `train check --help`",
        ),
        (
            "`pipelines.yaml` line 10: `schedule` is `adafactor`",
            f"the nearest here is `constant`; known: {', '.join(SCHEDULES)}",
        ),
        ("`pipelines.yaml` line 11: `steps` is 0", "give a whole number from 1 to 10000000"),
    ]  # fmt: skip
    needs = "`optimizer: adamw8bit` needs `bitsandbytes`, which is not installed"
    assert [message for message, _ in told[4:]] == [
        f"`pipelines.yaml` line 12: {needs}",
        "`pipelines.yaml` line 13: there is no base model at `./nowhere`",
        "`pipelines.yaml` line 14: the file of prompts `p.txt` is not there",
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("lines", "told"),
    few_of([
        (["method: lara"], "line 7: `method` is `lara`"),
        (["method: finetune", "rank: 4"], "line 8: `train finetune` has no `rank`"),
        (["method: lora", "save_as: file"], "line 8: `train lora` has no `save_as`"),
        (["method: lora", "epochs: 3", "steps: 4"], "line 8: `epochs` and `steps` are both given"),
        (["method: lora", "ahead: true"], "line 8: `train` has no key `ahead`"),
        (["method: lora", "alpha: 0.0"], "line 8: `alpha` is 0.0"),
        (["method: lora", "base: tiny", "clip_skip: 13"], "line 9: `clip_skip` is 13"),
        (["method: lora", "precision: fp16", "device: cpu"], "line 8: `precision: fp16` needs a "),
    ]),
)  # fmt: skip
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
            "schedule: cosine_with_restarts", "out: ./runs", "probe: true",
        )
    )  # fmt: skip

    assert capfd.readouterr() == ("", "")


def test_paths_are_relative_to_the_file(
    section: Callable[..., Pipeline], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case settled 16: base model and prompts are found from wherever the person stands."""
    (home / "p.txt").write_text("a toy\n")
    pipeline = section("method: lora", "prompts: ./p.txt", "held_out_data: ./kept.json")

    assert pipeline.train is not None
    assert pipeline.train["prompts"] == (home / "p.txt").as_posix()
    assert pipeline.train["held_out_data"] == (home / "kept.json").as_posix()
    (home / "inner").mkdir()
    monkeypatch.chdir(home / "inner")
    training.check(pipeline)


def test_a_bug_of_the_check_is_no_mistake_of_the_person(
    section: Callable[..., Pipeline],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Case settled 16: where the check itself breaks, its own words and code are shown."""
    started = [sys.executable, "-c", "1 / 0"]
    monkeypatch.setattr(training, "program_words", lambda module: started)

    with pytest.raises(SystemExit) as stopped:
        training.check(section("method: lora"))

    assert stopped.value.code == 1
    assert capfd.readouterr().err.endswith("ZeroDivisionError: division by zero\n")


def _told(out: str, err: str) -> list[str]:
    return [line for line in (out + err).splitlines() if " of " in line and "train on" in line]


@pytest.mark.parametrize(
    ("line", "what", "hint"),
    few_of([
        ("network_dim: 8", "`train` has no key `network_dim`", "did you mean `rank`?"),
        ("network_alpha: 8", "`train` has no key `network_alpha`", "did you mean `alpha`?"),
        ("unet_lr: 1e-4", "`train` has no key `unet_lr`", "did you mean `learning_rate`?"),
        ("max_train_epochs: 8", "`train` has no key `max_train_epochs`", "did you mean `epochs`?"),
        ("train_batch_size: 2", "`train` has no key `train_batch_size`", "did you mean `batch`?"),
        ("xformers: true", "`train` has no key `xformers`", "did you mean `attention`?"),
        ("resolution: 768", "`train` has no key `resolution`",
         "leave it out: `prep bucket` does that, see `prep bucket --help`"),
        ("verbos: true", "`train` has no key `verbos`", "see `train check --help`"),
        ("quiet: true", "`train` has no key `quiet`", "leave it out"),
        ("rank: yes", "invalid value for `rank`: it is not a whole number",
         "see `train check --help`"),
        ("rank: no", "invalid value for `rank`: it is not a whole number",
         "see `train check --help`"),
        ("stepz: no", "`train` has no key `stepz`", "did you mean `steps`?"),
        ("rank: [1, 2]", "`rank` has several values", "write one"),
        ("alpha:", "`alpha` has no value", "write one, or leave it out"),
        ("name: on", "`name` is `on`", 'put it in quotes: "on"'),
        ("text_encoder: 3", "`text_encoder` is `3`", "write true or false"),
        ('text_encoder: "yes"', "`text_encoder` is `yes`", "write true or false"),
        ("prompts: ./in/p.txt", "the file of prompts `in/p.txt` is not there",
         "name a text file with one prompt a line"),
        ("start_from: ./in/a.safetensors", "there is no file `in/a.safetensors`",
         "name a LoRA: a `.safetensors` file"),
        ("resume: ./in", "`in` is not a run folder", "name a folder that holds `config.json`"),
        ("out: /dev/null/x",
         "`/dev/null/x` cannot be written: `/dev/null` is a pipe, socket or device, not a folder",
         "name another folder: `out: FOLDER`"),
    ]),
)  # fmt: skip
def test_a_plan_refuses_what_a_run_would(
    prep: Callable[..., Any],
    draw: Callable[..., Path],
    home: Path,
    line: str,
    what: str,
    hint: str,
) -> None:
    """Case settled 16: a mistake of `train:` is told by `prep plan`, in the words of `prep run`."""
    draw("toys/a.png")
    text = f"{HEAD}      method: lora\n      {line}\n"
    (home / "pipelines.yaml").write_text(text, encoding="utf-8")
    told = f"error: `pipelines.yaml` line 8: {what}\nhint: {hint}\n"

    assert prep("plan") == (1, "", told)
    assert prep("plan", "toys") == (1, "", told)
    if line.partition(":")[0] in ("network_dim", "name", "prompts"):  # it asks torch: slow
        assert prep("run") == (1, "", told)


def test_no_hint_proposes_what_the_method_lacks(section: Callable[..., Pipeline]) -> None:
    """Case settled 16: `rank` is not proposed for a fine-tune, which has none."""
    assert _refused(section("method: finetune", "network_dim: 8", "rnk: 3")) == [
        ("`pipelines.yaml` line 8: `train` has no key `network_dim`", "see `train check --help`"),
        ("`pipelines.yaml` line 9: `train` has no key `rnk`", "see `train check --help`"),
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (["base: tiny", "learning_rate: 1e-4", "name: 1.50"],
         "--base tiny --learning-rate 1e-4 --name 1.50"),
        (["text_encoder: no", "shuffle_tags: on", "name: a b's"],
         """--no-text-encoder --shuffle-tags --name 'a b'"'"'s'"""),
        (["base: ./model", "prompts: ./p.txt"], "--base ../model --prompts ../p.txt"),
    ],
)  # fmt: skip
def test_a_plan_shows_a_command_that_can_be_typed(
    section: Callable[..., Pipeline],
    prep: Callable[..., Any],
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    lines: list[str],
    words: str,
) -> None:
    """Case settled 16: typed where the person stands, the command means what the section says."""
    shutil.copytree(Path(tinyworld.__file__).parent / "models" / "base", home / "model")
    (home / "p.txt").write_text("a toy\n")
    section("method: lora", *lines)
    (home / "inner").mkdir()
    monkeypatch.chdir(home / "inner")

    told = prep("plan", "--pipelines", "../pipelines.yaml")
    typed = told.out.splitlines()[-1].strip()

    assert (told.code, told.err) == (0, "")
    assert typed == f"train lora ../meta_lat.json {words} --out ../runs"
    train, _, meta, *options = shlex.split(typed)
    check = [sys.executable, "-P", "-m", train, "check", meta, "--ahead", "--at-hand", *options]
    assert subprocess.run(check, capture_output=True, check=False).returncode == 0


def test_a_plan_fetches_and_loads_nothing(
    section: Callable[..., Pipeline], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case settled 16: a base model that is not here yet is no mistake; torch is not asked."""
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", "http://localhost:9")
    training.check(section("method: lora", "base: someone/something"), at_hand=True)
    training.check(section("method: lora", "base: tiny"), at_hand=True)

    assert not (tmp_path / "data" / "prep-and-train" / "looked-through.json").exists()


@pytest.mark.long  # two runs of all programs; test_trained_words tells it of each alone
def test_the_account_of_words_is_printed_once(draw: Callable[..., Path], home: Path) -> None:
    """Case A2: what does not train is told once by `prep run`, by prep and not by train again."""
    for name in "ab":
        draw(f"toys/{name}.png")
    text = HEAD.replace(
        "{trigger: toy}", "{trigger: toy}\n      - bucket: {resolution: 64, step: 32}"
    )
    text = text.replace("    train:", "      - latents: {model: tiny}\n    train:")
    text += "      method: lora\n      base: tiny\n      steps: 1\n      rank: 1\n"
    (home / "pipelines.yaml").write_text(text)
    line = "2 of 2 pictures train on the trigger alone: a.png, b.png"
    command = [sys.executable, "-P", "-m", "prep", "run"]

    for ending in ("trained: ", "already done: "):
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        assert [one.strip() for one in _told(ended.stdout, ended.stderr)] == [line]
        assert ended.stdout.splitlines()[-1].startswith(ending)
