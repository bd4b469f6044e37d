"""`train grid`: every cell the picture that `train sample` draws, each drawn once."""

import json
import shutil
import signal
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.models.locate import Models
from prep.runtime.errors import UserError
from tests.train.conftest import build_dataset
from tests.train.killing import trained
from tests.train.runs import lora, new_console, said
from train.grid.draw_grid import grid
from train.grid.grid_wish import GridWish
from train.samples.sheet import sample
from train.samples.subject import subject_of
from train.samples.wish import Wish, asked

ROOT = Path(__file__).resolve().parents[3]
USUAL = {"steps": 2, "guidance": 3.0, "width": 64, "height": 64}
TEXTS = ("mascot, {red|blue}", "pose 1 --n bad --d 7")
WISH: dict[str, Any] = {"texts": TEXTS, "usual": USUAL, "seeds": [1, 2]}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, base: Path) -> Path:
    """A run with three exports of a LoRA."""
    top = tmp_path_factory.mktemp("grid")
    models = Models(top / "home", offline=True)
    made = lora(
        build_dataset(top / "data", base), top / "runs", models, new_console(), name="toy",
        steps=3, save_every_steps=1, learning_rate=0.05,
    )  # fmt: skip
    return made.parent


def _copied(run: Path, target: Path, *names: str) -> Path:
    """Return a folder that looks like the run's, with some of its exports."""
    target.mkdir()
    for name in ("config.json", *names):
        shutil.copy(run / name, target)
    return target


def _drawn(words: list[Path], out: Path, models: Models, **wish: Any) -> tuple[int, str, str]:
    console = new_console()
    code = grid([*map(str, words)], GridWish(**WISH | wish), out, models, console).code
    return code, *said(console)


def _cells(out: Path) -> dict[str, tuple[int, bytes]]:
    return {
        path.name: (path.stat().st_mtime_ns, path.read_bytes())
        for path in (out / "cells").iterdir()
    }


