"""What `train sample` may write over: its own pictures, and nothing else."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from prep.models.locate import Models
from prep.runtime.errors import UserError
from tests.train.runs import new_console
from train.samples import sheet
from train.samples.prompts import Prompt
from train.samples.subject import subject_of
from train.samples.wish import Wish

PROMPT = Prompt("mascot", width=64, height=64, steps=1)


def _sample(models: Models, target: Path, each: Path | None) -> None:
    wish = Wish([PROMPT], [1.0], [], each=each)
    sheet.sample(subject_of(["tiny"]), wish, target, models, new_console())


def _photo(path: Path) -> None:
    Image.new("RGB", (8, 8)).save(path)


def _of_webui(path: Path) -> None:
    told = PngInfo()
    told.add_text("parameters", "mascot\nSteps: 1, Sampler: DDIM, CFG scale: 7.5, Seed: 0")
    Image.new("RGB", (8, 8)).save(path, pnginfo=told)


def _text(path: Path) -> None:
    path.write_text("{}")


def _empty(path: Path) -> None:
    path.touch()


def _torn(path: Path) -> None:
    path.write_bytes(b"\x89PNG\r\n\x1a\n\0\0")


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    _photo(path.with_name("photo of a person.png"))
    path.symlink_to(path.with_name("photo of a person.png"))


@pytest.mark.parametrize("make", [_photo, _of_webui, _text, _empty, _torn, _folder, _link])
def test_what_another_program_made_is_kept(
    tmp_path: Path, models: Models, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    """As a sheet's file and as a picture alone it is refused by name, and no model is opened."""
    monkeypatch.setattr(sheet, "opened_base", _opened)
    alone, target = tmp_path / "alone", tmp_path / "s.png"
    alone.mkdir()
    for path in (target, alone / "000 tiny.png"):
        make(path)
    before = _tree(tmp_path)
    told = []
    for place, each in ((target, None), (tmp_path / "new.png", alone)):
        with pytest.raises(UserError) as caught:
            _sample(models, place, each)
        told.append((str(caught.value), caught.value.hint))

    kept = "is there and was not drawn by this program: it is kept"
    assert told == [
        (f"`{target}` {kept}", "name another file by `--out`, or move this one away"),
        (
            f"`{alone / '000 tiny.png'}` {kept}",
            "name another folder by `--each`, or move this file away",
        ),
    ]
    assert _tree(tmp_path) == before


def _opened(*_: Any) -> Any:
    raise AssertionError


def _tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_a_place_for_no_picture_is_told(tmp_path: Path, models: Models) -> None:
    """A sheet whose name ends otherwise, new or there, and a file in place of a folder."""
    lora = tmp_path / "toy.safetensors"
    lora.write_bytes(b"all my work")
    told = []
    for target, each in (
        (lora, None),
        (tmp_path / "new", None),
        (tmp_path / "s.png", lora),
    ):
        with pytest.raises(UserError) as caught:
            _sample(models, target, each)
        told.append((str(caught.value), caught.value.hint))

    assert told == [
        (f"`--out {lora}` does not end in `.png`",
         "a sheet is a PNG picture: name it `toy.safetensors.png`"),
        (f"`--out {tmp_path / 'new'}` does not end in `.png`",
         "a sheet is a PNG picture: name it `new.png`"),
        (f"`--each {lora}` is not a folder", "name a folder, there or new"),
    ]  # fmt: skip
    assert lora.read_bytes() == b"all my work"


def test_our_own_pictures_are_replaced(tmp_path: Path, models: Models) -> None:
    """The same command draws again over what it drew, whatever that shows; other files stay."""
    _sample(models, tmp_path / "s.png", tmp_path / "alone")
    first = _tree(tmp_path)
    _text(tmp_path / "alone" / "notes.txt")
    wish = Wish([Prompt("hat", width=64, height=64, steps=1)], [1.0], [], each=tmp_path / "alone")
    sheet.sample(subject_of(["tiny"]), wish, tmp_path / "s.png", models, new_console())
    second = _tree(tmp_path)

    assert second.pop(str(tmp_path / "alone" / "notes.txt")) == b"{}"
    assert second.keys() == first.keys()
    changed = {Path(path).name for path in first if first[path] != second[path]}
    assert changed == {"s.png", "000 tiny.png"}
