"""Train the tagger: a picture on its white square, 64 px, to the probability of each label.

It is written as the WD taggers are published: `model.onnx`, from BGR pixels of 0 to 255 to
probabilities, and `selected_tags.csv`.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.training.canvases import Drawings, drawings
from tinyworld.training.slices import Plan, learn
from tinyworld.training.views import covered, spoilt, views
from tinyworld.words import GENERAL, RATINGS, character_tags, general_tags
from tinyworld.world import CHARACTERS, Scene

if TYPE_CHECKING:
    from onnx import ModelProto
    from torch import Tensor, nn

SIDE = 64
PLAN = Plan(steps=5_000, rate=4e-3, seed=11)
COUNT = 24_000  # drawings that are learnt from
_BATCH, _COVERED = 64, 0.3

# What the mean over labels is multiplied by: gradients are then large enough to be clipped at 1.
_SCALE = 10.0

# Channels and stride of each 3 x 3 convolution; where neither changes, its input is added to it.
_LAYERS = ((24, 2), (24, 1), (48, 2), (48, 1), (80, 2), (80, 1), (80, 1))

# Batches from whose pictures the means and deviations of the batch norms are taken in the end.
_SETTLED_ON = 40

# Danbooru's codes of categories, as in `selected_tags.csv`.
_GENERAL, _CHARACTER, _RATING = 0, 4, 9

LABELS = (*RATINGS, *GENERAL, *CHARACTERS)


def train_tagger(
    work: Path, folder: Path, device: str = "cpu", plan: Plan = PLAN, count: int = COUNT
) -> None:
    """Write `model.onnx` and `selected_tags.csv` into `folder`.

    Args:
        work: Keeps the drawings, and what was learnt so far.
        folder: Of the tagger.
        device: cpu or cuda.
        plan: How long.
        count: How many drawings are learnt from.
    """
    found = drawings(work / "pictures", count)
    net = new_tagger(plan.seed).to(device)
    truth = truths(found.scenes)

    def loss_of(step: int) -> "Tensor":
        import torch

        dice = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        numbers = found.chosen(_BATCH, dice)
        seen, other = covered(views(found, numbers, SIDE, False, dice), dice, _COVERED)
        target = torch.lerp(truth[numbers], truth[numbers].roll(1, 0), other[:, None])
        batch = spoilt(seen, dice).to(device, memory_format=torch.channels_last)
        return _loss(net, batch, target.to(device))

    learn(net, loss_of, plan, work / "tagger.pt")
    settle(net, found, min(_SETTLED_ON, plan.steps))
    folder.mkdir(parents=True, exist_ok=True)
    write_tagger(net.cpu(), folder)


def label_table() -> str:
    """Return `selected_tags.csv` as the WD taggers have it: ratings, general, characters."""
    rows = [(9999999 - n, name, _RATING) for n, name in enumerate(RATINGS)]
    rows += [(1 + n, name, _GENERAL) for n, name in enumerate(GENERAL)]
    rows += [(1001 + n, name, _CHARACTER) for n, name in enumerate(CHARACTERS)]
    lines = [f"{tag},{name},{kind},{100000 - 10 * n}" for n, (tag, name, kind) in enumerate(rows)]
    return "\n".join(["tag_id,name,category,count", *lines]) + "\n"


def truths(scenes: tuple[Scene, ...]) -> "Tensor":
    """Return 1 for each label that is true of each scene, else 0, (N, labels), float32."""
    import torch

    rows = [{"general", *general_tags(scene), *character_tags(scene)} for scene in scenes]
    return torch.tensor([[float(label in row) for label in LABELS] for row in rows])


def new_tagger(seed: int) -> "nn.ModuleList":
    """Return the untrained network: convolutions, each with its batch norm, and a last layer."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        before = 3
        for channels, stride in _LAYERS:
            convolution = nn.Conv2d(before, channels, 3, stride, 1, bias=False)
            layers.append(nn.Sequential(convolution, nn.BatchNorm2d(channels)))
            before = channels
        return nn.ModuleList([*layers, nn.Linear(2 * before, len(LABELS))])


def logits(net: Any, batch: "Tensor") -> "Tensor":
    """Return the logit of each label, (N, labels), of pictures (N, 3, 64, 64), RGB, 0 to 1."""
    import torch

    *layers, last = net
    for layer in layers:
        seen = layer(batch)
        batch = (seen + batch if seen.shape == batch.shape else seen).relu()
    answer: Tensor = last(torch.cat([batch.mean((2, 3)), batch.amax((2, 3))], 1))
    return answer


