"""Train the detector: a picture on its grey square, 128 px, to boxes of faces and figures.

It is written as YOLO's exporters write theirs: `model.onnx`, from RGB pixels of 0 to 1, (1, 3, 128,
128), to (1, 4 + 2, N): middle, width and height in px, and a probability each for `face` and
`person`, whose names are in the metadata.
"""

import random
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.backgrounds import draw_background
from tinyworld.draw import cut_out, draw, face_box
from tinyworld.training.slices import Plan, learn
from tinyworld.world import BACKGROUNDS, random_scene

if TYPE_CHECKING:
    import numpy as np
    from onnx import ModelProto
    from torch import Tensor, nn

SIDE, STRIDE = 128, 16
GRID = SIDE // STRIDE
KINDS = ("face", "person")
PLAN = Plan(steps=1_200, rate=4e-3, seed=23)
COUNT = 5_000  # drawings that are learnt from
_BATCH = 32
_EMPTY = 0.15  # how often nobody is in the picture
_GREY = 114
_USUAL = (48.0, 80.0)  # px; sides of a face and a figure that the network is right about by chance

# Channels and stride of each 3 x 3 convolution.
_LAYERS = ((16, 2), (24, 2), (32, 2), (48, 2), (64, 1), (64, 1))


@dataclass(frozen=True)
class LabelledCanvas:
    """One picture to learn from.

    Attributes:
        pixels: (128, 128, 3), uint8, RGB.
        boxes: A row for each kind: left, top, right, bottom px; all 0 where there is none.
    """

    pixels: "np.ndarray"
    boxes: "np.ndarray"


def shown(number: int) -> LabelledCanvas:
    """Return the picture of one number: a mascot on its background, or an empty one."""
    import numpy as np
    from PIL import Image, ImageDraw

    dice = random.Random(f"shown:{number}")
    scene = random_scene(number)
    boxes = np.zeros((len(KINDS), 4), np.float32)
    if dice.random() < _EMPTY:
        image = _empty(scene.size, dice, number)
    else:
        image = draw(scene, number)
        figure = cut_out(scene, number).getchannel("A").getbbox()
        boxes[0], boxes[1] = face_box(scene, number), figure or (0, 0, 0, 0)
    longer = SIDE if dice.random() < 0.6 else dice.randint(64, SIDE)
    ratio = longer / max(image.size)
    size = (round(image.width * ratio), round(image.height * ratio))
    left, top = (SIDE - size[0]) // 2, (SIDE - size[1]) // 2
    canvas = Image.new("RGB", (SIDE, SIDE), (_GREY,) * 3)
    canvas.paste(image.resize(size, Image.Resampling.BILINEAR), (left, top))
    if longer < SIDE and dice.random() < 0.5:  # a small mascot in a large picture
        large = Image.new("RGB", (SIDE, SIDE))
        draw_background(ImageDraw.Draw(large), large.size, dice.choice(BACKGROUNDS), dice)
        large.paste(canvas.crop((left, top, left + size[0], top + size[1])), (left, top))
        canvas = large
    there = boxes.any(axis=1)
    boxes[there] = boxes[there] * ratio + [left, top, left, top]
    boxes = boxes.clip(0, SIDE)
    return LabelledCanvas(np.asarray(canvas), boxes)


def train_detector(
    work: Path, folder: Path, device: str = "cpu", plan: Plan = PLAN, count: int = COUNT
) -> None:
    """Write `model.onnx` into `folder`; see `tinyworld.training.tiny_tagger.train_tagger`."""
    import torch

    pixels, boxes = _pictures(work / "pictures", count)
    net = new_detector(plan.seed).to(device)

    def loss_of(step: int) -> "Tensor":
        dice = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        chosen = torch.randint(0, len(pixels), (_BATCH,), generator=dice)
        seen = torch.from_numpy(pixels[chosen.numpy()]).permute(0, 3, 1, 2).float() / 255
        truth = torch.from_numpy(boxes[chosen.numpy()])
        light = torch.rand(_BATCH, 3, 1, 1, generator=dice) * 0.4 + 0.8
        seen = (seen * light + 0.02 * torch.randn(seen.shape, generator=dice)).clamp(0, 1)
        return _loss(net, seen.to(device), truth.to(device))

    learn(net, loss_of, plan, work / "detector.pt")
    folder.mkdir(parents=True, exist_ok=True)
    data = _graph(net.cpu()).SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(data)


