"""README and pages agree with the code: their commands run, the table is that of the stages."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bootstrap import PROGRAMS
from prep.images import picture_file
from prep.pipeline.config import read_pipelines
from prep.pipeline.subcommands import all_commands
from prep.stage import Shape, Stage
from prep.stages import all_stages
from tests.tagger_models.model_server import says, serving
from tinyworld.pictures import write_pictures

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
STAGES = ROOT / "docs" / "stages.md"
# Their commands are typed in this order, in one folder: a page goes on where the one before ends.
PAGES = (
    "README.md", "docs/first_character_lora.md", "docs/editing.md", "docs/tagging.md",
    "docs/stages.md", "docs/captioning.md", "docs/words.md", "docs/troubleshooting.md",
    "docs/duplicates.md", "docs/checks.md", "docs/crops.md", "docs/augment.md",
)  # fmt: skip
TINY = ROOT / "tinyworld" / "models"
BEGIN, END = "<!-- stages -->\n", "<!-- /stages -->\n"
REAL = {
    "Salesforce/blip-image-captioning-large": "captioner",
    "SmilingWolf/wd-vit-tagger-v3": "tagger",
    "anime-face": "detector",
    "stable-diffusion-v1-5/stable-diffusion-v1-5": "base",
}
# So that the stand-ins, made for small pictures, are trained and drawn in seconds.
SMALLER = (
    ("resolution: 512, step: 64", "resolution: 128, step: 32"),
    ("steps: 2000", "steps: 2"), ("repeats: 10", "repeats: 1"),
    ("--steps 1500", "--steps 2"), ("--epochs 10 ", "--epochs 2 "),
    ("--save-every-epochs 2", "--save-every-epochs 1"), ("--held-out 2", "--held-out 1"),
    ("prep augment ./images ./more", "prep augment ./images ./more --no-flip"),
    ("prep bucket more.json", "prep bucket more.json --resolution 128 --step 32"),
    ("--w 512 --h 512", "--w 64 --h 64 --s 2"),
    ("prep faces ./raw", "prep faces ./raw --model tiny"),
    ("train pick ", "train pick --steps 2 --pictures 2 "),
    ("train sample ", "train sample --steps 2 "),
)  # fmt: skip


def steps(page: str) -> Iterator[tuple[str, str]]:
    """Yield what a page has a person do, in order: ("$", a command) or (a file, its content)."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for name, content in re.findall(r"```(?:console|\w+ ([\w.]+))\n(.*?)```", text, re.DOTALL):
        if name:
            yield name, content
        else:
            yield from (("$", line[2:]) for line in content.splitlines() if line.startswith("$ "))


