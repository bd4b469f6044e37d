"""Tagging through the command: two taggers, a folder's own profile, bad models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tests.prep.projects import Project, new_project

Prep = Callable[..., Any]
Draw = Callable[..., Path]
HEADER = "tag_id,name,category,count\n"
YAML = """\
pipelines:
  small:
    images: ./images
    meta: ./meta.json
    stages:
      - tag: {model: ./one}
"""
TWO = "{model: ./one, second: ./two, combine: union}"
PICTURES = 5


def tagger(folder: Path, labels: dict[str, float], shape: tuple[int | str, ...] = ()) -> Path:
    """Write a tagger that gives each label its score, whatever it is shown."""
    folder.mkdir(parents=True)
    held = [
        numpy_helper.from_array(np.array(list(labels.values()), np.float32), "scores"),
        numpy_helper.from_array(np.array([1], np.int64), "one"),
        numpy_helper.from_array(np.float32(0), "zero"),
    ]
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["none"]),
        helper.make_node("Unsqueeze", ["none", "one"], ["column"]),
        helper.make_node("Add", ["column", "scores"], ["output"]),
    ]
    sides = shape or ("batch", 16, 16, 3)
    ends = [
        helper.make_tensor_value_info("input", TensorProto.FLOAT, sides),
        helper.make_tensor_value_info("output", TensorProto.FLOAT, [sides[0], len(labels)]),
    ]
    graph = helper.make_graph(nodes, "constant", ends[:1], ends[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    rows = "".join(f"{n},{name},0,1\n" for n, name in enumerate(labels))
    (folder / "selected_tags.csv").write_text(HEADER + rows, encoding="utf-8")
    return folder


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Five pictures that were tagged by the first of two taggers."""
    made = new_project(tmp_path / "project", YAML)
    tagger(made.folder / "one", {"cat": 0.9, "dog": 0.2, "only_one": 0.5})
    tagger(made.folder / "two", {"dog": 0.9, "only_two": 0.6, "cat": 0.1})
    monkeypatch.chdir(made.folder)
    spies = made.run()
    assert (made.code, spies.samples["score"], spies.samples["score_second"]) == (0, PICTURES, 0)
    return made


def texts(project: Project) -> set[str]:
    """Return what the sidecars say."""
    return {path.read_text(encoding="utf-8") for path in project.images.glob("*.txt")}


def test_a_second_tagger_scores_once(project: Project) -> None:
    """A second tagger leaves the first's scores; another way to combine them needs no inference."""
    assert texts(project) == {"cat, only one\n"}

    project.replace("{model: ./one}", TWO)
    spies = project.run()
    assert (spies.samples["score"], spies.samples["score_second"]) == (0, PICTURES)
    assert f"tag: second was not set, is now {project.folder / 'two'}\n" in project.said
    assert "other files" not in project.said
    assert texts(project) == {"cat, dog, only two, only one\n"}

    for way, wanted in (("intersection", "\n"), ("mean", "only two, dog, cat, only one\n")):
        project.replace("combine: " + ("union" if way == "intersection" else "intersection"),
                        f"combine: {way}")  # fmt: skip
        spies = project.run()
        assert (spies.samples["score"], spies.samples["score_second"]) == (0, 0), way
        assert spies.loads["score"] + spies.loads["score_second"] == 0
        assert spies.samples["combined"] == 1  # all score alike
        assert texts(project) == {wanted}


def test_a_second_tagger_goes_again(project: Project) -> None:
    """Without the second tagger the first's tags are back, with no inference; so is a rerun."""
    project.replace("{model: ./one}", TWO)
    project.run()
    assert project.run().samples.total() == 0

    project.replace(TWO, "{model: ./one}")
    spies = project.run()

    assert texts(project) == {"cat, only one\n"}
    assert spies.loads["score"] + spies.loads["score_second"] == 0
    assert "yours" not in project.why("beach 1.jpg")
    assert "stale" not in project.why("beach 1.jpg")


def test_a_new_picture_meets_both_taggers(project: Project) -> None:
    """One more picture is scored once by each of the two."""
    project.replace("{model: ./one}", TWO)
    project.run()
    (project.images / "new.png").write_bytes((project.images / "snow 1.png").read_bytes() + b" ")

    spies = project.run()

    assert (spies.samples["score"], spies.samples["score_second"]) == (1, 1)


def test_a_moved_second_tagger_is_the_same(project: Project) -> None:
    """A tagger is known by its files: in another folder it scores nothing anew."""
    project.replace("{model: ./one}", TWO)
    project.run()
    (project.folder / "two").rename(project.folder / "moved")
    project.replace("second: ./two", "second: ./moved")

    assert project.run().samples["score_second"] == 0


def test_a_folders_own_profile(project: Project) -> None:
    """`tagger.yaml` says how a folder is read: its thresholds cost no inference, its order does."""
    profile = project.folder / "one" / "tagger.yaml"
    profile.write_text("thresholds: {general: 0.6}\n", encoding="utf-8")
    spies = project.run()
    assert (spies.samples["score"], spies.samples["render"]) == (0, 1)  # all score alike
    assert texts(project) == {"cat\n"}

    profile.write_text("thresholds: {general: 0.1}\norder: RGB\n", encoding="utf-8")
    spies = project.run()
    assert (spies.samples["score"], spies.samples["render"]) == (PICTURES, 1)
    assert texts(project) == {"cat, only one, dog\n"}


