"""Graphs that stand for taggers: one that costs nothing, one of the size of a real one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

_WIDE, _DEEP, _HEADS, _PATCH = 768, 12, 12, 16  # ViT-B/16


def labels_file(count: int) -> str:
    """Return a label file: four ratings, then general labels."""
    rows = (f"{n},label_{n},{9 if n < 4 else 0},{n}\n" for n in range(count))
    return "tag_id,name,category,count\n" + "".join(rows)


def trivial(labels: int, size: int) -> bytes:
    """Return a graph from the mean colour to scores as skewed as a real tagger's."""
    random = np.random.default_rng(0)
    weights = (random.gumbel(-7.0, 0.9, (1, labels)) / 384 * np.ones((3, 1))).astype(np.float32)
    nodes = [
        helper.make_node("ReduceMean", ["input"], ["mean"], axes=[1, 2], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["logits"]),
        helper.make_node("Sigmoid", ["logits"], ["output"]),
    ]
    return _model(nodes, {"weights": weights}, size, labels)


def vit(labels: int, size: int = 448) -> bytes:
    """Return a vision transformer of the size of ViT-B/16 with random weights.

    Its scores are as skewed as a real tagger's: thousands of tags a picture would be measured
    otherwise, in place of the model.
    """
    random = np.random.default_rng(0)
    count = (size // _PATCH) ** 2
    held: dict[str, np.ndarray] = {
        "patch": random.normal(0, 0.02, (_WIDE, 3, _PATCH, _PATCH)).astype(np.float32),
        "place": random.normal(0, 0.02, (1, count, _WIDE)).astype(np.float32),
        "white": np.float32(127.5), "one": np.ones(_WIDE, np.float32),
        "none": np.zeros(_WIDE, np.float32), "flat": np.array([0, _WIDE, count]),
        "split": np.array([0, count, 3, _HEADS, _WIDE // _HEADS]),
        "join": np.array([0, count, _WIDE]), "root": np.float32((_WIDE / _HEADS) ** -0.5),
        "half": np.float32(0.5), "two": np.float32(2**0.5), "unit": np.float32(1),
        "head": random.normal(0, 0.02, (_WIDE, labels)).astype(np.float32),
        "rare": random.gumbel(-7.0, 0.9, labels).astype(np.float32),
        **{f"pick{n}": np.array(n) for n in range(3)},
    }  # fmt: skip
    nodes = [
        _node("Transpose", ["input"], "planes", perm=[0, 3, 1, 2]),
        _node("Div", ["planes", "white"], "scaled"),
        _node("Sub", ["scaled", "unit"], "even"),
        _node("Conv", ["even", "patch"], "patches", strides=[_PATCH] * 2),
        _node("Reshape", ["patches", "flat"], "rows"),
        _node("Transpose", ["rows"], "tokens", perm=[0, 2, 1]),
        _node("Add", ["tokens", "place"], "x0"),
    ]
    for layer in range(_DEEP):
        nodes += _layer(layer, held, random)
    nodes += [
        _node("LayerNormalization", [f"x{_DEEP}", "one", "none"], "last", axis=-1),
        _node("ReduceMean", ["last"], "pooled", axes=[1], keepdims=0),
        _node("MatMul", ["pooled", "head"], "even_odds"),
        _node("Add", ["even_odds", "rare"], "logits"),
        _node("Sigmoid", ["logits"], "output"),
    ]
    return _model(nodes, held, size, labels)


def _layer(number: int, held: dict[str, np.ndarray], random: Any) -> list[NodeProto]:
    """Return the nodes of one layer; its weights are put into `held`."""
    shapes = {"qkv": (_WIDE, 3 * _WIDE), "out": (_WIDE, _WIDE)}
    shapes |= {"up": (_WIDE, 4 * _WIDE), "down": (4 * _WIDE, _WIDE)}
    for name, shape in shapes.items():
        held[f"{name}{number}"] = random.normal(0, 0.02, shape).astype(np.float32)

    def of(*names: str) -> list[str]:
        own = {"x", *shapes}
        return [
            name if name in held else f"{name}{number}" if name in own else f"{name}_{number}"
            for name in names
        ]

    def node(kind: str, given: Sequence[str], made: str, **more: Any) -> NodeProto:
        return _node(kind, of(*given), f"{made}_{number}", **more)

    return [
        node("LayerNormalization", ["x", "one", "none"], "norm", axis=-1),
        node("MatMul", ["norm", "qkv"], "three"),
        node("Reshape", ["three", "split"], "heads"),
        node("Transpose", ["heads"], "turned", perm=[2, 0, 3, 1, 4]),
        *(node("Gather", ["turned", f"pick{n}"], "qkv"[n], axis=0) for n in range(3)),
        node("Transpose", ["k"], "keys", perm=[0, 1, 3, 2]),
        node("MatMul", ["q", "keys"], "raw"),
        node("Mul", ["raw", "root"], "soft"),
        node("Softmax", ["soft"], "weights", axis=-1),
        node("MatMul", ["weights", "v"], "mixed"),
        node("Transpose", ["mixed"], "back", perm=[0, 2, 1, 3]),
        node("Reshape", ["back", "join"], "joined"),
        node("MatMul", ["joined", "out"], "seen"),
        node("Add", ["x", "seen"], "y"),
        node("LayerNormalization", ["y", "one", "none"], "again", axis=-1),
        node("MatMul", ["again", "up"], "wide"),
        node("Div", ["wide", "two"], "part"),
        node("Erf", ["part"], "erf"),
        node("Add", ["erf", "unit"], "gate"),
        node("Mul", ["wide", "gate"], "open"),
        node("Mul", ["open", "half"], "gelu"),
        node("MatMul", ["gelu", "down"], "small"),
        _node("Add", of("y", "small"), f"x{number + 1}"),
    ]


def _node(kind: str, given: Sequence[str], made: str, **more: Any) -> NodeProto:
    return helper.make_node(kind, list(given), [made], **more)


def _model(
    nodes: Sequence[NodeProto], held: dict[str, np.ndarray], size: int, labels: int
) -> bytes:
    graph = helper.make_graph(
        list(nodes),
        "tagger",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", size, size, 3])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", labels])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in held.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    made: bytes = helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString()
    return made
