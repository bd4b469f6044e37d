"""What a person may change about a small project, one function each."""

import json
import os
import shutil
from pathlib import Path

import pytest
from safetensors.numpy import load_file, save_file

from prep.cli.app import main
from tests.prep.projects import Project, drawing

PICTURE = "beach 1.jpg"
STEM = "beach 1"


def typed(*words: str) -> int:
    """Type `prep WORDS` in this process; return the exit code."""
    with pytest.raises(SystemExit) as ended:
        main(list(words))
    return int(ended.value.code or 0)


def replace_pixels(project: Project) -> None:
    """Put another picture under the same name, with the same size and modification time."""
    path = project.images / PICTURE
    before = path.stat()
    data = drawing("snow 2.jpg", 50)  # smaller, so that it can be filled up
    path.write_bytes(data + bytes(before.st_size - len(data)))  # decoders stop at the JPEG's end
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def add_first(project: Project) -> None:
    (project.images / "a first.png").write_bytes(drawing("night 3.png", 5))


def add_twin(project: Project) -> None:
    shutil.copy(project.images / PICTURE, project.images / "twin.jpg")


def edit_sidecar(project: Project) -> None:
    (project.images / f"{STEM}.txt").write_text("my own, words\n")


def edit_caption(project: Project) -> None:
    (project.images / f"{STEM}.caption").write_text("my own sentence\n")


def edit_sheet(project: Project) -> None:
    sheet = project.images / "tags.csv"
    lines = sheet.read_bytes().decode("utf-8-sig").splitlines()
    row = next(n for n, line in enumerate(lines) if line.startswith(PICTURE))
    cells = lines[row].split(",")
    lines[row] = ",".join([*cells[:-1], "look here"])
    sheet.write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    assert typed("review", "import", str(sheet)) == 0


def edit_meta(project: Project) -> None:
    path = project.folder / "meta.json"
    meta = json.loads(path.read_text())
    meta["samples"][PICTURE]["caption"] = "what I see"
    path.write_text(json.dumps(meta))


def touch(project: Project) -> None:
    for path in project.images.iterdir():
        path.touch()


def delete(project: Project) -> None:
    (project.images / PICTURE).unlink()


def rename(project: Project) -> None:
    (project.images / PICTURE).rename(project.images / "zebra.jpg")


def rename_with_sidecars(project: Project) -> None:
    for path in project.images.glob(f"{STEM}.*"):
        path.rename(path.with_stem("zebra"))


def other_threshold(project: Project) -> None:
    project.replace("tag: {model: tiny,", "tag: {threshold: 0.99, model: tiny,")


def add_rule(project: Project) -> None:
    (project.folder / "tags.rules").write_text("- drop: [no_humans, indoors]\n- add: [drawn]\n")


def other_trigger(project: Project) -> None:
    project.replace("trigger: mascot", "trigger: mascotta")


def other_resolution(project: Project) -> None:
    project.replace("resolution: 128", "resolution: 160")


def other_vae(project: Project) -> None:
    """Name a copy of the base model whose VAE has one weight changed."""
    import tinyworld

    base = Path(tinyworld.__file__).parent / "models" / "base"
    shutil.copytree(base, project.folder / "base")
    file = project.folder / "base" / "vae" / "diffusion_pytorch_model.safetensors"
    weights = load_file(file)
    name = "encoder.conv_in.weight"
    save_file(weights | {name: weights[name] * 1.01}, file)
    project.replace("latents: {model: tiny}", "latents: {model: ./base}")