def commands(page: str) -> list[str]:
    """Return the commands of a page, in order."""
    return [what for kind, what in steps(page) if kind == "$"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A hub cache in which the real models are the stand-ins, and a folder `raw`."""
    top = tmp_path_factory.mktemp("readme")
    revision = "0" * 40
    for name, kind in REAL.items():
        folder = top / "hub" / f"models--{name.replace('/', '--')}"
        shutil.copytree(TINY / kind, folder / "snapshots" / revision)
        (folder / "refs").mkdir()
        (folder / "refs" / "main").write_text(revision)
    write_pictures(top / "drawn")
    (top / "here" / "raw").mkdir(parents=True)
    whole = [path for path in sorted((top / "drawn").iterdir()) if "cut off" not in path.name]
    for number, path in enumerate(whole[:3], start=1):
        shutil.copy(path, top / "here" / "raw" / f"{number:02}{path.suffix}")
    first = next((top / "here" / "raw").glob("01.*"))
    first.rename(first.with_name("01.jpg"))
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HF_HUB_CACHE", str(top / "hub"))
        patched.setenv("HF_HUB_OFFLINE", "1")
        patched.setenv("OMP_NUM_THREADS", "1")
        patched.setenv("XDG_DATA_HOME", str(top / "user"))
        yield top / "here"


class Typist:
    """A process in which commands are typed one after the other: libraries are loaded once.

    What they and their children write goes into a file; exit codes come back.
    """

    _PROGRAM = """if True:
        import os, sys
        from prep.cli.app import main as prep
        from train.cli.app import main as train
        answers = os.fdopen(os.dup(1), "w")
        os.dup2(os.open("said", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 1)
        os.dup2(1, 2)
        for line in sys.stdin:
            program, *words = line.rstrip("\\n").split("\\0")
            try:
                {"prep": prep, "train": train}[program](words)
            except SystemExit as ended:
                sys.stdout.flush()
                print(ended.code or 0, file=answers, flush=True)
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-c", self._PROGRAM], cwd=folder, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def type(self, words: list[str]) -> tuple[int, str]:
        """Return the exit code of a command, and all that was said up to its end."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\0".join(words) + "\n")
        self._process.stdin.flush()
        code = self._process.stdout.readline().strip()
        return int(code or -1), (self._folder / "said").read_text()

    def leave(self) -> None:
        """End the process."""
        self._process.communicate()


@pytest.fixture(scope="module")
def typist(home: Path) -> Iterator[Typist]:
    """One process for all commands of the README."""
    found = Typist(home)
    yield found
    found.leave()


def smaller(text: str) -> str:
    """Return a command or a file of a page, smaller where it would take long."""
    for old, new in SMALLER:
        text = text.replace(old, new)
    return text


def typed(line: str, folder: Path, url: str, typist: Typist) -> tuple[int, str]:
    """Type a command of a page, smaller where it would take long.

    Args:
        folder: Where it is typed.
        url: Of the server that stands in for a person's own.
    """
    line = smaller(line).replace("http://localhost:1234/v1", url)
    for run in re.findall(r"runs/(\w+)-0a1b2c3d", line):
        (made,) = folder.glob(f"runs/{run}-????????")
        line = line.replace(f"{run}-0a1b2c3d", made.name)
    pipelines = folder / "pipelines.yaml"
    if line.startswith("prep init "):  # a page begins anew; what is done already costs nothing
        pipelines.unlink(missing_ok=True)
    done = typist.type(shlex.split(line))
    if pipelines.exists():
        pipelines.write_text(smaller(pipelines.read_text()))
    return done


@pytest.fixture(scope="module")
def pages_done(home: Path, typist: Typist) -> list[str]:
    """All pages typed in order; what the server that stands in was asked."""
    with serving([says("Sure! A drawing.")]) as server:
        for kind, what in [step for page in PAGES for step in steps(page)]:
            if kind != "$":
                (home / kind).write_text(smaller(what))
            elif not what.startswith("python bootstrap.py "):
                if what.startswith("prep reset "):  # it gives back a person's words
                    (home / "raw" / "01.txt").write_text("my own tag\n")
                if what == "prep duplicates ./raw":
                    shutil.copy(home / "raw" / "01.jpg", home / "raw" / "copy.jpg")
                code, said = typed(what, home, server.url, typist)
                assert code == 0, f"{what}\n{said}"
    return [asked.prompt() for asked in server.asked]


def test_every_command_works(home: Path, pages_done: list[str]) -> None:
    """Typed in order, in one folder, every command of the README and the pages ends well."""
    assert len(pages_done) == 6
    assert "in one paragraph" in pages_done[0]
    assert "Describe 01 in one sentence. Its tags: " in "".join(pages_done[3:])
    exports = {path.name for path in (home / "runs").glob("*/*.safetensors")}
    assert {"raw.safetensors", "more.safetensors", "mychara-000001.safetensors"} <= exports


def test_the_bootstrap_s_commands_are_its_own() -> None:
    """`demo` and `test` are commands of bootstrap.py; the demo's tests and CI run them."""
    found = commands("README.md")
    lines = [line for line in found if line.startswith("python bootstrap.py ")]

    assert [line.split()[-1] for line in lines] == ["demo", "test"]
    assert {line.split()[-1] for line in lines} <= set(PROGRAMS)
    assert found[0] == "python bootstrap.py demo"


def test_the_real_models_are_the_defaults() -> None:
    """The models that README and pages name are those that a stage takes unless told otherwise."""
    text = README.read_text() + (ROOT / "docs" / "crops.md").read_text()
    defaults = {
        stage.params().model
        for stage in all_stages().values()
        if "model" in stage.params.__dataclass_fields__
    }

    assert all(f"`{name}`" in text for name in REAL)
    assert all(f"{name.rpartition('/')[2]}`" in text for name in defaults)


def test_the_table_of_stages_is_not_stale(update_golden: bool) -> None:
    """What docs/stages.md says each stage reads and writes is what the stages declare."""
    text = STAGES.read_text()
    before, _, rest = text.partition(BEGIN)
    shown, _, after = rest.partition(END)
    wanted = "\n".join(table()) + "\n"
    if update_golden and shown != wanted:
        STAGES.write_text(before + BEGIN + wanted + END + after)
        shown = wanted

    assert shown == wanted, "the table is stale: run `pytest --update-golden`"


def table() -> Iterator[str]:
    """Yield the lines of the table: commands by name, in each its stages in their order."""
    yield "| command | stage | reads | writes | |"
    yield "|---|---|---|---|---|"
    for command in all_commands(all_stages().values()).values():
        for stage in command.stages:
            reads = ", ".join(_brief(stage.reads))
            yield (
                f"| `{command.name}` | {stage.name} | {reads} | {written(stage)} | {stage.help} |"
            )


def written(stage: Stage) -> str:
    """Return what a stage writes, as a person finds it."""
    if stage.shape is Shape.FAN_OUT:
        return "pictures of another folder"
    if stage.shape is Shape.SIDECAR:
        return f"`x.{'txt' if stage.writes == 'tags' else stage.writes}`"
    if stage.shape is Shape.VIEW:
        return f"`{stage.writes}`" if "." in stage.writes else f"`{stage.writes}.json`"
    return stage.writes


def _brief(reads: tuple[str, ...]) -> Iterator[str]:
    """Yield what is read; the fields of dataset files that a person may edit in one word."""
    yield from (name for name in reads if not name.startswith("meta."))
    if any(name.startswith("meta.") for name in reads):
        yield "your edits of it"


def test_the_complete_pipelines_yaml_is_valid(tmp_path: Path) -> None:
    """pipelines.yaml of the repository can be read, also with its optional lines switched on."""
    text = (ROOT / "pipelines.yaml").read_text()
    optional = re.sub(r"(?m)^( +)# (- \w+: |(?:sidecars|state|rules|alpha): )", r"\1\2", text)
    optional = re.sub(r"rules: \./tags\.rules", "rules: ''", optional)
    assert optional.count("#") < text.count("#")
    known = all_commands(all_stages().values())
    found = []
    for name, content in (("usual", text), ("optional", optional)):
        (tmp_path / f"{name}.yaml").write_text(content)
        found.append(read_pipelines(tmp_path / f"{name}.yaml", known)["character"])

    usual, more = ([step.command.name for step in pipeline.steps] for pipeline in found)
    assert usual == ["caption", "tag", "duplicates", "edit", "bucket", "latents"]
    assert more == ["faces", "crop", "augment", *usual]


def test_the_complete_pipelines_yaml_has_the_defaults() -> None:
    """A value of pipelines.yaml that is not the default says so on its line."""
    text = (ROOT / "pipelines.yaml").read_text()
    known = all_commands(all_stages().values())
    for step in read_pipelines(ROOT / "pipelines.yaml", known)["character"].steps:
        for name, value in step.values.items():
            if value != step.command.params()[name].default:
                assert re.search(rf"(?m)^ +{name}: .*# default: ", text), name


def test_the_formats_named_are_the_formats_read() -> None:
    """Each kind of picture file that the pages name is one that prep opens, and no other."""
    pages = README.read_text(), (ROOT / "docs" / "files.md").read_text()
    (line,) = {*re.findall(r"Pictures: ([A-Za-z, ]+)\.", "".join(pages))}
    suffixes = {"." + name.strip().lower() for name in line.split(",")}
    # Other endings of the same.
    also = {".jpg", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp", ".mpo", ".apng", ".dib", ".tif"}

    assert suffixes | also | {".avifs"} == picture_file.SUFFIXES
