"""What every stage promises; a stage that is added is covered the moment its file exists."""

import ast
import hashlib
import json
import subprocess
import sys
from dataclasses import MISSING, FrozenInstanceError, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import prep.stages
from prep.cli.app import main
from prep.dataset.file_names import LINKS
from prep.engine.state.recipe import base_text
from prep.models.locate import Models
from prep.pipeline.config import read_pipelines
from prep.pipeline.subcommands import all_commands, mistake
from prep.runtime.errors import ConfigError
from prep.stage import Shape, Stage
from prep.stages import all_stages
from tests.prep.stage_bench import Bench, opened, summary

FOLDER = Path(prep.stages.__file__).parent
GOLDEN = Path(__file__).resolve().parents[2] / "golden" / "stages.json"
NEAR = 2e-3
HEAVY = {
    "torch", "transformers", "diffusers", "onnxruntime", "pandas", "numpy", "PIL", "safetensors",
    "huggingface_hub",
}  # fmt: skip
# What a sample has without a stage: see prep.stage, and the columns of the sheet.
GIVEN = {
    "image", "mask_file", "alpha", "size", "warnings", "digest", "key", "lineage", "keep",
    "rating", "concept", "weight", "notes", "crop_box",
}  # fmt: skip
# Options that every command has of its own, and names of folders in pipelines.yaml.
TAKEN = {
    "state", "pipelines", "jobs", "accept_missing", "dry_run", "quiet", "verbose", "json", "help",
    "out", "to", "folder", "source", "out_folder", "meta",
}  # fmt: skip

every_stage = pytest.mark.parametrize("stage", all_stages().values(), ids=lambda s: s.name)
every_command = pytest.mark.parametrize(
    "name", [name for name in all_commands(all_stages().values()) if " " not in name]
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    """Three pictures, and what the stages make of them."""
    return Bench(Models(tmp_path_factory.mktemp("home"), offline=True))


def test_every_file_is_a_stage() -> None:
    """A module of prep/stages holds a stage of its own name; none is passed over in silence."""
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}

    assert {stage.name for stage in all_stages().values()} == files


@every_stage
def test_params_are_frozen_and_described(stage: Stage) -> None:
    """Every param has a default and a help line, and cannot change under a running stage."""
    assert is_dataclass(stage.params)
    for item in fields(stage.params):
        assert item.default is not MISSING, item.name
        assert item.metadata["help"], item.name
        assert item.type in (str, int, float, bool), item.name
        with pytest.raises(FrozenInstanceError):
            setattr(stage.params(), item.name, item.default)


@every_stage
def test_defaults_keep_their_own_limits(stage: Stage) -> None:
    """What a person gets without asking is allowed."""
    assert [mistake(item, item.default) for item in fields(stage.params)] == [None] * len(
        fields(stage.params)
    )


@every_stage
def test_it_says_what_it_does(stage: Stage) -> None:
    """Its help is one sentence, and its version a number to be raised."""
    assert stage.help.endswith(".")
    assert stage.help[0].isupper()
    assert stage.version >= 1


@every_stage
def test_what_it_reads_is_made_or_known(stage: Stage, bench: Bench) -> None:
    """Each artifact that a stage reads has one stage that writes it, or comes with the sample."""
    for name, _ in stage.needs():
        known = name in GIVEN or name.startswith(("meta.", "yours."))
        assert known or bench.producer(name) is not None, name


def test_one_writer_for_each_artifact() -> None:
    """No two stages make the same artifact, sidecar or file."""
    views = (Shape.SIDECAR, Shape.VIEW)
    kept = [s for s in all_stages().values() if s.shape is not Shape.FAN_OUT]
    written = [(s.writes, s.shape if s.shape in views else "artifact") for s in kept]

    assert sorted(map(str, written)) == sorted(map(str, set(written)))


def test_what_is_declared_of_a_folder_is_declared_once() -> None:
    """A person's field, a text file and a link of the chain have one stage each; so has the sheet.

    The engine asks for them by what is declared, and never by name.
    """
    stages = all_stages().values()
    fields_ = [item for stage in stages for item in stage.fields]
    suffixes = [item.suffix for item in fields_ if item.suffix]

    assert sorted({item.name for item in fields_}) == sorted(item.name for item in fields_)
    assert sorted(set(suffixes)) == sorted(suffixes)
    assert [item.name for item in fields_ if item.drops is not None] == ["keep"]
    assert sorted(s.link for s in stages if s.link is not None) == sorted(LINKS)
    assert [stage.writes for stage in stages if stage.main] == ["tags.csv"]


@every_stage
def test_what_it_declares_of_batches_holds(stage: Stage) -> None:
    """The param that sets the batch is one of speed, and batches share what is read."""
    if stage.batch is not None:
        (item,) = [item for item in fields(stage.params) if item.name == stage.batch]
        assert item.metadata["speed"]
    assert stage.group_by is None or stage.group_by in dict(stage.needs())
    assert stage.suffix is None or stage.suffix.startswith(".")