def new_detector(seed: int) -> "nn.Sequential":
    """Return the untrained network; it answers with 5 numbers a kind for each cell of the grid."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        before = 3
        for channels, stride in _LAYERS:
            layers += [nn.Conv2d(before, channels, 3, stride, 1), nn.ReLU()]
            before = channels
        last = nn.Conv2d(before, 5 * len(KINDS), 3, 1, 1)
        rare = torch.zeros(len(KINDS), 5)
        rare[:, 0] = -4.0
        last.bias = nn.Parameter(rare.flatten())
        return nn.Sequential(*layers, last)


def _empty(size: tuple[int, int], dice: random.Random, number: int) -> Any:
    """Return a picture in which nobody is: a background, noise, or a drawn pattern."""
    from PIL import Image, ImageDraw

    if dice.random() < 0.6:
        image = Image.new("RGB", size)
        draw_background(ImageDraw.Draw(image), size, dice.choice(BACKGROUNDS), dice)
        return image
    small = (dice.randint(2, 24), dice.randint(2, 24))
    noise = random.Random(number).randbytes(3 * small[0] * small[1])
    filters = (Image.Resampling.NEAREST, Image.Resampling.BICUBIC)
    return Image.frombytes("RGB", small, noise).resize(size, dice.choice(filters))


def _pictures(folder: Path, count: int) -> "tuple[np.ndarray, np.ndarray]":
    import numpy as np

    path = folder / f"shown-{count}.npz"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            made = list(pool.map(shown, range(count), chunksize=64))
        pixels, boxes = (np.stack([getattr(one, name) for one in made]) for name in _FIELDS)
        np.savez(path, pixels=pixels, boxes=boxes)
    found = np.load(path)
    return found["pixels"], found["boxes"]


_FIELDS = ("pixels", "boxes")


def _loss(net: Any, seen: "Tensor", boxes: "Tensor") -> "Tensor":
    """Return how wrong the cells are: whether a middle lies there, and where and how large."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss

    answer = net(seen).unflatten(1, (len(KINDS), 5))
    middle = (boxes[..., :2] + boxes[..., 2:]) / 2
    sides = boxes[..., 2:] - boxes[..., :2]
    there = (sides > 2).all(-1)
    cells = torch.arange(GRID, device=boxes.device) * STRIDE + STRIDE / 2
    across = (middle[..., 0, None] - cells) / STRIDE
    down = (middle[..., 1, None] - cells) / STRIDE
    near = torch.maximum(across.abs()[:, :, None, :], down.abs()[:, :, :, None])
    hit = (near <= 0.5) & there[..., None, None]
    close = (near <= 1.0) & there[..., None, None]
    logit = answer[:, :, 0]
    wrong = binary_cross_entropy_with_logits(logit, hit.float(), reduction="none")
    hard = (logit.sigmoid() - hit.float()).abs().detach() ** 2
    scores = (wrong * hard * ~(close & ~hit)).sum() / len(seen)
    usual = torch.tensor(_USUAL, device=boxes.device)[None, :, None]
    size = (sides.clamp(min=2) / usual).log()
    target = torch.stack(
        [
            across[:, :, None, :].expand_as(near),
            down[:, :, :, None].expand_as(near),
            size[..., 0, None, None].expand_as(near),
            size[..., 1, None, None].expand_as(near),
        ],
        2,
    )
    off = smooth_l1_loss(answer[:, :, 1:], target, reduction="none", beta=0.1)
    whole: Tensor = scores + (off * close[:, :, None]).sum() / len(seen)
    return whole


def _graph(net: Any) -> "ModelProto":
    """Return the network as an ONNX graph with YOLO's answers."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    make, constants = helper.make_node, {}
    nodes, seen = [], "images"
    convolutions = [layer for layer in net if hasattr(layer, "weight")]
    for n, layer in enumerate(convolutions):
        constants[f"weight_{n}"] = layer.weight.detach().numpy()
        constants[f"bias_{n}"] = layer.bias.detach().numpy()
        inputs = [seen, f"weight_{n}", f"bias_{n}"]
        nodes.append(make("Conv", inputs, [f"sum_{n}"], strides=list(layer.stride), pads=[1] * 4))
        seen = f"sum_{n}"
        if layer is not convolutions[-1]:
            nodes.append(make("Relu", [seen], [f"seen_{n}"]))
            seen = f"seen_{n}"
    cells = GRID * GRID
    constants["shape"] = np.array([1, len(KINDS), 5, cells])
    middles = np.arange(GRID, dtype=np.float32) * STRIDE + STRIDE / 2
    place = np.stack([np.tile(middles, GRID), np.repeat(middles, GRID)])
    constants["place"] = np.tile(place[None, None], (1, len(KINDS), 1, 1))
    constants["stride"] = np.array(STRIDE, np.float32)
    constants["usual"] = np.array(_USUAL, np.float32).reshape(1, -1, 1, 1)
    constants["own"] = np.eye(len(KINDS), dtype=np.float32).reshape(1, len(KINDS), len(KINDS), 1)
    constants["flat"] = np.array([1, 4 + len(KINDS), len(KINDS) * cells])
    constants["split"] = np.array([1, 2, 2])
    nodes += [
        make("Reshape", [seen, "shape"], ["each"]),
        make("Split", ["each", "split"], ["logit", "shift", "log_sides"], axis=2),
        make("Mul", ["shift", "stride"], ["shift_px"]),
        make("Add", ["shift_px", "place"], ["middle"]),
        make("Exp", ["log_sides"], ["factors"]),
        make("Mul", ["factors", "usual"], ["sides"]),
        make("Sigmoid", ["logit"], ["probability"]),
        make("Mul", ["probability", "own"], ["scores"]),
        make("Concat", ["middle", "sides", "scores"], ["rows"], axis=2),
        make("Transpose", ["rows"], ["by_row"], perm=[0, 2, 1, 3]),
        make("Reshape", ["by_row", "flat"], ["output0"]),
    ]
    given = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    told = helper.make_tensor_value_info(
        "output0", TensorProto.FLOAT, [1, 4 + len(KINDS), len(KINDS) * cells]
    )
    tensors = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "tinyworld-detector", [given], [told], tensors)
    opset = helper.make_opsetid("", 17)
    model = helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="tinyworld")
    names = {"names": str(dict(enumerate(KINDS))), "stride": str(STRIDE), "task": "detect"}
    helper.set_model_props(model, names)
    return model
