"""Class pictures are drawn where they are missing, one by one, and nothing else is touched."""

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.models.locate import Models
from prep.runtime.errors import ConfigError
from prep.runtime.seeds import seed_for
from prep.runtime.stopping import obey
from tests.train.runs import new_console, said
from train.families.diffusion_process import Diffusion
from train.families.sd15 import FAMILY
from train.samples.class_pictures import ClassWish, class_pictures, foreseen, key_of, missing_of
from train.samples.prompts import Prompt
from train.samples.sampler import draw, opened_vae

PROMPT = Prompt("a (girl:1.2)", "bad", 64, 64, 5, 2, 3.0)
SETTINGS: tuple[dict[str, Any], ...] = (
    {"text": "a girl"}, {"negative": ""}, {"width": 32}, {"height": 32}, {"seed": 6}, {"steps": 3},
    {"guidance": 4.0}, {"sampler": "euler"}, {"original_width": 64},
)  # fmt: skip


def _files(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in sorted(folder.iterdir())}


def test_a_stopped_call_ends_in_the_same_bytes(
    tmp_path: Path, base: Path, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped at its second picture it leaves one, whole; the next call draws the two others.

    Each is the picture of its own seed, with its caption beside it, without the weights of words.
    """
    whole, cut = (ClassWish(tmp_path / name, 3, PROMPT, str(base)) for name in ("whole", "cut"))
    assert class_pictures(whole, models, new_console()) == 0
    calls: list[int] = []
    earlier = Diffusion.earlier

    def stopping(*words: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:  # within the second picture
            signal.raise_signal(signal.SIGTERM)
        return earlier(*words)

    console = new_console()
    with monkeypatch.context() as patched:
        patched.setattr(Diffusion, "earlier", stopping)
        with pytest.raises(SystemExit), obey():
            class_pictures(cut, models, console)
    left = _files(cut.folder)
    assert said(console)[1].splitlines()[-1] == f"1 of 3 pictures are drawn: {cut.folder}"
    assert [name for name in left if name.endswith(".png")] == [next(iter(left))]

    again = new_console()
    class_pictures(cut, models, again)
    assert said(again)[0] == f"drawn: 2 pictures in {cut.folder}\n"
    assert _files(cut.folder) == _files(whole.folder)
    pictures = sorted(whole.folder.glob("*.png"))
    assert [one.with_suffix(".txt").read_text() for one in pictures] == ["a girl\n"] * 3
    opened, coder = FAMILY.load(base, "cpu"), opened_vae(base, "cpu")
    for number, path in enumerate(pictures, 1):
        seed = seed_for(5, "class picture", PROMPT.text, number)
        wanted = draw(opened, FAMILY, coder, replace(PROMPT, seed=seed))
        with Image.open(path) as found:
            assert found.tobytes() == wanted.tobytes()


def test_what_a_person_has_there_stays(tmp_path: Path, base: Path, models: Models) -> None:
    """Pictures of a person count, edited captions are kept, and what is there draws nothing."""
    wish = ClassWish(tmp_path / "reg/1_girl", 3, PROMPT, str(base), ".caption")
    (wish.folder / "more").mkdir(parents=True)
    mine = (wish.folder / "mine.jpg", wish.folder / "more/mine.png", wish.folder / ".not.png")
    for path in mine:
        path.write_bytes(b"mine")

    class_pictures(wish, models, new_console())
    (made,) = wish.folder.glob("class-*.png")
    made.with_suffix(".caption").write_text("a woman\n")
    before = {path: path.read_bytes() for path in wish.folder.rglob("*") if path.is_file()}
    console = new_console()

    assert class_pictures(wish, models, console) == 0
    foreseen(wish, models, console)

    told = [f"already there: 3 pictures in {wish.folder}", f"up to date: {wish.folder}"]
    assert said(console)[0].splitlines() == told
    after = {path: path.read_bytes() for path in wish.folder.rglob("*") if path.is_file()}
    assert after == before
    assert all(path.read_bytes() == b"mine" for path in mine)
    key, second = made.name[6:14], f"{made.name[:-5]}2.png"
    assert missing_of(replace(wish, count=1), key) == {}  # and none is taken away
    assert missing_of(replace(wish, count=4), key) == {2: second}
    made.rename(wish.folder / second)
    assert missing_of(replace(wish, count=4), key) == {1: made.name}
    assert missing_of(wish, key) == {}  # there are three


def test_other_settings_are_other_pictures(
    tmp_path: Path, base: Path, built_base: Callable[..., Path], models: Models
) -> None:
    """Each setting, the model and the layer are in the names; mixed pictures are refused."""
    wish = ClassWish(tmp_path / "girl", 1, PROMPT, str(base))
    others = [replace(wish, prompt=replace(PROMPT, **one)) for one in SETTINGS]
    keys = [key_of(one, FAMILY, "0") for one in (wish, *others, replace(wish, clip_skip=2))]
    assert len({*keys, key_of(wish, FAMILY, "1")}) == len(SETTINGS) + 3
    class_pictures(wish, models, new_console())
    (made,) = wish.folder.glob("*.png")
    before = _files(wish.folder)
    another = built_base(tmp_path / "another", seed=1)

    for other in (others[0], replace(wish, base=str(another))):
        with pytest.raises(ConfigError) as caught:
            class_pictures(other, models, new_console())
        assert (str(caught.value), caught.value.hint) == (
            (
                f"`{wish.folder}` has 1 picture drawn by another model or other settings, as "
                f"`{made.name}`"
            ),
            "move it away or delete it, or give the settings of then",
        )
    assert _files(wish.folder) == before
