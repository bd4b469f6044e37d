import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from prep.errors import ModelFileError
from prep.models import Ask, Models
from tagger_models.base import Label
from tagger_models.onnx import OnnxTagger, open_tagger
from tagger_models.registry import WD, Profile, ask

MakeTagger = Callable[..., Path]
SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "wd-selected-tags-synthetic"


def opened(folder: Path, row: Profile = WD, name: str | None = None) -> OnnxTagger:
    """Return the tagger that a person gets who names the folder."""
    found = Models(folder.parent / "home").find(ask(name or str(folder)))
    return open_tagger(found, row, device="cpu", threads=1)


def told(folder: Path, row: Profile = WD) -> tuple[str, str | None]:
    with pytest.raises(ModelFileError) as raised:
        opened(folder, row)
    return str(raised.value), raised.value.hint


def wanted(image: Image.Image, size: int) -> np.ndarray:
    """Return what an echo must answer, by the recipe of the WD space."""
    side = max(image.size)
    canvas = Image.new("RGB", (side, side), (255, 255, 255))
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    if side != size:
        canvas = canvas.resize((size, size), Image.Resampling.BICUBIC)
    bgr = np.asarray(canvas, dtype=np.float32)[:, :, ::-1]
    return bgr.reshape(-1) / np.float32(255)


def test_scores_are_the_graphs_answers(echo: MakeTagger, pictures: list[Image.Image]) -> None:
    """Each number that enters the graph is the reference's: layout, order, range and padding."""
    tagger = opened(echo())

    scores = tagger.score(pictures)

    assert scores.dtype == np.float32
    assert scores.tolist() == [wanted(image, 4).tolist() for image in pictures]
    assert tagger.labels[:2] == (Label("label_0", "rating"), Label("label_1", "general"))
    assert (tagger.batch, tagger.shape.size, tagger.shape.tensor) == (None, 4, "input")
    assert (tagger.provider, tagger.note) == ("CPUExecutionProvider", None)


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
def test_a_fixed_batch_is_filled_up(
    echo: MakeTagger, pictures: list[Image.Image], batch: int
) -> None:
    """A graph that takes B pictures gets B each time, and answers for each picture as if alone."""
    tagger = opened(echo(batch=batch))

    assert tagger.batch == batch
    assert tagger.score(pictures).tolist() == [wanted(image, 4).tolist() for image in pictures]
    assert tagger.score([]).shape == (0, 48)


def test_no_pictures_need_no_graph(echo: MakeTagger) -> None:
    """An empty batch has no scores and a column for each label."""
    assert opened(echo()).score([]).shape == (0, 48)


def test_a_row_of_another_kind(echo: MakeTagger, pictures: list[Image.Image]) -> None:
    """Channels first, RGB, -1 to 1 and logits are read as the row says."""
    row = replace(WD, layout="NCHW", order="RGB", low=-1.0, activation="sigmoid", high=1.0)
    tagger = opened(echo(shape=("n", 3, 4, 4), divisor=0.5), row)
    image = pictures[4]

    planes = np.asarray(image, dtype=np.float64).transpose(2, 0, 1).reshape(-1) / 127.5 - 1

    assert np.abs(tagger.score([image])[0] - 1 / (1 + np.exp(-2 * planes))).max() < 1e-6


def test_a_graph_of_any_size_uses_the_rows(echo: MakeTagger) -> None:
    """Where the graph leaves the picture's size open, the row's size is used."""
    folder = echo(shape=("n", "h", "w", 3))

    assert opened(folder, replace(WD, size=4)).score([Image.new("RGB", (9, 9))]).shape == (1, 48)


def test_two_openings_and_two_batches_agree(echo: MakeTagger, pictures: list[Image.Image]) -> None:
    """Opened twice, with the pictures in another order, the scores are the same bits."""
    folder = echo(batch=4)

    first = opened(folder).score(pictures)
    second = opened(folder).score(pictures[::-1])

    assert first.tobytes() == second[::-1].copy().tobytes()


def test_an_onnx_file_by_name(echo: MakeTagger) -> None:
    """A single `.onnx` file under another name is opened with the label file beside it."""
    folder = echo()
    (folder / "model.onnx").rename(folder / "mine.onnx")

    assert len(opened(folder, name=str(folder / "mine.onnx")).labels) == 48


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
        tagger.score([Image.new("RGB", (4, 4))])

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

    assert opened(folder).score([image]).tolist() == [[0.5] * 48]
    before = models.digest(models.find(ask(str(folder))))
    (folder / "model.onnx_data").write_bytes(np.float32(255).tobytes())
    assert opened(folder).score([image]).tolist() == [[1.0] * 48]
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
            opened(folder).score([Image.new("RGB", (4, 4), (255, 255, 255))])
        assert str(raised.value) == (
            f"`{folder / 'model.onnx'}` does not answer with probabilities in 0 to 1"
        )


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


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not beside the checkout")
def test_a_tagger_of_the_real_shape(tmp_path: Path) -> None:
    """448 px and 10,861 labels: the scores equal those of onnxruntime called directly."""
    random = np.random.default_rng(0)
    weights = random.normal(0, 0.02, (3 * 14 * 14, 10861)).astype(np.float32)
    nodes = [
        helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["planes"], ["pool"], kernel_shape=[32] * 2, strides=[32] * 2
        ),
        helper.make_node("Flatten", ["pool"], ["flat"], axis=1),
        helper.make_node("MatMul", ["flat", "weights"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["output"]),
    ]
    ends = [
        helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", 448, 448, 3]),
        helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", 10861]),
    ]
    held = [numpy_helper.from_array(weights, "weights")]
    graph = helper.make_graph(nodes, "wd", ends[:1], ends[1:], held)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    shutil.copy(SHARED / "selected_tags.csv", tmp_path)
    image = Image.fromarray(random.integers(0, 256, (300, 517, 3), dtype=np.uint8))

    scores = opened(tmp_path).score([image])

    bare = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pixels = (wanted(image, 448) * np.float32(255)).reshape(1, 448, 448, 3).round()
    expected = bare.run(None, {"input": pixels})[0]
    assert scores.shape == (1, 10861)
    assert np.abs(scores - expected).max() < 1e-6
    assert scores.std() > 0.1


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
