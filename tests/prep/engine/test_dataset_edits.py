"""What a person edits in any of the three dataset files holds, in all of them, from then on."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prep.dataset import dataset_file

STAGES = """\
pipelines:
  words:
    images: ./images
    stages:
      - tag: {model: tiny, threshold: 0.35}
      - edit: {rules: ./tags.rules, trigger: mascot}
      - bucket: {resolution: 64, step: 32}
      - latents: {model: tiny}
"""
FILES = ("meta.json", "meta_bucket.json", "meta_lat.json")
EDITS: dict[str, Any] = {
    "tags": ["mine", "of (all)"],
    "caption": "a drawing",
    "text": "both",
    "weight": 0.5,
    "concept": "hero",
    "split": "validation",
}
YOURS = "yours to change: tags, caption, text, weight, concept, split"


@pytest.fixture
def project(draw: Callable[..., Path], prep: Callable[..., Any], built_once: Any) -> Path:
    """Three pictures in a pipeline down to their latents, which ran once."""

    def build() -> None:
        for name in "abc":
            draw(f"images/{name}.png")
        Path("pipelines.yaml").write_text(STAGES)
        Path("tags.rules").write_text("- rename: {mine: ours}\n")
        assert prep("run").code == 0

    found: Path = built_once(build)
    return found


def read(file: str = "meta.json") -> dict[str, Any]:
    """Return a dataset file as JSON."""
    found: dict[str, Any] = json.loads(Path(file).read_text())
    return found


def change(file: str, key: str, **values: Any) -> None:
    """Edit fields of one sample in a dataset file, and lay the file out in another way."""
    found = read(file)
    found["samples"][key] |= values
    Path(file).write_text(json.dumps(found, indent=2))


def take_out(file: str, key: str) -> None:
    """Remove the entry of one sample from a dataset file."""
    found = read(file)
    del found["samples"][key]
    Path(file).write_text(json.dumps(found, indent=2))


def values(key: str, *names: str) -> list[list[Any]]:
    """Return some fields of one sample, as each of the three files has them."""
    return [[read(file)["samples"][key][name] for name in names] for file in FILES]


@pytest.mark.parametrize("file", FILES)
def test_edits_of_any_file_hold_in_all_three(
    project: Path, prep: Callable[..., Any], file: str
) -> None:
    """All six fields, edited in any of the files, flow into the others and survive later runs."""
    before = read("meta_lat.json")["samples"]
    change(file, "b.png", **EDITS)

    told = prep("run")
    assert told.code == 0
    assert f"  kept as you edited it: {file}\n" in told.out
    assert values("b.png", *EDITS) == [list(EDITS.values())] * 3

    Path("tags.rules").write_text("- drop: mine\n")
    assert prep("run").code == 0
    assert prep("run").out.startswith("`images` is up to date: nothing to do\n")
    assert values("b.png", *EDITS) == [list(EDITS.values())] * 3
    after = read("meta_lat.json")
    assert after["samples"]["a.png"] == before["a.png"]
    assert set(after["concepts"]) == {"", "hero"}
    assert dataset_file.load(Path("meta_lat.json")).samples["b.png"].training_text() == (
        "mine, of (all), a drawing"
    )


def test_an_edit_alone_reaches_the_file_that_a_command_writes(
    project: Path, prep: Callable[..., Any]
) -> None:
    """One stage by itself takes over what was edited in the files of the others."""
    change("meta_lat.json", "b.png", concept="hero")

    assert prep("bucket", "meta.json").code == 0

    assert values("b.png", "concept") == [[""], ["hero"], ["hero"]]
    assert set(read("meta_bucket.json")["concepts"]) == {"", "hero"}


def test_two_files_that_differ_conflict(project: Path, prep: Callable[..., Any]) -> None:
    """Two edits of one value wait for a decision: exit 4, both files as they were."""
    change("meta.json", "b.png", caption="one", weight=3)
    change("meta_lat.json", "b.png", caption="two")
    before = {file: Path(file).read_bytes() for file in FILES}

    for _ in range(2):
        told = prep("run")
        assert told.code == 4
        said = "meta.json and meta_lat.json were both edited: let them say the same"
        assert f"  conflict: b.png: caption: {said}\n" in told.out
        assert {file: Path(file).read_bytes() for file in FILES} == before

    change("meta_lat.json", "b.png", caption="one")
    assert prep("run").code == 0
    assert values("b.png", "caption", "weight") == [["one", 3]] * 3


def test_the_same_edit_in_two_files_is_one(project: Path, prep: Callable[..., Any]) -> None:
    """Two files that say the same are no conflict."""
    change("meta.json", "b.png", caption="one")
    change("meta_lat.json", "b.png", caption="one", split="validation")

    assert prep("run").code == 0

    assert values("b.png", "caption", "split") == [["one", "validation"]] * 3


@pytest.mark.parametrize(
    ("file", "field", "value"),
    [
        ("meta.json", "digest", "0" * 64),
        ("meta_bucket.json", "bucket", [32, 64]),
        ("meta_lat.json", "latents", "latents/other.safetensors"),
    ],
)
def test_any_other_field_is_named(
    project: Path, prep: Callable[..., Any], file: str, field: str, value: Any
) -> None:
    """What prep computes cannot be edited: two lines name file, picture and field."""
    change(file, "b.png", **{field: value})
    before = {name: Path(name).read_bytes() for name in FILES}

    told = prep("run")

    assert told.code == 1
    assert told.err == (
        f"error: `{file}`: `{field}` of `b.png` was changed by hand, and prep computes it\n"
        f"hint: put it back, or delete `{file}` and run again; {YOURS}\n"
    )
    assert {name: Path(name).read_bytes() for name in FILES} == before


def test_the_head_of_the_file_is_prep_s(project: Path, prep: Callable[..., Any]) -> None:
    """An edit outside the samples is an error as well, never lost in silence."""
    found = read()
    found["concepts"][""]["repeats"] = 7
    Path("meta.json").write_text(json.dumps(found))

    told = prep("run")

    assert told.code == 1
    assert told.err.splitlines()[0] == (
        "error: `meta.json`: `concepts` was changed by hand, and prep computes it"
    )


@pytest.mark.parametrize("file", FILES)
def test_a_removed_entry_is_a_drop(project: Path, prep: Callable[..., Any], file: str) -> None:
    """A picture without its entry is left out and listed, until `prep reset` undoes it."""
    take_out(file, "b.png")

    for _ in range(2):
        told = prep("run")
        assert told.code == 0
        assert f"  left out: b.png: dropped in {file}\n" in told.out
        assert told.out.endswith("3 pictures: 2 good, 1 left out, 0 failed\n")
    for name in FILES:
        assert list(read(name)["samples"]) == ["a.png", "c.png"]
        assert read(name)["left_out"] == {"b.png": f"dropped in {file}"}
    assert Path("images/b.png").exists()
    assert Path("images/b.txt").exists()

    assert prep("reset", "b.png").code == 0
    assert prep("run").code == 0
    for name in FILES:
        assert list(read(name)["samples"]) == ["a.png", "b.png", "c.png"]
        assert read(name)["left_out"] == {}


def test_an_added_entry_is_refused(project: Path, prep: Callable[..., Any]) -> None:
    """Pictures come from the folder; an entry that was pasted in says how to go on."""
    found = read()
    entry = found["samples"]["a.png"]
    found["samples"]["z.png"] = entry
    Path("meta.json").write_text(json.dumps(found))
    assert prep("run").err == (
        "error: `meta.json`: `z.png` was added by hand\n"
        "hint: put the picture into the folder and run again\n"
    )

    del found["samples"]["z.png"], found["samples"]["a.png"]
    Path("meta.json").write_text(json.dumps(found))
    assert prep("run").code == 0
    found = read()
    found["samples"]["a.png"] = entry
    Path("meta.json").write_text(json.dumps(found))
    assert prep("run").err == (
        "error: `meta.json`: `a.png` is back, and was dropped before\n"
        "hint: take it out again, then `prep reset a.png` brings it back\n"
    )


def test_reset_gives_edited_fields_back(project: Path, prep: Callable[..., Any]) -> None:
    """After `prep reset KEY` all three files have the machine's values again."""
    before = {file: Path(file).read_bytes() for file in FILES}
    change("meta_bucket.json", "b.png", **EDITS)
    prep("run")
    assert values("b.png", "caption") == [["a drawing"]] * 3

    prep("reset", "b.png")
    assert prep("run").code == 0

    assert {file: Path(file).read_bytes() for file in FILES} == before


