"""Train the judge: a second reader of the five attributes, for the benchmark alone.

It shares nothing with the tagger but the drawings: other seed, other input (the picture squashed
to 56 px, RGB), larger kernels, pools in place of strides, no batch norms, and for each attribute
a place of its own to look at and one answer of its values. Its weights are float16.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.tensors import write_module
from tinyworld.training.canvases import drawings
from tinyworld.training.slices import Plan, learn
from tinyworld.training.views import spoilt, views
from tinyworld.words import attribute_tags, attribute_values
from tinyworld.world import Scene

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor, nn

SIDE = 56
PLAN = Plan(steps=4_000, rate=3e-3, seed=23)
COUNT = 24_000  # drawings that are learnt from
_BATCH = 64

# Channels and kernel of each convolution; each is followed by a pool of 2 x 2.
_LAYERS = ((16, 5), (32, 5), (48, 5))
_WIDTH = 64

FILE = "judge.safetensors"


def train_judge(
    work: Path, folder: Path, device: str = "cpu", plan: Plan = PLAN, count: int = COUNT
) -> None:
    """Write `judge.safetensors` into `folder`; the arguments are those of `train_tagger`."""
    found = drawings(work / "pictures", count)
    net = new_judge(plan.seed).to(device)
    truth = truths(found.scenes)

    def loss_of(step: int) -> "Tensor":
        import torch

        dice = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        numbers = found.chosen(_BATCH, dice)
        batch = spoilt(views(found, numbers, SIDE, True, dice), dice).to(device)
        return _loss(net, batch, {name: row[numbers].to(device) for name, row in truth.items()})

    learn(net, loss_of, plan, work / "judge.pt")
    folder.mkdir(parents=True, exist_ok=True)
    write_module(folder / FILE, net.cpu(), half=True)


def open_judge(folder: Path) -> Any:
    """Return the trained network."""
    from safetensors.torch import load_file

    net = new_judge(0)
    net.load_state_dict({name: value.float() for name, value in load_file(folder / FILE).items()})
    return net.eval()


def judged(net: Any, images: Sequence["Image.Image"]) -> list[dict[str, str]]:
    """Return the likeliest tag of each attribute for RGB pictures of any size."""
    import numpy as np
    import torch
    from PIL import Image

    values = attribute_values()
    small = [image.resize((SIDE, SIDE), Image.Resampling.BICUBIC) for image in images]
    pixels = torch.from_numpy(np.stack([np.asarray(image) for image in small]))
    with torch.inference_mode():
        answers = answered(net, pixels.permute(0, 3, 1, 2).float() / 255)
    best = {name: answers[name].argmax(1).tolist() for name in values}
    return [
        {name: values[name][best[name][number]] for name in values} for number in range(len(images))
    ]


def truths(scenes: tuple[Scene, ...]) -> "dict[str, Tensor]":
    """Return, for each attribute, the place of each scene's value, (N,); -1 where it has none."""
    import torch

    tags = [attribute_tags(scene) for scene in scenes]
    return {
        name: torch.tensor([values.index(row[name]) if name in row else -1 for row in tags])
        for name, values in attribute_values().items()
    }


def new_judge(seed: int) -> "nn.ModuleDict":
    """Return the untrained network."""
    import torch
    from torch import nn

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers: list[nn.Module] = []
        before = 3
        for channels, kernel in _LAYERS:
            convolution = nn.Conv2d(before, channels, kernel, padding=kernel // 2)
            layers += [convolution, nn.GroupNorm(4, channels), nn.GELU(), nn.MaxPool2d(2)]
            before = channels
        layers += [nn.Conv2d(before, _WIDTH, 3, padding=1), nn.GroupNorm(4, _WIDTH), nn.GELU()]
        values = attribute_values()
        return nn.ModuleDict(
            {
                "eyes": nn.Sequential(*layers),
                "places": nn.Conv2d(_WIDTH, len(values), 1),
                **{name: nn.Linear(_WIDTH, len(values[name])) for name in values},
            }
        )


def answered(net: Any, batch: "Tensor") -> "dict[str, Tensor]":
    """Return logits of each attribute's values of pictures (N, 3, 56, 56), RGB, 0 to 1."""
    import torch

    seen = net["eyes"](batch * 2 - 1).flatten(2)
    looked = net["places"](seen.unflatten(2, (SIDE // 8, -1))).flatten(2).softmax(2)
    found = torch.einsum("nap,ncp->nac", looked, seen)
    return {name: net[name](found[:, n]) for n, name in enumerate(attribute_values())}


def _loss(net: Any, batch: "Tensor", wanted: "dict[str, Tensor]") -> "Tensor":
    import torch
    from torch.nn.functional import cross_entropy

    with torch.autocast(batch.device.type, torch.bfloat16):
        answers = answered(net, batch)
    losses = [
        cross_entropy(answers[name].float(), places, ignore_index=-1)
        for name, places in wanted.items()
    ]
    return torch.stack(losses).sum()
