"""What is trained is what is said: texts, triggers, and pictures without words."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from prep.dataset.dataset_file import Concept
from train.cli.app import main
from train.data import dataset
from train.data.captions import text_of
from train.export.metadata import CERTIFICATE, Facts, metadata, tag_frequency
from train.families.noise_process import Prediction
from train.families.sd15 import FAMILY
from train.methods import config_of

FACTS = Facts("toy", "r", "base", "d", {}, "0.1", Prediction.EPSILON)
TRIGGER = "zzk, red hat"
Change = Callable[..., Path]


def _said(meta: Path) -> dict[str, str]:
    return metadata(dataset.load([meta]), config_of(steps=3), FAMILY, FACTS)


def test_the_trigger_is_named_where_it_was_trained(meta: Path, changed: Change) -> None:
    """Case A1: in front of captions it is trained, and then the file says so, in every field."""
    for number in range(6):
        changed(meta, f"{number}.png", text="caption", caption="a toy, red")

    sample = dataset.load([meta]).samples["0.png"]
    said = _said(meta)

    assert (sample.text, sample.words, sample.num_tags) == (
        "mascot, a toy, red", ("mascot", "a toy, red"), 1,
    )  # fmt: skip
    assert said["modelspec.trigger_phrase"] == "mascot"
    rows = json.loads(said[CERTIFICATE])["samples"]
    assert {row["text"] for row in rows.values()} == {"mascot, a toy, red"}
    assert tag_frequency(dataset.load([meta]), "n", config_of()) == {
        "toy": {"a toy, red": 6, "mascot": 6}
    }


def test_a_trigger_that_no_text_has_is_not_named(meta: Path, changed: Change) -> None:
    """Case A1: what was set and not trained is no fact of the file."""
    for number in range(6):
        changed(meta, f"{number}.png", tags=("pose",))

    assert dataset.load([meta]).triggers == ()
    assert "modelspec.trigger_phrase" not in _said(meta)


@pytest.mark.parametrize("keep", [0, 1, 2])
def test_a_trigger_with_a_comma_stays_whole(meta: Path, changed: Change, keep: int) -> None:
    """Case A6: it counts as one tag when tags are shuffled, and is in front unless asked else."""
    changed(meta, concepts={"toy": Concept(trigger=TRIGGER)})
    changed(meta, "0.png", tags=("zzk", "red hat", "a", "b", "c"), text="both", caption="x, y")
    sample = dataset.load([meta]).samples["0.png"]
    config = config_of(steps=3, shuffle_tags=True, keep_tags=keep)
    found = {text_of(sample, "0.png", epoch, config) for epoch in range(100)}

    assert sample.lead == 2
    assert len(found) > 1
    assert all(TRIGGER in text and text.endswith(", x, y") for text in found)
    assert keep == 0 or all(text.startswith(TRIGGER) for text in found)
    assert keep < 2 or all(text.startswith(f"{TRIGGER}, a, ") for text in found)
    said = metadata(dataset.load([meta]), config, FAMILY, FACTS)
    assert said["ss_keep_tokens"] == ("0", "2", "3")[keep]


def test_recipes_of_before_hold(meta: Path, changed: Change) -> None:
    """A run begun before goes on: what decides it is told anew only where a trigger has commas."""
    assert all(len(row) == 10 for row in dataset.load([meta]).content().values())
    changed(meta, concepts={"toy": Concept(trigger="mascot, pose 1")})

    assert len(dataset.load([meta]).content()["1.png"]) == 11


@pytest.fixture
def toys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three pictures in the folder `toys`, one with a `.txt`, one with a `.caption`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    Path("toys").mkdir()
    for number in (1, 2, 3):
        Image.new("RGB", (64, 64), (80 * number, 40, 200)).save(f"toys/{number}.png")
    Path("toys/1.txt").write_text("toy")
    Path("toys/2.caption").write_text("a toy")
    return Path("toys")


def _pipelines(text: str = "") -> None:
    Path("pipelines.yaml").write_text(
        "pipelines:\n  toys:\n    images: ./toys\n    meta: ./toys.json\n    stages:\n"
        f"      - edit: {{{text}}}\n      - bucket: {{resolution: 64, step: 32}}\n"
        "      - latents: {model: tiny}\n"
    )


def _main(*words: str) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(list(words))
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


def test_train_tells_of_pictures_without_a_text(
    toys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Case A2: `train lora` and `train check` say it in one line, and end in 3; it trains."""
    _pipelines()
    line = "2 of 3 pictures have no text: 2.png (its caption is not used: `--text both`), 3.png"
    options = ("--base", "tiny", "--steps", "1", "--rank", "1")

    assert _main("lora", "toys", *options) == 3
    assert f"  {line}" in capfd.readouterr().out.splitlines()  # told by the preparation
    assert len(list(Path("runs").glob("*/toys.safetensors"))) == 1
    for words in (("check",), ("lora",)):  # from the dataset file alone
        assert _main(*words, "toys_lat.json", *options) == 3
        assert capfd.readouterr().out.splitlines().count(line) == 1
    assert _main("check", "toys_lat.json", *options, "-q") == 3
    assert capfd.readouterr() == ("", f"{line}\n")


