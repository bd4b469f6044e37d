import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from prep.images.fitting import Resize
from prep.models.locate import Ask, Models
from prep.runtime.errors import ModelFileError
from tagger_models.onnx.inference import OutOfMemoryError
from tagger_models.onnx.tagger import OnnxTagger, open_tagger
from tagger_models.profiles.registry import ask
from tagger_models.profiles.wd import WD
from tests.tagger_models.families import scores_of

MakeTagger = Callable[..., Path]


def opened(folder: Path) -> OnnxTagger:
    """Return the tagger that a person gets who names the folder."""
    return open_tagger(Models(folder.parent / "home").find(ask(str(folder))), WD, "cpu")


def told(folder: Path) -> tuple[str, str | None]:
    with pytest.raises(ModelFileError) as raised:
        opened(folder)
    return str(raised.value), raised.value.hint


def test_labels_that_do_not_fit(echo: MakeTagger) -> None:
    """Row 55: a label file of another model is refused before a picture is read; both counts."""
    folder = echo(labels=47)

    assert told(folder) == (
        f"`{folder / 'model.onnx'}` answers with 48 numbers, but its label file has 47 labels",
        "fetch both files again, from the same revision of the same model",
    )


def test_labels_that_do_not_fit_an_open_graph(echo: MakeTagger) -> None:
    """Row 55: a graph that does not say how much it answers is caught at its first answer."""
    folder = echo(labels=47)
    model = onnx.load(folder / "model.onnx")
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "labels"
    # Reshape to a shape that is itself computed hides the count from the loader.
    model.graph.node.insert(0, helper.make_node("Shape", ["input"], ["dims"]))
    model.graph.node.insert(1, helper.make_node("Slice", ["dims", "zero", "one"], ["first"]))
    model.graph.node.insert(2, helper.make_node("Concat", ["first", "rest"], ["to"], axis=0))
    model.graph.node[3].CopyFrom(helper.make_node("Reshape", ["input", "to"], ["flat"]))
    for name, value in (("zero", [0]), ("one", [1]), ("rest", [-1])):
        model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    tagger = opened(folder)

    with pytest.raises(ModelFileError) as raised:
        scores_of(tagger, [Image.new("RGB", (4, 4))])

    assert str(raised.value) == (
        f"`{folder / 'model.onnx'}` answers with 48 numbers, but its label file has 47 labels"
    )


def test_an_unknown_operator_is_named(echo: MakeTagger) -> None:
    """Row 54: an operator from elsewhere is refused by name; no library of operators is loaded."""
    folder = echo()
    model = onnx.load(folder / "model.onnx")
    model.graph.node[1].CopyFrom(
        helper.make_node("Evil", ["flat", "scale"], ["output"], domain="my.ops")
    )
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "my_ops.so").write_bytes(b"not to be loaded")

    message, hint = told(folder)

    assert message == (
        f"`{folder / 'model.onnx'}` needs an operator that onnxruntime does not have: "
        "Fatal error: my.ops:Evil(-1) is not a registered function/op"
    )
    assert hint == (
        "programs that come with a model are never loaded: get it with standard operators"
    )


@pytest.mark.parametrize("content", [b"", b"<!DOCTYPE html><html>Not Found</html>", b"\0" * 64])
def test_what_is_no_model_is_refused(echo: MakeTagger, content: bytes) -> None:
    """Row 54: an error page or an empty file under the model's name is called damaged."""
    folder = echo()
    (folder / "model.onnx").write_bytes(content)

    assert told(folder) == (
        f"`{folder / 'model.onnx'}` is damaged: it is not a whole ONNX model",
        "fetch the file again",
    )


def test_a_torn_model_is_refused(echo: MakeTagger) -> None:
    """A model cut at any of 20 places is refused as a model file, never with a traceback."""
    folder = echo()
    whole = (folder / "model.onnx").read_bytes()

    for length in range(0, len(whole), len(whole) // 20):
        (folder / "model.onnx").write_bytes(whole[:length])
        message, _ = told(folder)
        assert str(folder / "model.onnx") in message


def test_external_weights_are_used_and_checked(echo: MakeTagger, tmp_path: Path) -> None:
    """Row 53: weights in `model.onnx_data` count in the digest; no name leads out."""
    folder = echo()
    model = onnx.load(folder / "model.onnx")
    scale = model.graph.initializer[0]
    scale.ClearField("float_data")
    scale.data_location = TensorProto.EXTERNAL
    scale.external_data.add(key="location", value="model.onnx_data")
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder / "model.onnx_data").write_bytes(np.float32(510).tobytes())
    image = Image.new("RGB", (4, 4), (255, 255, 255))
    models = Models(tmp_path / "home")

    assert scores_of(opened(folder), [image]).tolist() == [[0.5] * 48]
    before = models.digest(models.find(ask(str(folder))))
    (folder / "model.onnx_data").write_bytes(np.float32(255).tobytes())
    assert scores_of(opened(folder), [image]).tolist() == [[1.0] * 48]
    assert models.digest(models.find(ask(str(folder)))) != before

    scale.external_data[0].value = "../secret"
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (folder.parent / "secret").write_bytes(np.float32(255).tobytes())
    assert told(folder)[0] == (
        f"`{folder / 'model.onnx'}` wants to read `../secret`, which is outside its folder"
    )


