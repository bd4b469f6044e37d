"""Make the tiny tagger: a WD-shaped ONNX file and its label table. Weights are random.

It looks at pixels but was never taught: two convolutions of random weights, and a last layer
scaled on drawn pictures so that about one label in five passes the usual threshold.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.draw import draw
from tinyworld.world import ACCESSORIES, BACKGROUNDS, BODIES, COLOURS, HATS, POSES, Look, Scene

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto

    Array = np.ndarray[Any, Any]

SIDE = 64
_CHANNELS = (8, 16)

# Danbooru's codes of categories, as in `selected_tags.csv`.
_GENERAL, _CHARACTER, _RATING = 0, 4, 9

RATINGS = ("general", "sensitive", "questionable", "explicit")
GENERAL = (
    "no_humans", "solo", "looking_at_viewer", "smile", "full_body", "upper_body", "portrait",
    "outdoors", "indoors", "day", "night", "sky", "cloud", "star_(sky)", "crescent_moon", "sun",
    "grass", "flower", "tree", "snow", "beach", "ocean", "simple_background",
    "white_background", "transparent_background", "striped_background", "open_mouth",
    "closed_eyes", "blush", "standing", "waving", "arms_up", "jumping", "leaf_on_head", "crown",
    "party_hat", "beret", "blue_scarf", "glasses", "bowtie", "hair_flower", ":d",
)  # fmt: skip
CHARACTERS = (
    "coral_(tinyworld)", "mint_(tinyworld)", "lemon_(tinyworld)", "violet_(tinyworld)",
    "sky_(tinyworld)", "uncle_beret_(tinyworld)",
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """All numbers of the network, float32.

    Attributes:
        first: (8, 3, 8, 8), applied with stride 4; `second`: (16, 8, 4, 4), with stride 2.
        last: (labels, features); `bias`: (labels,).
    """

    first: "Array"
    second: "Array"
    last: "Array"
    bias: "Array"


def label_table() -> str:
    """Return `selected_tags.csv` as the WD taggers have it: ratings, general, characters."""
    rows = [(9999999 - n, name, _RATING) for n, name in enumerate(RATINGS)]
    rows += [(1 + n, name, _GENERAL) for n, name in enumerate(GENERAL)]
    rows += [(1001 + n, name, _CHARACTER) for n, name in enumerate(CHARACTERS)]
    lines = [f"{tag},{name},{kind},{100000 - 10 * n}" for n, (tag, name, kind) in enumerate(rows)]
    return "\n".join(["tag_id,name,category,count", *lines]) + "\n"


def make_tagger(folder: Path, seed: int) -> None:
    """Write `model.onnx` and `selected_tags.csv` into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    model = _network(_weights(seed))
    (folder / "model.onnx").write_bytes(model.SerializeToString(deterministic=True))
    (folder / "selected_tags.csv").write_bytes(label_table().encode())


def _weights(seed: int) -> Weights:
    import numpy as np

    dice = np.random.Generator(np.random.PCG64(seed))
    first = dice.normal(size=(_CHANNELS[0], 3, 8, 8)) / math.sqrt(3 * 64)
    second = dice.normal(size=(_CHANNELS[1], _CHANNELS[0], 4, 4)) / math.sqrt(_CHANNELS[0] * 16)
    first, second = first.astype(np.float32), second.astype(np.float32)
    seen = _features(first, second, _looked_at())
    labels = len(RATINGS) + len(GENERAL) + len(CHARACTERS)
    # A label's logit over drawn pictures has mean -1.6 and deviation 1.2, by its own direction.
    spread = (seen - seen.mean(0)) @ dice.normal(size=(labels, seen.shape[1])).T
    last = np.linalg.lstsq(seen - seen.mean(0), spread * 1.2 / spread.std(0), rcond=1e-3)[0].T
    wanted = np.full(labels, -1.6)
    wanted[: len(RATINGS)] = (2.5, -3.0, -5.0, -6.0)
    wanted[-len(CHARACTERS) :] = -1.0
    last = last.round(4).astype(np.float32)
    bias = (wanted - last @ seen.mean(0)).round(4).astype(np.float32)
    return Weights(first, second, last, bias)


def _looked_at() -> "Array":
    """Return 80 drawn pictures, (80, 64, 64, 3), BGR, 0 to 255, float32."""
    import numpy as np

    colours = tuple(COLOURS)
    pictures = []
    for n in range(80):
        look = Look(BODIES[n % 3], colours[n % 5], HATS[n // 5 % 5], ACCESSORIES[n // 3 % 5])
        framing = ("full_body", "upper_body", "full_body", "face")[n % 4]
        scene = Scene(look, BACKGROUNDS[n // 4 % 5], POSES[n // 2 % 4], framing, (SIDE, SIDE))
        pictures.append(np.asarray(draw(scene, n))[:, :, ::-1])
    return np.stack(pictures).astype(np.float32)


def _features(first: "Array", second: "Array", pictures: "Array") -> "Array":
    """Return what the last layer is given, (pictures, features): computed by the network itself."""
    import numpy as np
    from onnx.reference import ReferenceEvaluator

    features = 16 * _CHANNELS[1]
    unit = Weights(first, second, np.eye(features, dtype=np.float32), np.zeros(features, "float32"))
    network = ReferenceEvaluator(_network(unit, activation="Identity"))
    outputs: Any = network.run(None, {"input": pictures})
    answer: Array = outputs[0]
    return answer.astype(np.float64)


def _network(weights: Weights, activation: str = "Sigmoid") -> "ModelProto":
    """Return the network: `input` [batch, 64, 64, 3] BGR 0 to 255 -> `output` [batch, labels]."""
    from onnx import TensorProto, helper, numpy_helper

    labels = weights.last.shape[0]
    nodes = [
        helper.make_node("Transpose", ["input"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("Mul", ["planes", "per_255"], ["scaled"]),
        helper.make_node("Conv", ["scaled", "first"], ["edges"], strides=[4, 4], pads=[2] * 4),
        helper.make_node("Relu", ["edges"], ["lit"]),
        helper.make_node("Conv", ["lit", "second"], ["parts"], strides=[2, 2], pads=[1] * 4),
        helper.make_node("Relu", ["parts"], ["found"]),
        helper.make_node("AveragePool", ["found"], ["pooled"], kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "last", "bias"], ["logits"], transB=1),
        helper.make_node(activation, ["logits"], ["output"]),
    ]
    constants: dict[str, Any] = {**vars(weights), "per_255": weights.bias.dtype.type(1 / 255)}
    graph = helper.make_graph(
        nodes,
        "tinyworld-tagger",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", labels])],
        [numpy_helper.from_array(_array(value), name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="tinyworld")


def _array(value: Any) -> "Array":
    import numpy as np

    return np.asarray(value)