@every_stage
def test_speed_never_decides_bytes(stage: Stage) -> None:
    """A param of speed stays out of the recipe; any other one is in it."""
    usual = stage.params()
    other: dict[type, Any] = {int: 77, float: 0.77, str: "other", bool: None}
    for item in fields(stage.params):
        value = not item.default if item.type is bool else other[item.type]  # type: ignore[index]
        texts = [
            base_text(stage, params, (), 0)
            for params in (usual, replace(usual, **{item.name: value}))
        ]
        assert (texts[0] == texts[1]) is item.metadata["speed"], item.name


@every_stage
def test_nothing_heavy_stands_at_the_top(stage: Stage) -> None:
    """A stage's file imports heavy libraries only inside functions."""
    tree = ast.parse((FOLDER / f"{stage.name}.py").read_text())
    top = [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]
    names = {
        name.partition(".")[0]
        for node in top
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [one.name for one in node.names]
        )
    }

    assert not names & HEAVY


def test_all_stages_together_import_nothing_heavy() -> None:
    """Listing every stage and command loads no library that takes seconds."""
    code = "import sys; from prep.cli import app; print(' '.join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=FOLDER.parents[1],
    )

    assert not {name.partition(".")[0] for name in done.stdout.split()} & HEAVY


@every_command
def test_every_param_is_an_option(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`prep STAGE --help` shows each param of the command's stages as an option with its help."""
    command = all_commands(all_stages().values())[name]
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main([name, "--help"])
    shown = " ".join(capsys.readouterr().out.split())

    assert command.help() in shown
    for param, item in command.params().items():
        assert param not in TAKEN
        assert f"--{param.replace('_', '-')}" in shown
        assert item.metadata["help"] in shown


@every_command
def test_a_name_means_one_thing_in_a_command(name: str) -> None:
    """Where two stages of a command have a param of one name, it is the same param."""
    command = all_commands(all_stages().values())[name]
    for stage in command.stages:
        for item in fields(stage.params):
            shared = command.params()[item.name]
            assert (item.type, item.default) == (shared.type, shared.default), item.name
            assert item.metadata["limits"] == shared.metadata["limits"], item.name


@every_command
def test_every_param_is_a_key(name: str, tmp_path: Path) -> None:
    """pipelines.yaml takes each param by its name, and no other key."""
    commands = all_commands(all_stages().values())
    command = commands[name]
    to = {"to": "./out"} if command.fans_out() else {}
    values = {key: item.default for key, item in command.params().items()}
    file = tmp_path / "pipelines.yaml"

    def write(more: dict[str, Any]) -> None:
        step = json.dumps({name: values | to | more})
        file.write_text(f"pipelines:\n  p:\n    images: .\n    stages:\n      - {step}\n")

    write({})
    (asked,) = read_pipelines(file, commands)["p"].steps
    assert asked.values == values

    write({"nonsense": 1})
    with pytest.raises(ConfigError) as told:
        read_pipelines(file, commands)
    assert f"`{name}` has no param `nonsense`" in str(told.value)


@every_stage
def test_it_leaves_pictures_alone(stage: Stage, bench: Bench) -> None:
    """A stage changes no pixel of the picture that it is given: others see it too."""
    before = {key: image.tobytes() for key, image in bench.pictures.items()}

    bench.made(stage)

    assert {key: image.tobytes() for key, image in bench.pictures.items()} == before


@every_stage
def test_output_belongs_to_its_version(stage: Stage, bench: Bench, update_golden: bool) -> None:
    """A stage that gives other results has another version, so that people's results are redone."""
    made = bench.made(stage)
    if isinstance(made, bytes):
        made = opened(stage.writes, made)
    elif stage.packed or stage.suffix:
        made = {key: opened(stage.writes, data) for key, data in made.items()}
    exact, numbers = summary(made)
    text = json.dumps(exact, ensure_ascii=True, sort_keys=True)
    found = {
        "digest": hashlib.sha256(text.encode()).hexdigest(),
        "models": bench.digests(stage),
        "numbers": [round(number, 5) for number in numbers],
    }
    name = f"{stage.name}@{stage.version}"
    golden = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    if update_golden and golden.get(name, {}).get("models") != found["models"]:
        golden[name] = found
        lines = ",\n".join(
            f" {json.dumps(key)}: {json.dumps(golden[key])}" for key in sorted(golden)
        )
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text("{\n" + lines + "\n}\n")
    assert name in golden, f"nothing is stored for {name}: run `pytest --update-golden`"
    stored = golden[name]
    assert found["models"] == stored["models"], (
        "the stand-in models are others: run `pytest --update-golden`; the version stays"
    )
    raise_it = (
        f"`{stage.name}` gives other results than {name} did: raise `version` to "
        f"{stage.version + 1} in prep/stages/{stage.name}.py, then run `pytest --update-golden`"
    )
    assert found["digest"] == stored["digest"], raise_it
    assert found["numbers"] == pytest.approx(stored["numbers"], abs=NEAR), raise_it