def test_answers_that_are_no_probabilities(echo: MakeTagger) -> None:
    """Logits read as probabilities, or NaN, are an error and not a flood of tags."""
    for divisor in (1.0, 0.0):
        folder = echo(divisor=divisor, name=f"by_{divisor}")
        with pytest.raises(ModelFileError) as raised:
            scores_of(opened(folder), [Image.new("RGB", (4, 4), (255, 255, 255))])
        assert str(raised.value) == (
            f"`{folder / 'model.onnx'}` does not answer with probabilities in 0 to 1"
        )


def test_one_picture_without_numbers_costs_no_other(echo: MakeTagger) -> None:
    """What a graph answers with NaN is NaN alone, also beside what fills up a fixed batch."""
    folder = echo(batch=2)
    model = onnx.load(folder / "model.onnx")
    for node in model.graph.node:  # each number by the greatest of its picture: black is 0 / 0
        if node.op_type == "Div":
            node.input[1] = "greatest"
    greatest = helper.make_node("ReduceMax", ["flat"], ["greatest"], axes=[1], keepdims=1)
    model.graph.node.insert(1, greatest)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    black, grey, white = (Image.new("RGB", (4, 4), (level,) * 3) for level in (0, 9, 255))

    scores = scores_of(opened(folder), [grey, black, white])

    assert np.isnan(scores[1]).all()
    assert scores[[0, 2]].tolist() == [[1.0] * 48] * 2


def _picking(folder: Path, picks: str) -> None:
    """Make the graph take row `picks` of one row of answers: what is not 0 is out of bounds."""
    model = onnx.load(folder / "model.onnx")
    del model.graph.node[:]
    rows = numpy_helper.from_array(np.full((1, 48), 0.5, np.float32), "rows")
    zero = numpy_helper.from_array(np.array(0, np.float32), "zero")
    model.graph.initializer.extend([rows, zero])
    model.graph.node.extend(
        [
            helper.make_node("ReduceMax", ["input"], ["greatest"], axes=[1, 2, 3], keepdims=0),
            helper.make_node(picks, ["greatest", "zero"], ["picked"]),
            helper.make_node("Cast", ["picked"], ["row"], to=TensorProto.INT64),
            helper.make_node("Gather", ["rows", "row"], ["output"], axis=0),
        ]
    )
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def test_a_graph_that_fails_at_one_picture(echo: MakeTagger) -> None:
    """What onnxruntime raises at a picture is that picture's, in words, and no other class."""
    folder = echo()
    _picking(folder, "Equal")
    tagger = opened(folder)
    black, grey = (Image.new("RGB", (4, 4), (level,) * 3) for level in (0, 9))

    with pytest.raises(RuntimeError, match=r"^indices element out of data bounds, idx=1"):
        scores_of(tagger, [grey, black])

    assert scores_of(tagger, [grey]).tolist() == [[0.5] * 48]


def test_a_graph_that_fails_at_every_picture(echo: MakeTagger) -> None:
    """A model that can never be run stops the run at once, in two lines."""
    folder = echo()
    _picking(folder, "GreaterOrEqual")

    with pytest.raises(ModelFileError) as raised:
        scores_of(opened(folder), [Image.new("RGB", (4, 4))])

    assert str(raised.value).startswith(
        f"`{folder / 'model.onnx'}` cannot be run: indices element out of data bounds, idx=1"
    )
    assert raised.value.hint == "fetch the file again, or upgrade onnxruntime"


