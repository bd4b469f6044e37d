import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from prep.models.locate import Models
from tagger_models.labels.label import Label
from tagger_models.onnx.tagger import OnnxTagger, open_tagger
from tagger_models.profiles.profile import Profile
from tagger_models.profiles.registry import ask
from tagger_models.profiles.wd import WD
from tests.tagger_models.conftest import label_file
from tests.tagger_models.families import scores_of

MakeTagger = Callable[..., Path]
SHARED = Path(__file__).parents[3] / ".." / "shared" / "data" / "wd-selected-tags-synthetic"


def opened(folder: Path, row: Profile = WD, name: str | None = None) -> OnnxTagger:
    """Return the tagger that a person gets who names the folder."""
    found = Models(folder.parent / "home").find(ask(name or str(folder)))
    return open_tagger(found, row, device="cpu", threads=1)


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

    scores = scores_of(tagger, pictures)

    assert scores.dtype == np.float32
    assert scores.tolist() == [wanted(image, 4).tolist() for image in pictures]
    assert tagger.labels[:2] == (Label("label_0", "rating"), Label("label_1", "general"))
    assert (tagger.batch, tagger.shape.size, tagger.shape.tensor) == (None, 4, "input")
    assert (tagger.provider, tagger.note) == ("CPUExecutionProvider", None)
    assert tagger.usual_batch == 1  # more bring nothing, and a last call that is filled up costs


@pytest.mark.parametrize("batch", [1, 2, 3, 8])
def test_a_fixed_batch_is_filled_up(
    echo: MakeTagger, pictures: list[Image.Image], batch: int
) -> None:
    """A graph that takes B pictures gets B each time, and answers for each picture as if alone."""
    tagger = opened(echo(batch=batch))

    assert tagger.batch == batch
    assert scores_of(tagger, pictures).tolist() == [wanted(image, 4).tolist() for image in pictures]
    assert scores_of(tagger, []).shape == (0, 48)


def test_a_graph_in_half_precision(tmp_path: Path, pictures: list[Image.Image]) -> None:
    """A graph that takes and answers float16 is fed with it; what comes out is float32."""
    half = numpy_helper.from_array(np.array(255, np.float16), "scale")
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["input"], ["flat"], axis=1),
            helper.make_node("Div", ["flat", "scale"], ["output"]),
        ],
        "graph",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT16, ["n", 4, 4, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT16, ["n", 48])],
        [half],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "model.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "half" / "selected_tags.csv").write_text(label_file(48), encoding="utf-8")

    scores = scores_of(opened(tmp_path / "half"), pictures)

    assert scores.dtype == np.float32
    expected = [wanted(image, 4).astype(np.float16).tolist() for image in pictures]
    assert np.abs(scores - np.array(expected)).max() <= 2**-11


@pytest.mark.filterwarnings("error")
def test_logits_as_far_out_as_can_be(echo: MakeTagger) -> None:
    """A logit of -1e4 is the probability 0, and nobody is warned of an overflow."""
    row = replace(WD, activation="sigmoid", low=-1e4, high=1e4)
    levels = [Image.new("RGB", (4, 4), (level,) * 3) for level in (0, 255)]

    assert scores_of(opened(echo(divisor=1.0), row), levels).tolist() == [[0.0] * 48, [1.0] * 48]


def test_no_pictures_need_no_graph(echo: MakeTagger) -> None:
    """An empty batch has no scores and a column for each label."""
    assert scores_of(opened(echo()), []).shape == (0, 48)


def test_a_row_of_another_kind(echo: MakeTagger, pictures: list[Image.Image]) -> None:
    """Channels first, RGB, -1 to 1 and logits are read as the row says."""
    row = replace(WD, layout="NCHW", order="RGB", low=-1.0, activation="sigmoid", high=1.0)
    tagger = opened(echo(shape=("n", 3, 4, 4), divisor=0.5), row)
    image = pictures[4]

    planes = np.asarray(image, dtype=np.float64).transpose(2, 0, 1).reshape(-1) / 127.5 - 1

    assert np.abs(scores_of(tagger, [image])[0] - 1 / (1 + np.exp(-2 * planes))).max() < 1e-6


def test_a_graph_of_any_size_uses_the_rows(echo: MakeTagger) -> None:
    """Where the graph leaves the picture's size open, the row's size is used."""
    folder = echo(shape=("n", "h", "w", 3))

    tagger = opened(folder, replace(WD, size=4))
    assert scores_of(tagger, [Image.new("RGB", (9, 9))]).shape == (1, 48)


def test_two_openings_and_two_batches_agree(echo: MakeTagger, pictures: list[Image.Image]) -> None:
    """Opened twice, with the pictures in another order, the scores are the same bits."""
    folder = echo(batch=4)

    first = scores_of(opened(folder), pictures)
    second = scores_of(opened(folder), pictures[::-1])

    assert first.tobytes() == second[::-1].copy().tobytes()


def test_an_onnx_file_by_name(echo: MakeTagger) -> None:
    """A single `.onnx` file under another name is opened with the label file beside it."""
    folder = echo()
    (folder / "model.onnx").rename(folder / "mine.onnx")

    assert len(opened(folder, name=str(folder / "mine.onnx")).labels) == 48


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

    scores = scores_of(opened(tmp_path), [image])

    bare = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    pixels = (wanted(image, 448) * np.float32(255)).reshape(1, 448, 448, 3).round()
    expected = bare.run(None, {"input": pixels})[0]
    assert scores.shape == (1, 10861)
    assert np.abs(scores - expected).max() < 1e-6
    assert scores.std() > 0.1