class _Table(HTMLParser):
    """The words of a page: its buttons, its texts, and what it would fetch."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.buttons: list[str] = []
        self.tags: list[str] = []
        self.places: list[str] = []
        self.texts: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.places += [found[word] or "" for word in ("src", "href") if word in found]
        if found.get("class") == "cell":
            self.buttons.append(found["aria-label"] or "")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_each_cell_is_what_sample_draws(run: Path, models: Models, tmp_path: Path) -> None:
    """All pictures are those of `train sample`, to the byte; the base model is the first column.

    The page names them by checkpoint, prompt and seed, and asks nobody for anything.
    """
    exports = [run / "toy-step00000001.safetensors", run / "toy.safetensors"]
    code, out, err = _drawn(exports, tmp_path / "g", models, strengths=[0.5, 1.0])

    wanted = set()
    for export in exports:
        subject = subject_of([str(export)])
        prompts = asked(subject, ["mascot, red", "mascot, blue", TEXTS[1]], None, USUAL)
        sample(
            subject, Wish(prompts, [0.5, 1.0], [1, 2], each=tmp_path / export.stem),
            tmp_path / f"{export.stem}.png", models, new_console(),
        )  # fmt: skip
        wanted |= {path.read_bytes() for path in (tmp_path / export.stem).iterdir()}
    page = _Table(tmp_path / "g" / "grid.html")
    columns = [
        "base model", "step 1 x 0.5", "step 1", "step 3 x 0.5", "step 3",
    ]  # fmt: skip
    rows = [
        f"{text}, seed {seed}, ddim"
        for text, seeds in (
            ("mascot, red", (1, 2)), ("mascot, blue", (1, 2)), ("pose 1 / not: bad", (7,))
        )
        for seed in seeds
    ]  # fmt: skip
    assert (code, err) == (0, "")
    assert out == f"drawn: {tmp_path / 'g' / 'grid.html'}, 5 rows of 5, 25 pictures new\n"
    assert {data for _, data in _cells(tmp_path / "g").values()} == wanted
    assert len(wanted) == 25
    assert page.buttons == [f"{column}: {row}" for row in rows for column in columns]
    assert all(place.startswith("data:") for place in page.places)
    with Image.open(tmp_path / "g" / "grid.png") as sheet:
        assert sheet.size == (160 + 5 * 72 + 8, 18 + 5 * 72 + 8)


def test_only_the_cells_of_a_new_checkpoint_are_drawn(
    run: Path, models: Models, tmp_path: Path
) -> None:
    """With one export more, five pictures are drawn; the same again draws none and changes none."""
    some = _copied(run, tmp_path / "run", "toy-step00000001.safetensors", "toy.safetensors")
    out = tmp_path / "g"
    _drawn([some], out, models)
    before = _cells(out)
    shutil.copy(run / "toy-step00000002.safetensors", some)

    code, told, notes = _drawn([some], out, models)
    after = _cells(out)
    again = _drawn([some], out, models)

    assert len(before) == 15
    assert notes == "15 pictures of it are there already\n"
    assert (code, told) == (0, f"drawn: {out / 'grid.html'}, 5 rows of 4, 5 pictures new\n")
    assert len(after) == 20
    assert before.items() <= after.items()
    assert again[1] == f"drawn: {out / 'grid.html'}, 5 rows of 4, 0 pictures new\n"
    assert _cells(out) == after


@pytest.mark.parametrize(
    "other",
    [
        {"seeds": [3]}, {"usual": {**USUAL, "steps": 3}}, {"usual": {**USUAL, "guidance": 4.0}},
        {"usual": {**USUAL, "width": 32}}, {"samplers": ["euler"]}, {"strengths": [2.0]},
        {"clip_skip": 2}, {"block_weights": {"MID": 0.0}},
    ],
)  # fmt: skip
def test_another_setting_is_another_picture(
    run: Path, models: Models, tmp_path: Path, other: dict[str, Any]
) -> None:
    """Whatever decides a picture is in its key: none of another setting is taken for it."""
    plain = {"texts": ["mascot"], "seeds": [1]}
    _drawn([run / "toy.safetensors"], tmp_path, models, **plain)
    before = _cells(tmp_path)

    _drawn([run / "toy.safetensors"], tmp_path, models, **plain | other)

    own = {"strengths", "block_weights"} & other.keys()
    assert len(_cells(tmp_path)) - len(before) == (1 if own else 2)


def test_what_a_kill_left_undone_is_drawn(run: Path, models: Models, tmp_path: Path) -> None:
    """SIGKILL after the seventh picture: seven whole ones are there, and only the rest is drawn.

    All are the bytes of a grid that was never stopped.
    """
    some = _copied(run, tmp_path / "run", "toy.safetensors")
    words = [str(some), str(tmp_path / "g"), str(models.home), "7", json.dumps(WISH)]
    program = [sys.executable, "-m", "tests.train.grid.killed_grid", *words]
    ended = subprocess.run(program, cwd=ROOT, check=False)
    killed = _cells(tmp_path / "g")
    _drawn([some], tmp_path / "whole", models)

    code, told, _ = _drawn([some], tmp_path / "g", models)

    assert ended.returncode == -signal.SIGKILL
    assert len(killed) == 7
    assert code == 0
    assert told.endswith("5 rows of 2, 3 pictures new\n")
    found, wanted = (_cells(tmp_path / name) for name in ("g", "whole"))
    assert killed.items() <= found.items()
    assert {name: data for name, (_, data) in found.items()} == {
        name: data for name, (_, data) in wanted.items()
    }
    for name in ("grid.png", "grid.html"):
        assert (tmp_path / "g" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_what_is_put_on_is_taken_off_again(
    run: Path, base: Path, models: Models, tmp_path: Path
) -> None:
    """LoRA, embedding, hypernetwork and LoRA in one grid: each column is the file's alone."""
    meta = build_dataset(tmp_path / "data", base)
    usual = {"out": str(tmp_path / "runs"), "learning_rate": 0.05, "steps": 2}
    made = {
        method: trained(meta, models.home, {"method": method, **usual, **own}, new_console())
        for method, own in {
            "embedding": {"token": "mascot", "vectors": 2, "name": "e"},
            "hypernetwork": {"name": "h"},
        }.items()
    }
    words = [run / "toy-step00000001.safetensors", *made.values(), run / "toy.safetensors"]
    plain = {"texts": ["mascot"], "seeds": [1]}

    code, _, _ = _drawn(words, tmp_path / "g", models, **plain)

    apart = set()
    for word in words:
        _drawn([word], tmp_path / "apart", models, **plain)
        apart |= set(_cells(tmp_path / "apart"))
    together = _cells(tmp_path / "g")
    assert code == 0
    assert len({data for _, data in together.values()}) == 5
    assert {name: data for name, (_, data) in together.items()} == {
        name: data for name, (_, data) in _cells(tmp_path / "apart").items()
    }
    assert set(together) == apart


def test_a_damaged_export_is_named_and_left_out(run: Path, models: Models, tmp_path: Path) -> None:
    """Torn, empty and of NaN: each in a line with its reason; the others are drawn, exit code 3."""
    names = [f"toy-step0000000{number}.safetensors" for number in (1, 2)]
    some = _copied(run, tmp_path / "run", *names, "toy.safetensors")
    torn, empty = (some / name for name in names)
    torn.write_bytes(torn.read_bytes()[:5000])
    empty.write_bytes(b"")

    code, out, err = _drawn([some], tmp_path / "g", models, texts=["mascot"])
    with pytest.raises(UserError) as caught:
        _drawn([torn], tmp_path / "h", models)

    assert code == 3
    assert out.endswith("2 rows of 2, 4 pictures new\n")
    assert [line.partition(": `")[0] for line in err.splitlines()] == [
        f"left out: {torn}", f"left out: {empty}"
    ]  # fmt: skip
    assert str(torn) in str(caught.value)
    assert not (tmp_path / "h").exists()


