"""Train the captioner: BLIP that says of a picture what `words.caption` says of its scene."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.training import judge
from tinyworld.training.canvases import Drawings, drawings
from tinyworld.training.captioner_files import (
    DEVIATION,
    MEAN,
    SIDE,
    WIDTH,
    new_captioner,
    vocabulary,
    write_captioner,
)
from tinyworld.training.slices import Plan, learn
from tinyworld.training.views import spoilt, views
from tinyworld.words import attribute_values, caption
from tinyworld.world import ACCESSORIES, BACKGROUNDS, BODIES, COLOURS, HATS, POSES, Scene

if TYPE_CHECKING:
    from torch import Generator, Tensor

PLAN = Plan(steps=5_000, rate=2e-3, warmup=300, seed=31)
COUNT = 24_000  # drawings that are learnt from
_BATCH = 64

# How often a word that names something is given wrongly, so that what is said next comes from the
# picture and not from what was said before; and how many pictures are spoilt.
_WRONG, _SPOILT = 0.3, 0.5

# How much more saying counts than reading.
_SAYING = 3.0

# [PAD] in what is to be said: nothing is asked there.
_NOTHING = -100


def train_captioner(
    work: Path, folder: Path, device: str = "cpu", plan: Plan = PLAN, count: int = COUNT
) -> None:
    """Write the whole BLIP folder into `folder`; the arguments are those of `train_tagger`."""
    from torch import nn

    found = drawings(work / "pictures", count)
    model = new_captioner(plan.seed)
    # Heads that read the attributes off the eyes alone, so that those learn sooner; not kept.
    heads = {name: nn.Linear(WIDTH, len(values)) for name, values in attribute_values().items()}
    parts = nn.ModuleDict({"blip": model, **_zeroed(heads)}).to(device)
    texts, truth = caption_ids(found.scenes), judge.truths(found.scenes)

    def loss_of(step: int) -> "Tensor":
        import torch

        dice = torch.Generator().manual_seed(plan.seed * 1_000_003 + step)
        numbers = found.chosen(_BATCH, dice)
        pixels = _pixels(found, numbers, dice).to(device)
        said = texts[numbers]
        answers = {name: places[numbers].to(device) for name, places in truth.items()}
        with torch.autocast(device, torch.bfloat16):
            return _loss(parts, pixels, (said.to(device), misled(said, dice).to(device)), answers)

    learn(parts, loss_of, plan, work / "captioner.pt")
    write_captioner(model.cpu(), folder)


def caption_ids(scenes: Iterable[Scene]) -> "Tensor":
    """Return the ids of each scene's caption, (N, L): [DEC], words, [SEP], and [PAD] to the end."""
    import torch

    pieces = vocabulary()
    number = {piece: place for place, piece in enumerate(pieces)}
    rows = [
        [len(pieces), *(number[word] for word in re.findall(r"\w+|,", caption(scene)))]
        for scene in scenes
    ]
    longest = max(map(len, rows)) + 1
    padded = [
        [*row, number["[SEP]"], *[number["[PAD]"]] * (longest - len(row) - 1)] for row in rows
    ]
    return torch.tensor(padded)


def misled(said: "Tensor", dice: "Generator") -> "Tensor":
    """Return captions' ids in which some words that name something name something else."""
    import torch

    names = torch.tensor(_naming())
    wrong = torch.isin(said, names) & (torch.rand(said.shape, generator=dice) < _WRONG)
    other = names[torch.randint(len(names), said.shape, generator=dice)]
    return torch.where(wrong, other, said)


def _naming() -> list[int]:
    """Return the ids of all words that name a value of an attribute or a pose."""
    pieces = vocabulary()
    values = (*BODIES, *COLOURS, *HATS, *ACCESSORIES, *BACKGROUNDS, *POSES)
    return [pieces.index(value.split("_")[0]) for value in values]


def _zeroed(heads: dict[str, Any]) -> dict[str, Any]:
    """Return layers that are all zeros: what they learn depends on the data alone."""
    import torch

    with torch.no_grad():
        for head in heads.values():
            head.weight.zero_()
            head.bias.zero_()
    return heads


def _pixels(found: Drawings, numbers: list[int], dice: "Generator") -> "Tensor":
    """Return views as BLIP's preprocessor gives them, (N, 3, 64, 64), some of them spoilt."""
    import torch

    seen = views(found, numbers, SIDE, True, dice)
    first = round(len(seen) * _SPOILT)
    seen = torch.cat([spoilt(seen[:first], dice), seen[first:]])
    mean, deviation = torch.tensor(MEAN)[:, None, None], torch.tensor(DEVIATION)[:, None, None]
    return (seen - mean) / deviation


def _loss(
    parts: Any, pixels: "Tensor", texts: "tuple[Tensor, Tensor]", answers: "dict[str, Tensor]"
) -> "Tensor":
    """Return the loss of what is said, and of what the heads read off the eyes."""
    import torch
    from torch.nn.functional import cross_entropy

    said, given = texts
    pad = vocabulary().index("[PAD]")
    seen = parts["blip"].vision_model(pixel_values=pixels).last_hidden_state
    told = parts["blip"].text_decoder(
        input_ids=given, attention_mask=(said != pad).long(), encoder_hidden_states=seen
    )
    wanted = said[:, 1:].masked_fill(said[:, 1:] == pad, _NOTHING)
    logits = told.logits[:, :-1].flatten(0, 1).float()
    saying = cross_entropy(logits, wanted.flatten(), ignore_index=_NOTHING)
    middle = seen.mean(1)
    reading = [
        cross_entropy(parts[name](middle).float(), places, ignore_index=-1)
        for name, places in answers.items()
    ]
    return _SAYING * saying + torch.stack(reading).mean()