def test_a_graph_that_needs_too_much_memory(echo: MakeTagger) -> None:
    """Memory that runs out is an error of its own, which the engine blames on no picture."""
    folder = echo()
    model = onnx.load(folder / "model.onnx")
    huge = numpy_helper.from_array(np.array([1, 1 << 13, 1 << 13, 1 << 10]), "huge")
    model.graph.initializer.append(huge)
    for place, node in enumerate(
        [
            helper.make_node("Shape", ["input"], ["dims"]),
            helper.make_node("Mul", ["dims", "huge"], ["many"]),
            helper.make_node("ConstantOfShape", ["many"], ["large"]),
            helper.make_node("ReduceMax", ["large"], ["nought"], axes=[1, 2, 3], keepdims=1),
            helper.make_node("Add", ["input", "nought"], ["same"]),
        ]
    ):
        model.graph.node.insert(place, node)
    model.graph.node[5].input[0] = "same"
    (folder / "model.onnx").write_bytes(model.SerializeToString())

    with pytest.raises(OutOfMemoryError, match="Failed to allocate memory"):
        scores_of(opened(folder), [Image.new("RGB", (4, 4))])


@pytest.mark.parametrize("shape", [("n", 3, 4, 4), ("n", 4, 5, 3), ("n", 4, 4, 4), ("n", 48)])
def test_a_graph_that_is_no_such_tagger(echo: MakeTagger, shape: tuple[int | str, ...]) -> None:
    """Channels first where the row says last, or no square picture, is told with what was found."""
    folder = echo(shape=shape)

    message, hint = told(folder)

    assert message == (
        f"`{folder / 'model.onnx'}` does not take one square NHWC picture: "
        f"input tensor(float) {list(shape)}"
    )
    assert hint == "is it really a tagger of this kind? name the tagger it was made from"


@pytest.mark.parametrize(
    ("fit", "message", "hint"),
    [
        (
            (Resize("square", "BOX", size=8),),
            "takes 4 px, but its pictures are prepared as 8",
            "fetch all files again, from the same revision of the same model",
        ),
        *(
            (
                fit,
                "takes 4 px, but its pictures are not made a square of that size",
                "let `fit` in its `tagger.yaml` end as [{pad: white}, {square: bicubic}] does",
            )
            for fit in ((Resize("within", "BOX"),), (Resize("pad", colour=None),), ())
        ),
    ],
)
def test_steps_that_do_not_end_in_the_square(
    echo: MakeTagger, fit: tuple[Resize, ...], message: str, hint: str
) -> None:
    """Steps that would feed another shape are told before a picture is read, with what to write."""
    folder = echo()
    found = Models(folder.parent / "home").find(ask(str(folder)))

    with pytest.raises(ModelFileError) as raised:
        open_tagger(found, replace(WD, fit=fit), "cpu")

    assert (str(raised.value), raised.value.hint) == (f"`{folder / 'model.onnx'}` {message}", hint)


def test_a_folder_without_labels(echo: MakeTagger) -> None:
    """A folder that lacks a file is told which, and where to put it."""
    folder = echo()
    (folder / "selected_tags.csv").unlink()

    assert told(folder) == (
        f"the tagger `{folder}` is not complete: it lacks selected_tags.csv",
        f"put the missing files into `{folder}`",
    )


def test_labels_in_another_encoding(echo: MakeTagger) -> None:
    """A label file that is not UTF-8 is refused; one with a byte order mark is read."""
    folder = echo()
    text = (folder / "selected_tags.csv").read_text(encoding="utf-8")
    (folder / "selected_tags.csv").write_text(text, encoding="utf-8-sig")
    assert len(opened(folder).labels) == 48
    (folder / "selected_tags.csv").write_text(text, encoding="utf-16")

    assert told(folder)[0] == f"`{folder / 'selected_tags.csv'}` is not UTF-8 text"


def test_a_model_that_is_found_by_another_way(echo: MakeTagger, tmp_path: Path) -> None:
    """A graph without its labels, or two graphs at once, is told and not guessed."""
    folder = echo()
    models = Models(tmp_path / "home")
    with pytest.raises(ModelFileError) as raised:
        open_tagger(models.find(Ask("tagger", str(folder / "model.onnx"))), WD, "cpu")
    assert str(raised.value) == f"`{folder / 'model.onnx'}` has no label file beside it"
    assert raised.value.hint == "put `selected_tags.csv` there"

    shutil.copy(folder / "model.onnx", folder / "second.onnx")
    with pytest.raises(ModelFileError) as raised:
        open_tagger(models.find(Ask("tagger", str(folder))), WD, "cpu")
    assert str(raised.value) == f"`{folder}` has 2 `.onnx` files in place of one"
    assert raised.value.hint == "name the one to use as the model"
