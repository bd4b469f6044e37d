"""Each family as its own source code feeds it, and small graphs of the real shapes.

The recipes are written down here a second time, with numpy, after the sources that the rows name.
A graph's answers are single numbers of its input, so that a picture that is fed in another way
gets other scores.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from prep.images.fitting import fitted
from tagger_models.onnx.tagger import OnnxTagger

HEADER = "tag_id,name,category,count\n"
CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
IMAGENET = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
BILINEAR, BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
Recipe = Callable[[Image.Image], np.ndarray]


def scores_of(tagger: OnnxTagger, images: Sequence[Image.Image]) -> np.ndarray:
    """Return a tagger's scores of whole pictures, which are fitted first."""
    return tagger.score([fitted(image, tagger.fit) for image in images])


@dataclass(frozen=True)
class Family:
    """What stands in for a real model.

    Attributes:
        row: The row's name.
        shape: Of the input; a text is a free dimension.
        labels: How many there are.
        recipe: Picture -> input without the batch, float64.
        outputs: Name -> what it answers: `value` (the probed number, 0 to 255 or 0 to 1, as a
            probability), `sigmoid` of it, `logit`, `other` (one minus it, as a logit), or
            `embedding` (eight numbers).
        label_file: The number of labels -> the label file's text.
        files: Further files of the model.
    """

    row: str
    shape: tuple[int | str, ...]
    labels: int
    recipe: Recipe
    outputs: Mapping[str, str]
    label_file: Callable[[int], str]
    files: Mapping[str, str]

    def probes(self, labels: int) -> np.ndarray:
        """Return which of the input's numbers each label answers with."""
        free = [side for side in self.shape[1:] if isinstance(side, int)]
        return np.random.default_rng(len(self.row)).integers(0, int(np.prod(free)), labels)

    def expected(self, image: Image.Image, labels: int) -> np.ndarray:
        """Return the probabilities that the row has to lead to."""
        numbers = self.recipe(image).reshape(-1)[self.probes(labels)]
        if "value" in self.outputs.values():
            return numbers / (255 if numbers.max() > 1 else 1)
        return 1 / (1 + np.exp(-numbers))

    def save(self, folder: Path, files: tuple[str, str], labels: int | None = None) -> None:
        """Write the model with its files as the hub has them."""
        count = labels or self.labels
        for name in (*files, *self.files):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
        self._save_graph(folder / files[0], count)
        (folder / files[1]).write_text(self.label_file(count), encoding="utf-8")
        for name, text in self.files.items():
            (folder / name).write_text(text, encoding="utf-8")

    def _save_graph(self, path: Path, labels: int) -> None:
        held = [
            numpy_helper.from_array(self.probes(labels), "probes"),
            numpy_helper.from_array(np.float32(255), "white"),
            numpy_helper.from_array(np.float32(-1), "minus"),
            numpy_helper.from_array(np.arange(8), "eight"),
        ]
        nodes = [
            helper.make_node("Flatten", ["in"], ["flat"], axis=1),
            helper.make_node("Gather", ["flat", "probes"], ["number"], axis=1),
        ]
        white = "NHWC" if self.shape[-1] == 3 else "NCHW"
        made = {
            "value": helper.make_node("Div", ["number", "white"], ["x"])
            if white == "NHWC" and self.row != "deepdanbooru"
            else helper.make_node("Identity", ["number"], ["x"]),
            "sigmoid": helper.make_node("Sigmoid", ["number"], ["x"]),
            "logit": helper.make_node("Identity", ["number"], ["x"]),
            "other": helper.make_node("Mul", ["number", "minus"], ["x"]),
            "embedding": helper.make_node("Gather", ["number", "eight"], ["x"], axis=1),
        }
        ends = []
        for name, kind in self.outputs.items():
            node = type(made[kind])()
            node.CopyFrom(made[kind])
            node.output[0] = name
            nodes.append(node)
            wide = 8 if kind == "embedding" else labels
            shape = [self.shape[0], wide]
            ends.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        taken = helper.make_tensor_value_info("in", TensorProto.FLOAT, list(self.shape))
        graph = helper.make_graph(nodes, "family", [taken], ends, held)
        opsets = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
        path.write_bytes(model.SerializeToString())