def settle(net: Any, found: Drawings, batches: int) -> None:
    """Give the batch norms the means and deviations that the averaged weights have."""
    import torch
    from torch import nn

    norms = [part for part in net.modules() if isinstance(part, nn.BatchNorm2d)]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # a plain mean over all batches
    device = next(net.parameters()).device
    with torch.no_grad():
        for number in range(batches):
            dice = torch.Generator().manual_seed(number)
            numbers = found.chosen(_BATCH, dice)
            logits(net.train(), spoilt(views(found, numbers, SIDE, False, dice), dice).to(device))
    net.eval()


def write_tagger(net: Any, folder: Path) -> None:
    """Write a network that is done learning, and its labels."""
    data = _graph(net).SerializeToString(deterministic=True)
    (folder / "model.onnx").write_bytes(data)
    (folder / "selected_tags.csv").write_bytes(label_table().encode())


def _loss(net: Any, batch: "Tensor", target: "Tensor") -> "Tensor":
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits

    with torch.autocast(batch.device.type, torch.bfloat16):
        answer = logits(net.train(), batch)
    return binary_cross_entropy_with_logits(answer.float(), target) * _SCALE


def _graph(net: Any) -> "ModelProto":
    """Return the network as an ONNX graph, each batch norm folded into its convolution."""
    from onnx import TensorProto, helper

    *layers, last = net
    make = helper.make_node
    nodes = [
        make("Gather", ["input", "rgb"], ["upright"], axis=3),
        make("Transpose", ["upright"], ["planes"], perm=[0, 3, 1, 2]),
        make("Mul", ["planes", "per_255"], ["seen_0"]),
    ]
    constants: dict[str, Any] = {}
    for n, (layer, (_, stride)) in enumerate(zip(layers, _LAYERS, strict=True)):
        constants[f"weight_{n}"], constants[f"bias_{n}"] = folded(layer)
        inputs = [f"seen_{n}", f"weight_{n}", f"bias_{n}"]
        nodes.append(make("Conv", inputs, [f"sum_{n}"], strides=[stride] * 2, pads=[1] * 4))
        whole = f"sum_{n}"
        if layer[0].in_channels == layer[0].out_channels and stride == 1:
            whole = f"with_{n}"
            nodes.append(make("Add", [f"sum_{n}", f"seen_{n}"], [whole]))
        nodes.append(make("Relu", [whole], [f"seen_{n + 1}"]))
    end = f"seen_{len(layers)}"
    nodes += [
        make("GlobalAveragePool", [end], ["mean"]),
        make("GlobalMaxPool", [end], ["most"]),
        make("Concat", ["mean", "most"], ["both"], axis=1),
        make("Flatten", ["both"], ["features"]),
        make("Gemm", ["features", "last", "bias"], ["logits"], transB=1),
        make("Sigmoid", ["logits"], ["output"]),
    ]
    constants |= {"last": last.weight.detach().numpy(), "bias": last.bias.detach().numpy()}
    pixels = helper.make_tensor_value_info("input", TensorProto.FLOAT, ["batch", SIDE, SIDE, 3])
    answer = helper.make_tensor_value_info("output", TensorProto.FLOAT, ["batch", len(LABELS)])
    graph = helper.make_graph(nodes, "tinyworld-tagger", [pixels], [answer], _tensors(constants))
    opset = helper.make_opsetid("", 17)
    return helper.make_model(graph, opset_imports=[opset], ir_version=8, producer_name="tinyworld")


def _tensors(constants: dict[str, Any]) -> list[Any]:
    import numpy as np
    from onnx import numpy_helper

    constants |= {"rgb": np.array([2, 1, 0]), "per_255": np.array(1 / 255, np.float32)}
    return [numpy_helper.from_array(value, name) for name, value in constants.items()]


def folded(layer: Any) -> tuple[Any, Any]:
    """Return weight and bias of one convolution that does what it and its batch norm do."""
    convolution, norm = layer
    factor = (norm.weight / (norm.running_var + norm.eps).sqrt()).detach()
    weight = convolution.weight.detach() * factor[:, None, None, None]
    bias = norm.bias.detach() - norm.running_mean * factor
    return weight.contiguous().numpy(), bias.numpy()