def tree(folder: Path) -> dict[str, bytes]:
    """Return path -> bytes of all that a person sees in a folder."""
    found = (path for path in folder.rglob("*") if path.is_file() and ".prep" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def outside(folder: Path) -> None:
    """Let a model keep its weights in a file beside its folder."""
    model = onnx.load(folder / "model.onnx")
    scores = model.graph.initializer[0]
    (folder.parent / "secret").write_bytes(scores.raw_data)
    scores.ClearField("raw_data")
    scores.data_location = TensorProto.EXTERNAL
    scores.external_data.add(key="location", value="../secret")
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def other_labels(folder: Path) -> None:
    (folder / "selected_tags.csv").write_text(HEADER + "1,cat,0,1\n", encoding="utf-8")


def channels_first(folder: Path) -> None:
    model = onnx.load(folder / "model.onnx")
    dims = model.graph.input[0].type.tensor_type.shape.dim
    for dim, side in zip(dims[1:], (3, 16, 16), strict=True):
        dim.dim_value = side
    (folder / "model.onnx").write_bytes(model.SerializeToString())


BAD = [
    (
        other_labels,
        "`{0}/model.onnx` answers with 2 numbers, but its label file has 1 label",
        "fetch both files again, from the same revision of the same model",
    ),
    (
        channels_first,
        (
            "`{0}/model.onnx` does not take one square NHWC picture: "
            "input tensor(float) ['batch', 3, 16, 16]"
        ),
        "is it really a tagger of this kind? name the tagger it was made from",
    ),
    (
        outside,
        "`{0}/model.onnx` wants to read `../secret`, which is outside its folder",
        "do not use this model: get it from a place you trust",
    ),
    (
        lambda folder: (folder / "tagger.yaml").write_text("ordr: RGB\n", encoding="utf-8"),
        "`{0}/tagger.yaml` line 1: no key is named `ordr`",
        "did you mean `order`?",
    ),
    (
        lambda folder: (folder / "tagger.yaml").write_text("output: 3\n", encoding="utf-8"),
        "`{0}/model.onnx` has no output `3`, but output",
        "is it really a tagger of this kind? name the tagger it was made from",
    ),
    (
        lambda folder: (folder / "model.onnx").write_text("<html>", encoding="utf-8"),
        "`{0}/model.onnx` is damaged: it is not a whole ONNX model",
        "fetch the file again",
    ),
]


@pytest.mark.parametrize("option", ["--model", "--second"])
def test_one_picture_that_a_tagger_cannot_answer(
    prep: Prep, draw: Draw, home: Path, option: str
) -> None:
    """It is listed, with what helps, and exit 3; every other picture has its tags."""
    for name in ("a.png", "b.png", "c.png"):
        draw(f"raw/{name}")
    Image.new("RGB", (24, 32)).save(home / "raw" / "b.png")
    good = tagger(home / "good", {"cat": 0.9})
    bad = tagger(home / "bad", {"cat": 0.9, "dog": 0.8})
    model = onnx.load(bad / "model.onnx")
    model.graph.node[1].op_type, model.graph.node[1].input[1] = "Div", "mean"  # of black: 0 / 0
    model.graph.node[3].op_type = "Mul"
    (bad / "model.onnx").write_bytes(model.SerializeToString())
    (bad / "tagger.yaml").write_text("fit: [{pad: black}, {square: bicubic}]\n", encoding="utf-8")

    said = prep("tag", "raw", *(["--model", good] if option == "--second" else []), option, bad)

    assert said.code == 3
    assert said.out.endswith(
        "  failed: b.png: the tagger answers it with no numbers\n"
        "    hint: use another tagger, or drop the picture: `keep` = no in tags.csv\n"
        "  wrote raw/tags.csv\n"
        "  3 pictures: 2 good, 0 left out, 1 failed\n"
    )
    texts = {path.name: path.read_text(encoding="utf-8") for path in (home / "raw").glob("*.txt")}
    assert texts == {"a.txt": "cat, dog\n", "c.txt": "cat, dog\n"}


@pytest.mark.parametrize("option", ["--model", "--second"])
@pytest.mark.parametrize(("spoil", "message", "hint"), BAD)
def test_a_bad_tagger_changes_nothing(
    prep: Prep, draw: Draw, home: Path, spoil: Callable[[Path], Any], message: str, hint: str,
    option: str,
) -> None:  # fmt: skip
    """Rows 53 to 55: a tagger that cannot be is two lines and exit 1, and no file is changed."""
    draw("raw/a.png")
    good = tagger(home / "good", {"cat": 0.9})
    assert prep("tag", "raw", "--model", good).code == 0
    (home / "raw" / "a.txt").write_text("mine\n", encoding="utf-8")
    bad = tagger(home / "bad", {"cat": 0.9, "dog": 0.8})
    spoil(bad)
    before = tree(home / "raw")

    said = prep("tag", "raw", *(["--model", good] if option == "--second" else []), option, bad)

    assert (said.code, said.err) == (1, f"error: {message.format('bad')}\nhint: {hint}\n")
    assert tree(home / "raw") == before
