"""What the words behind `train sample` name, and what they cannot name."""

import json
from pathlib import Path

import pytest

from prep.models.locate import Models
from prep.runtime.errors import ModelFileError, UserError
from tests.train.runs import new_console
from train.families.detect import opened_base
from train.samples import sheet
from train.samples.prompts import Prompt
from train.samples.subject import Subject, subject_of
from train.samples.wish import Wish
from train.weights.explain import explain

_PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
_HEADER = b'{"a":{"dtype":"F32","data_offsets":[0,0]}}'  # without a shape
FILES = {
    "json": b'{"mean": [0.1, 0.2]}', "png": _PNG, "text": b"a cat\n", "empty": b"",
    "numbers": bytes(range(256)), "shapeless": len(_HEADER).to_bytes(8, "little") + _HEADER,
    "zip": b"PK\3\4" + bytes(40), "pickle": b"\x80\x02}q\0.",
}  # fmt: skip
WHAT = (
    "name LoRAs (`.safetensors`), or a model: a folder, a single file, a hub id `owner/name` or "
    "`tiny`"
)


@pytest.mark.parametrize("kind", [*FILES, "folder"])
@pytest.mark.parametrize("ending", [".json", ".png", "", ".safetensors", ".ckpt"])
def test_any_other_file_is_told_in_two_lines(
    tmp_path: Path, models: Models, kind: str, ending: str
) -> None:
    """As a LoRA or model to draw, as a base model and to explain: a file by any name."""
    path = tmp_path / f"it{ending}"
    if kind == "folder":
        path.mkdir()
        (path / "a.txt").write_text("a")
    else:
        path.write_bytes(FILES[kind])
    wish = Wish([Prompt("x", width=64, height=64, steps=1)], [1.0], [])
    told: dict[str, str] = {}
    for way, ask in {
        "draw": lambda: sheet.sample(
            subject_of([str(path)]), wish, tmp_path / "s.png", models, new_console()
        ),
        "base": lambda: opened_base(str(path), models),
        "explain": lambda: explain(path, new_console()),
    }.items():
        with pytest.raises(ModelFileError) as caught:
            ask()
        assert caught.value.hint
        told[way] = str(caught.value)

    if kind != "folder" and ending not in (".safetensors", ".ckpt"):
        assert told["draw"] == f"`{path}` is no LoRA and no model"
        assert told["base"] == (
            f"`{path}` is no model: its name ends in none of .safetensors and .ckpt"
        )
    elif kind in ("json", "png", "text", "empty", "numbers"):
        what = {
            ".safetensors": f"`{path}` is damaged: it is not a whole safetensors file",
            ".ckpt": f"`{path}` is not a whole `.ckpt` file",
        }[ending]
        assert (told["draw"], told["base"]) == (what, what)


def test_a_run_that_is_not_finished_is_told(tmp_path: Path) -> None:
    """By its folder's export that is not there, with the newest one on the way."""
    (tmp_path / "config.json").write_text(json.dumps({"name": "a", "base": "b", "datasets": []}))
    told = []
    for between in (
        "",
        "a-step00000002.safetensors",
        "a-step00000004.safetensors",
        "a-step00000006-not-proven.safetensors",
    ):
        if between:
            (tmp_path / between).touch()
        with pytest.raises(ModelFileError) as caught:
            subject_of([str(tmp_path)])
        told.append((str(caught.value), caught.value.hint))

    again = "type its command again to finish it"
    line = f"the run in `{tmp_path}` is not finished: it has no `a.safetensors`"
    assert [told[0], told[3]] == [
        (line, again),
        (
            line,
            f"{again}, or name an export on the way: `{tmp_path / 'a-step00000004.safetensors'}`",
        ),
    ]


@pytest.mark.parametrize("end", ["abc", "", "0,5", "1e3"])
def test_a_strength_that_is_no_number_is_told(tmp_path: Path, end: str) -> None:
    """What stands behind a file that is there is its strength, and nothing else."""
    (tmp_path / "A.safetensors").touch()

    with pytest.raises(UserError) as caught:
        subject_of([f"{tmp_path / 'A.safetensors'}:{end}"])

    assert (str(caught.value), caught.value.hint) == (
        f"the strength `{end}` is no number",
        "write it as `A.safetensors:0.6`",
    )


def test_loras_of_one_name_are_told_apart() -> None:
    """By the folders that differ; a file that is named twice is one, of both strengths."""

    def names(*words: str) -> list[tuple[str, float]]:
        loras = [word.partition(":")[::2] for word in words]
        subject = Subject(tuple((Path(path), float(own or 1)) for path, own in loras))
        return [(name, own) for _, name, own in subject.shown()]

    assert names("r/few-1/few.safetensors", "r/few-2/few.safetensors:0.5", "v1.5.safetensors") == [
        ("few-1/few", 1.0), ("few-2/few", 0.5), ("v1.5", 1.0)
    ]  # fmt: skip
    assert names("/a/x/few.safetensors", "/b/x/few.safetensors") == [
        ("a/x/few", 1.0), ("b/x/few", 1.0)
    ]  # fmt: skip
    assert names("few.safetensors", "./few.safetensors:0.5") == [("few", 1.5)]