def test_edits_follow_a_renamed_picture(project: Path, prep: Callable[..., Any]) -> None:
    """An edit belongs to the picture, also one that no run has seen under the old name."""
    change("meta.json", "b.png", caption="first")
    prep("run")
    change("meta_lat.json", "b.png", weight=2)
    take_out("meta.json", "c.png")
    Path("images/b.png").rename("images/y.png")
    Path("images/c.png").rename("images/z.png")

    assert prep("run").code == 0

    assert values("y.png", "caption", "weight") == [["first", 2]] * 3
    assert read()["left_out"] == {"z.png": "dropped in meta.json"}


def test_edits_survive_a_replaced_picture(
    project: Path, draw: Callable[..., Path], prep: Callable[..., Any]
) -> None:
    """Other pixels under the same name keep what a person wrote."""
    change("meta.json", "b.png", tags=["mine"])
    prep("run")
    digest = read()["samples"]["b.png"]["digest"]
    draw("images/b.png", seed=3)

    assert prep("run").code == 0

    assert values("b.png", "tags") == [[["mine"]]] * 3
    assert read("meta_lat.json")["samples"]["b.png"]["digest"] != digest


def test_a_meta_edit_comes_after_the_rules_a_sidecar_before(
    project: Path, prep: Callable[..., Any]
) -> None:
    """Where both were edited the dataset file has the last word, and `why` tells of both."""
    Path("images/b.txt").write_text("mine")
    Path("images/c.txt").write_text("mine")
    change("meta.json", "b.png", tags=["mine"])

    assert prep("run").code == 0

    assert values("b.png", "tags") == [[["mine"]]] * 3
    assert values("c.png", "tags") == [[["mascot", "ours"]]] * 3
    why = prep("why", "b.png").out
    assert "tags: yours, from b.txt: mine" in why
    assert "  tags: yours, from meta.json: " in why