@pytest.mark.long
def test_train_tells_of_words_and_repeats(toys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Case A2, D1: words of a person that do not train, repeats of folders; nothing to mend."""
    _pipelines("trigger: zzk")
    Path("toys/10_cat").mkdir()
    Image.new("RGB", (64, 64), (9, 40, 200)).save("toys/10_cat/4.png")
    Path("toys/10_cat/4.txt").write_text("cat")
    Path("toys/10_cat/4.caption").write_text("a cat")

    assert _main("lora", "toys", "--base", "tiny", "--steps", "1", "--rank", "1", "-q") == 0
    capfd.readouterr()
    assert _main("check", "toys_lat.json", "--base", "tiny", "--steps", "1", "--rank", "1") == 0
    said = capfd.readouterr().out.splitlines()
    unused = "(its caption is not used: `--text both`)"
    for line in (
        f"2 of 4 pictures train on the trigger alone: 2.png {unused}, 3.png",
        f"1 of 4 pictures has words of yours that do not train: 10_cat/4.png {unused}",
        "repeats are taken from the names of folders: `10_cat` 10",
    ):
        assert said.count(line) == 1


def test_all_left_out_is_told_with_the_reason(
    toys: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Case F10: where every picture is too small, `train lora FOLDER` says so."""
    Path("pipelines.yaml").write_text(
        "pipelines:\n  toys:\n    images: ./toys\n    meta: ./toys.json\n    stages:\n"
        "      - edit\n      - bucket: {resolution: 512, step: 64, min_side: 256}\n"
        "      - latents: {model: tiny}\n"
    )
    assert _main("lora", "toys", "--base", "tiny", "--steps", "1", "-q") == 1

    assert capfd.readouterr().err.endswith(
        "error: `toys_lat.json` has no samples to train on: all 3 pictures were left out; the "
        "first is `1.png`: too small: 64x64 px has a side under 256 px\n"
        "hint: mend that, or look at each: `prep why 1.png --in toys`\n"
    )


@pytest.mark.long
def test_a_folder_of_captions_in_capitals(toys: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Case A7: `1.CAPTION` beside `1.png` is a caption, also to what decides what trains."""
    Path("toys/1.txt").unlink()
    Path("toys/2.caption").rename("toys/2.CAPTION")
    for name in "13":
        Path(f"toys/{name}.CAPTION").write_text("a hat")
    _pipelines()

    assert _main("lora", "toys", "--base", "tiny", "--steps", "1", "--rank", "1", "-q") == 0
    assert {one.text for one in dataset.load([Path("toys_lat.json")]).samples.values()} == {
        "a toy", "a hat",
    }  # fmt: skip


def test_a_second_file_s_keys_are_told_apart(
    meta: Path, tmp_path: Path, changed: Change, capsys: pytest.CaptureFixture[str]
) -> None:
    """Case A2: of several dataset files, keys are those of the training."""
    other: Any = tmp_path / "data/other_lat.json"
    other.write_bytes(meta.read_bytes())
    changed(other, "0.png", tags=())

    assert dataset.account_of([meta, other]).empty == {"": ["2/0.png"]}

    main_words = ["check", str(meta), str(other), "--steps", "1"]
    with pytest.raises(SystemExit) as ended:
        main(main_words)
    told = capsys.readouterr()
    legend = f"keys of several dataset files: those that begin with `2/` of `{other}`\n"
    assert ended.value.code == 3
    assert legend in told.out
    assert "have no text: 2/0.png" in told.out or "has no text: 2/0.png" in told.out
    with pytest.raises(SystemExit):
        main([*main_words[:2], *main_words[3:]])
    assert "keys of several" not in capsys.readouterr().out
