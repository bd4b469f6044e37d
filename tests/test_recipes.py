"""The recipes of docs/recipes.md: every command is typed, on narrow models, with fewer steps."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from prep.cli.app import main as prep_main
from prep.models import safetensors_file
from tests.train.narrow import write_narrow, write_single
from tinyworld.pictures import write_pictures
from train.cli.app import main as train_main
from train.families.sdxl import FAMILY as SDXL

RECIPES = Path(__file__).resolve().parents[1] / "docs" / "recipes.md"
FILES = {"sd15": "v1-5", "sd2": "v2-768"}
PROMPTS = "photo of ohwx --w 64 --h 64 --s 2\n"
# So that the narrow models are trained in seconds.
SMALLER = (
    (r"--epochs \d+", "--epochs 1"), (r"--save-every-epochs \d+", "--save-every-epochs 1"),
    (r"--steps \d+", "--steps 2"), (r"--save-every-steps \d+", "--save-every-steps 1"),
    (r"--cycles \d+", "--cycles 1"), (r"--resolution \d+", "--resolution 64 --step 32"),
    (r"--count \d+", "--count 2 --steps 2 --width 64 --height 64"),
    (r"a sks girl in a garden", "a sks girl in a garden --w 64 --h 64"),
    (r"(prep bucket illust.json)", r"\1 --resolution 64 --step 32"),
)  # fmt: skip


def commands() -> list[str]:
    """Return what follows a `$`, in order."""
    blocks = re.findall(r"```console\n(.*?)```", RECIPES.read_text(), re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("$ ")]


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the base models, the pictures and the files that the recipes name."""
    top = tmp_path_factory.mktemp("recipes")
    home = top / "here"
    home.mkdir()
    SDXL.tiny.write(home / "sdxl")
    for name, short in FILES.items():
        folder = write_narrow(name, top / name)
        write_single(name, folder, home / f"{short}.safetensors")
    write_pictures(top / "drawn")
    drawn = [one for one in sorted((top / "drawn").iterdir()) if "cut off" not in one.name]
    folders = {
        "chara/1_mychara": "sks, hat", "studio/20_photo of ohwx": "", "many": "sks, hat",
        "illust/10_an illustration of a sks girl": "", "illust/reg/1_a girl": "",
    }  # fmt: skip
    for number, (name, text) in enumerate(folders.items()):
        folder = home / name
        folder.mkdir(parents=True)
        picture = drawn[number]
        (folder / f"a{picture.suffix}").write_bytes(picture.read_bytes())
        if text:
            (folder / "a.txt").write_text(text)
    (home / "many" / "a.caption").write_text("a girl with a hat " * 20)
    (home / "prompts.txt").write_text(PROMPTS)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HF_HUB_OFFLINE", "1")
        patched.setenv("OMP_NUM_THREADS", "1")
        patched.setenv("XDG_DATA_HOME", str(top / "user"))
        yield home


def typed(line: str) -> int:
    """Type a command of the page, smaller where it would take long; return its exit code.

    In this process: each of its own would load the libraries anew.
    """
    for old, new in SMALLER:
        line = re.sub(old, new, line)
    program, *words = shlex.split(line)
    with pytest.raises(SystemExit) as ended:
        {"prep": prep_main, "train": train_main}[program](words)
    return int(ended.value.code or 0)


def test_every_recipe_works(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Typed in order, in one folder, every command ends well, and the exports are there."""
    monkeypatch.chdir(here)
    for line in commands():
        if "./sks.safetensors" in line:
            (made,) = here.glob("runs/sks-*/sks.safetensors")
            made.rename(here / "sks.safetensors")
        code, said = typed(line), capsys.readouterr()
        assert code == 0, f"{line}\n{said.out}{said.err}"

    names = {path.name for path in (here / "runs").glob("*/*.safetensors")}
    assert {"chara.safetensors", "short.safetensors", "long.safetensors"} <= names
    assert {"adafactor.safetensors", "blocks.safetensors", "many.safetensors"} <= names
    (blocks,) = here.glob("runs/blocks-*/blocks.safetensors")
    assert not any("_output_blocks_3_" in name for name in safetensors_file.header(blocks).tensors)
    (many,) = here.glob("runs/many-*/many.safetensors")
    assert {at.dtype for at in safetensors_file.header(many).tensors.values()} >= {"F16"}
    assert [path.name for path in (here / "runs").glob("hyper-*/*.pt")] == ["hyper.pt"]
    assert len(list((here / "drawn").iterdir())) == 6
    assert len(list((here / "illust/reg/1_a girl").glob("class-*.png"))) == 1  # one is there
    assert (here / "sks-grid.png").exists()
