"""Small ONNX graphs that answer as YOLO's exporters write theirs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

CELL = 8  # px; a box of this side is told for each cell of the input


def save(
    path: Path, nodes: Sequence[Any], shape: Sequence[Any], names: str, **constants: Any
) -> None:
    """Write a graph from `images` to `output0`, with the metadata of ultralytics."""
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, list(shape))
    told = helper.make_tensor_value_info("output0", TensorProto.FLOAT, None)
    tensors = [
        numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()
    ]
    graph = helper.make_graph(list(nodes), "graph", [given], [told], tensors)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"names": names} if names else {})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())


def red_and_blue(path: Path, side: int, names: str = "{0: 'face', 1: 'person'}") -> None:
    """Write a graph that sees faces where its input is red, and persons where it is blue.

    Its answers are (1, 4 + 2, N): the middle and sides of each cell that is full of the colour.
    """
    cells = side // CELL
    middles = np.arange(cells, dtype=np.float32) * CELL + CELL / 2
    place = np.stack([np.tile(middles, cells), np.repeat(middles, cells)])
    boxes = np.concatenate([place, np.full_like(place, CELL)])[None]
    # red less green and blue, blue less red and green: only a full colour is over 0.5
    weights = np.array([[1, -1, -1], [-1, -1, 1]], np.float32)[:, :, None, None]
    px = [CELL, CELL]
    nodes = [
        helper.make_node("AveragePool", ["images"], ["mean"], kernel_shape=px, strides=px),
        helper.make_node("Conv", ["mean", "weights"], ["seen"]),
        helper.make_node("Reshape", ["seen", "flat"], ["scores"]),
        helper.make_node("Concat", ["boxes", "scores"], ["output0"], axis=1),
    ]  # fmt: skip
    flat = np.array([1, 2, cells * cells])
    save(path, nodes, (1, 3, side, side), names, weights=weights, flat=flat, boxes=boxes)


def answering(path: Path, answers: Any, names: str) -> None:
    """Write a graph that answers with the same numbers whatever it sees."""
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
        helper.make_node("Add", ["answers", "nothing"], ["output0"]),
    ]
    told = np.asarray(answers, np.float32)
    save(path, nodes, (1, 3, 64, 64), names, answers=told, zero=np.float32(0))


def whole_input(path: Path) -> None:
    """Write a graph of open size that sees one face: all of its input."""
    nodes = [
        helper.make_node("Shape", ["images"], ["shape"]),
        helper.make_node("Gather", ["shape", "sides"], ["whole"]),
        helper.make_node("Cast", ["whole"], ["wide_high"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["wide_high", "half"], ["middle"]),
        helper.make_node("Concat", ["middle", "wide_high", "score"], ["five"], axis=0),
        helper.make_node("Reshape", ["five", "flat"], ["output0"]),
    ]
    constants = {
        "sides": np.array([3, 2]), "half": np.float32(0.5), "score": np.array([0.9], np.float32),
        "flat": np.array([1, 5, 1]),
    }  # fmt: skip
    save(path, nodes, (1, 3, "height", "width"), "{0: 'face'}", **constants)