def test_a_model_is_a_column_too(
    run: Path, base: Path, built_base: Any, models: Models, tmp_path: Path
) -> None:
    """A whole model beside LoRAs has its own picture; the base model named so has the base's.

    One that is named, as `tiny` and those of a hub, is found where it lies.
    """
    words = [run / "toy.safetensors", built_base(tmp_path / "other", seed=3), base, Path("tiny")]
    plain = {"texts": ["mascot"], "seeds": [1]}

    code, _, err = _drawn(words, tmp_path / "g", models, **plain)

    pictures = [data for _, data in _cells(tmp_path / "g").values()]
    pixels = {Image.open(path).tobytes() for path in (tmp_path / "g" / "cells").iterdir()}
    assert (code, err) == (0, "")
    assert (len(pictures), len(pixels)) == (5, 4)


def test_a_file_at_two_strengths_of_its_own(run: Path, models: Models, tmp_path: Path) -> None:
    """Named twice with strengths of its own it is two columns; with the same one it is one."""
    words = [Path(f"{run / 'toy.safetensors'}:{own}") for own in ("0.5", "1", "0.50")]

    _drawn(words, tmp_path / "g", models, texts=["mascot"], seeds=[1])

    page = _Table(tmp_path / "g" / "grid.html")
    assert [one.partition(": ")[0] for one in page.buttons] == ["base model", "toy:0.5", "toy"]
    assert len({data for _, data in _cells(tmp_path / "g").values()}) == 3


def test_what_a_person_has_there_stays(run: Path, models: Models, tmp_path: Path) -> None:
    """A page or a picture of another program is not written over, and nothing is drawn."""
    for name in ("grid.html", "grid.png"):
        out = tmp_path / name.replace(".", "-")
        out.mkdir()
        (out / name).write_text("<p>mine")

        with pytest.raises(UserError) as caught:
            _drawn([run], out, models)

        assert (str(caught.value), caught.value.hint) == (
            f"`{out / name}` is there and was not made by this program: it is kept",
            "name another folder by `--out`, or move this away",
        )
        assert [path.name for path in out.iterdir()] == [name]


def test_hostile_words_stay_text(run: Path, models: Models, tmp_path: Path) -> None:
    """Tags, quotes and ends of scripts in a prompt are shown as they were typed."""
    text = "<img src=x onerror=alert(1)> </script><script>1</script> \"'&amp; {{a|b}|c}"
    plain = {"texts": [text], "seeds": [1], "usual": {**USUAL, "steps": 1}}
    _drawn([run / "toy.safetensors"], tmp_path, models, **plain)

    page = _Table(tmp_path / "grid.html")
    assert page.tags.count("script") == 1
    assert all(place.startswith("data:") for place in page.places)
    rows = [line.partition(": ")[2] for line in page.buttons[::2]]
    assert rows == [f"{text.replace('{{a|b}|c}', one)}, seed 1, ddim" for one in "abc"]
    assert text.replace("{{a|b}|c}", "a") in page.texts


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"seeds": range(4000)}, "8001 rows of 2 are 16002 pictures, at most 10000 are drawn"),
        ({"samplers": ["euler"], "texts": ["a --s 600"]}, "`euler` cannot draw in 600 steps"),
        ({"texts": ["a {b"]}, "the braces of `a {b` do not fit together"),
    ],
)
def test_a_wrong_wish_is_told_before_anything_is_drawn(
    run: Path, models: Models, tmp_path: Path, wish: dict[str, Any], told: str
) -> None:
    """Too many pictures, a sampler's limit, braces: an error, and no folder."""
    with pytest.raises(UserError) as caught:
        _drawn([run / "toy.safetensors"], tmp_path / "g", models, **wish)

    assert str(caught.value) == told
    assert caught.value.hint
    assert not (tmp_path / "g").exists()


def test_a_run_without_exports_is_told(run: Path, models: Models, tmp_path: Path) -> None:
    """A run that has exported nothing, and a file that is not there: two lines each."""
    some = _copied(run, tmp_path / "run")
    told = []
    for word in (some, tmp_path / "no.safetensors"):
        with pytest.raises(UserError) as caught:
            _drawn([word], tmp_path / "g", models)
        told.append((str(caught.value), caught.value.hint))

    assert told[0] == (
        f"`{some}` is a run that has exported nothing yet",
        "finish it, or let it export on the way: `--save-every-epochs 1`",
    )
    assert told[1][0].startswith(f"there is no file `{tmp_path / 'no.safetensors'}`")