def test_a_file_of_another_dataset_is_not_overwritten(
    project: Path, draw: Callable[..., Path], prep: Callable[..., Any]
) -> None:
    """A dataset file that prep did not write for this folder stays; the hint names `--out`."""
    draw("others/x.png")
    before = Path("meta.json").read_bytes()

    told = prep("edit", "others", "--out", "meta.json")

    assert told.code == 1
    assert told.err == (
        "error: `meta.json` is there already and was not written for this folder\n"
        "hint: name another file with `--out`, or move it away\n"
    )
    assert Path("meta.json").read_bytes() == before
    assert prep("edit", "others", "--out", "others.json").code == 0
    assert list(read("others.json")["samples"]) == ["x.png"]


def test_a_meta_file_without_a_ledger_is_a_source(project: Path, prep: Callable[..., Any]) -> None:
    """A dataset file that came alone with its pictures is read as it is; state is made anew."""
    change("meta.json", "b.png", caption="from afar", concept="hero")
    found = read()
    del found["state"]
    found["concepts"]["hero"] = {"repeats": 5, "trigger": "hero"}
    shutil.rmtree("images/.prep")
    for name in FILES:
        Path(name).unlink()
    Path("pipelines.yaml").unlink()
    Path("elsewhere").mkdir()
    Path("images").rename("elsewhere/pictures")
    Path("elsewhere/set.json").write_text(json.dumps(found | {"root": "pictures"}))
    before = Path("elsewhere/set.json").read_bytes()

    assert prep("bucket", "elsewhere/set.json", "--resolution", "64").code == 0
    assert prep("latents", "elsewhere/set_bucket.json", "--model", "tiny").code == 0

    made = dataset_file.load(Path("elsewhere/set_lat.json"))
    assert made.samples["b.png"].caption == "from afar"
    assert made.concepts["hero"].repeats == 5
    assert (Path("elsewhere/pictures/.prep") / str(made.samples["b.png"].latents)).exists()
    assert Path("elsewhere/set.json").read_bytes() == before
    change("elsewhere/set.json", "b.png", caption="edited later")
    assert prep("bucket", "elsewhere/set.json", "--resolution", "64").code == 0
    assert read("elsewhere/set_bucket.json")["samples"]["b.png"]["caption"] == "edited later"


def test_json_lines_hold_edits_too(project: Path, prep: Callable[..., Any]) -> None:
    """A dataset file that ends in .jsonl has a line a sample, and is read back alike."""
    out = Path("set.jsonl")
    assert prep("edit", "images", "--out", out).code == 0
    lines = out.read_text().splitlines()
    assert [json.loads(line)["key"] for line in lines[1:]] == ["a.png", "b.png", "c.png"]
    row = json.loads(lines[2]) | {"caption": "by line"}
    out.write_text("\n".join([*lines[:2], json.dumps(row), *lines[3:]]) + "\n")

    assert prep("edit", "images", "--out", out).code == 0
    assert prep("bucket", out, "--resolution", "64").code == 0

    assert dataset_file.load(Path("set_bucket.jsonl")).samples["b.png"].caption == "by line"


def test_an_edited_file_whose_base_is_gone_is_not_guessed(
    project: Path, prep: Callable[..., Any]
) -> None:
    """Without prep's copy of what it wrote nobody can tell the edits: they are kept, and said."""
    shutil.rmtree("images/.prep/published")
    change("meta.json", "b.png", caption="mine")
    before = Path("meta.json").read_bytes()

    told = prep("run")

    assert told.code == 1
    assert told.err == (
        "error: `meta.json` was edited, and prep's own copy of it is gone\n"
        "hint: move it away and run again, then edit the new one\n"
    )
    assert Path("meta.json").read_bytes() == before