def _on_square(image: Image.Image, colour: tuple[int, int, int]) -> Image.Image:
    side = max(image.size)
    canvas = Image.new("RGB", (side, side), colour)
    canvas.paste(image, ((side - image.width) // 2, (side - image.height) // 2))
    return canvas


def _white_square(image: Image.Image) -> np.ndarray:
    square = _on_square(image, (255, 255, 255))
    if square.width != 448:
        square = square.resize((448, 448), BICUBIC)
    return np.asarray(square).astype(float)


def _planes(pixels: np.ndarray, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    return ((pixels / 255 - mean) / std).transpose(2, 0, 1)


def wd(image: Image.Image) -> np.ndarray:
    """SmilingWolf's space: white square, bicubic, BGR, 0 to 255, channels last."""
    return _white_square(image)[:, :, ::-1]


def pixai(image: Image.Image) -> np.ndarray:
    """Squashed, RGB, -1 to 1, channels first."""
    return _planes(np.asarray(image.resize((448, 448), BICUBIC)), [0.5] * 3, [0.5] * 3)


def animetimm(image: Image.Image) -> np.ndarray:
    """Within 512 px on white, then 448 px, RGB by ImageNet's mean and deviation."""
    scale = 512 / max(image.size)
    small = image.resize((int(image.width * scale), int(image.height * scale)), BILINEAR)
    padded = Image.new("RGB", (512, 512), (255, 255, 255))
    padded.paste(small, ((512 - small.width) // 2, (512 - small.height) // 2))
    return _planes(np.asarray(padded.resize((448, 448), BICUBIC)), *IMAGENET)


def camie(image: Image.Image) -> np.ndarray:
    """Within 512 px by Lanczos, then on black, RGB, 0 to 1."""
    aspect = image.width / image.height
    size = (512, int(512 / aspect)) if aspect > 1 else (int(512 * aspect), 512)
    small = image.resize(size, Image.Resampling.LANCZOS)
    padded = Image.new("RGB", (512, 512), (0, 0, 0))
    padded.paste(small, ((512 - size[0]) // 2, (512 - size[1]) // 2))
    return _planes(np.asarray(padded), [0] * 3, [1] * 3)


def cl(image: Image.Image) -> np.ndarray:
    """White square, bicubic, channels first and reversed, -1 to 1."""
    return _planes(_white_square(image), [0.5] * 3, [0.5] * 3)[::-1]


def joytag(image: Image.Image) -> np.ndarray:
    """White square, bicubic, RGB by CLIP's mean and deviation, channels first."""
    return _planes(_white_square(image), *CLIP)


def ml_danbooru(image: Image.Image) -> np.ndarray:
    """Squashed by bilinear, RGB, 0 to 1, channels first."""
    return _planes(np.asarray(image.resize((448, 448), BILINEAR)), [0] * 3, [1] * 3)


def deepdanbooru(image: Image.Image) -> np.ndarray:
    """Within 512 px by area, edges repeated, RGB, 0 to 1, channels last."""
    longer = max(image.size)
    size = (image.width * 512 // longer, image.height * 512 // longer)
    pixels = np.asarray(image.resize(size, Image.Resampling.BOX))
    top, left = (512 - size[1]) // 2, (512 - size[0]) // 2
    border = ((top, 512 - size[1] - top), (left, 512 - size[0] - left), (0, 0))
    return np.pad(pixels, border, mode="edge") / 255


def wd_csv(count: int) -> str:
    """Four ratings, then general labels."""
    return HEADER + "".join(f"{n},tag_{n},{9 if n < 4 else 0},1\n" for n in range(count))


def wide_csv(count: int) -> str:
    """A table as imgutils' exports have it, with a threshold per tag and series."""
    rows = (f'{n},{n},tag_{n},{4 if n % 3 else 0},1,"[""a_work""]",0.25\n' for n in range(count))
    return "id,tag_id,name,category,count,ips,best_threshold\n" + "".join(rows)


def mapping(count: int) -> str:
    """cl_tagger's first shape."""
    rows = {
        str(n): {"tag": f"tag_{n}", "category": "Character" if n % 3 else "General"}
        for n in range(count)
    }
    return json.dumps(rows)


def two_mappings(count: int) -> str:
    """Camie's shape, and cl_tagger's second one."""
    names = {str(n): f"tag_{n}" for n in range(count)}
    return json.dumps(
        {"idx_to_tag": names, "tag_to_category": dict.fromkeys(names.values(), "general")}
    )


def lines(count: int) -> str:
    """A name a line."""
    return "".join(f"tag_{n}\n" for n in range(count))


def names(count: int) -> str:
    """A JSON list."""
    return json.dumps([f"tag_{n}" for n in range(count)])


def _steps(key: str, *steps: Mapping[str, Any]) -> str:
    return json.dumps({key: list(steps)})


_TENSOR = {"type": "maybe_to_tensor"}
_PIXAI_STEPS = _steps(
    "stages",
    {"type": "convert_rgb", "force_background": "white"},
    {"type": "resize", "size": [448, 448], "interpolation": "bicubic", "antialias": True},
    _TENSOR,
    {"type": "normalize", "mean": 0.5, "std": [0.5, 0.5, 0.5]},
)
_TIMM_STEPS = _steps(
    "test",
    {"type": "pad_to_size", "size": [512, 512], "background_color": "white"},
    {"type": "resize", "size": 448, "interpolation": "bicubic", "max_size": None},
    {"type": "center_crop", "size": [448, 448]},
    _TENSOR,
    {"type": "normalize", "mean": IMAGENET[0], "std": IMAGENET[1]},
)
_CAMIE_STEPS = _steps(
    "stages",
    {"type": "pad_to_size", "size": 512, "background_color": "black", "interpolation": "lanczos"},
    _TENSOR,
)
_LEVELS = "category,name,threshold\n0,general,0.31\n4,character,0.77\n0,again,0.99\n9,rating,0.4\n"
_PRESETS = json.dumps(
    {kind: {"balanced": {"threshold": 0.2 + n / 10}} for n, kind in enumerate(["general", "meta"])}
)
_LAST, _FIRST = ("b", 448, 448, 3), ("b", 3, 448, 448)
_EXPORT = {"prediction": "sigmoid", "logits": "logit", "embedding": "embedding"}
_CAMIE_EXPORT = {
    "initial/embedding": "embedding",
    "initial/logits": "other",
    "initial/output": "other",
    "embedding": "embedding",
    "logits": "logit",
    "output": "sigmoid",
}
_TIMM_FILES = {"preprocess.json": _TIMM_STEPS, "thresholds.csv": _LEVELS}


def _camie_export(kind: str) -> Family:
    files = {f"{kind}/preprocess.json": _CAMIE_STEPS, f"{kind}/threshold.json": _PRESETS}
    name, shape = f"camie-tagger-{kind}", ("b", 3, 512, 512)
    return Family(name, shape, 70_527, camie, _CAMIE_EXPORT, wide_csv, files)


V2 = tuple(
    f"wd-v1-4-{kind}-tagger-v2" for kind in ["vit", "convnext", "convnextv2", "swinv2", "moat"]
)
V3 = tuple(
    f"wd-{kind}-tagger-v3" for kind in ["vit", "swinv2", "convnext", "vit-large", "eva02-large"]
)
# Where a number of labels was not read anywhere, one thousand stand in.
FAMILIES = (
    *(Family(name, _LAST, 10_861, wd, {"output": "value"}, wd_csv, {}) for name in V3),
    *(Family(name, (1, *_LAST[1:]), 9_083, wd, {"out": "value"}, wd_csv, {}) for name in V2),
    *(
        Family(name, _LAST, 1_000, wd, {"predictions_sigmoid": "value"}, wide_csv, {})
        for name in ("z3d-e621-convnext", "z3d-e621-convnext-silveroxides")
    ),
    Family(
        "pixai-tagger-v0.9", _FIRST, 13_461, pixai, dict(reversed(_EXPORT.items())), wide_csv,
        {"preprocess.json": _PIXAI_STEPS, "thresholds.csv": _LEVELS},
    ),
    Family("animetimm-caformer-b36", _FIRST, 12_476, animetimm, _EXPORT, wide_csv, _TIMM_FILES),
    Family(
        "camie-tagger", ("b", 3, 512, 512), 70_527, camie,
        {"initial": "other", "refined": "logit"}, two_mappings, {},
    ),
    _camie_export("initial"),
    _camie_export("refined"),
    *(
        Family(f"cl-tagger-{version}", _FIRST, 42_163, cl, {"output": "logit"}, mapping, {})
        for version in ("1.00", "1.01", "1.02")
    ),
    Family("joytag", _FIRST, 5_813, joytag, {"output": "logit"}, lines, {}),
    *(
        Family(name, _FIRST, 12_547, ml_danbooru, {"output": "logit"}, names, {})
        for name in ("ml-danbooru-caformer", "ml-danbooru-tresnet")
    ),
    Family(
        "deepdanbooru", ("b", 512, 512, 3), 1_000, deepdanbooru, {"probs": "value"}, wide_csv, {}
    ),
)  # fmt: skip
