"""How a picture of the tiny world may look that is not a clean drawing.

What reads such pictures has to read those that a diffusion model painted, too: soft, noisy, off
in their colours, a little out of shape. So it learns from views like these. Tensors are
(N, 3, H, W), RGB, 0 to 1; all that is random comes from the generator that is given.
"""

import io
import math
from typing import TYPE_CHECKING

from tinyworld.training.canvases import Drawings

if TYPE_CHECKING:
    from torch import Generator, Tensor

# The most that a view is turned (radians), moved (shares of the picture) and bent.
_TURN, _MOVE, _BEND = 0.12, 0.06, 0.03
_SMALLEST, _LARGEST = 0.8, 1.2

# The largest part of a picture that another one covers, as a share of each side.
_COVER = 0.5


def views(
    found: Drawings, numbers: list[int], side: int, squash: bool, dice: "Generator"
) -> "Tensor":
    """Return drawings turned, moved, mirrored, larger or smaller, and a little bent.

    Args:
        found: The drawings.
        numbers: Which of them.
        side: Side of a view, px.
        squash: Whether the picture alone is stretched to the square, as BLIP does it; else it
            keeps its white border, as a tagger's input has it.
        dice: Decides all of it.
    """
    import torch
    from torch.nn.functional import grid_sample

    parts = found.parts(numbers) if squash else torch.ones(len(numbers), 2)
    # What lies outside a canvas is white: where nothing is sampled, there is no ink.
    ink = 1 - found.pixels(numbers)
    return 1 - grid_sample(ink, _places(parts, side, dice), align_corners=False)


def _places(parts: "Tensor", side: int, dice: "Generator") -> "Tensor":
    """Return where each pixel of a view lies in its canvas, (N, side, side, 2), -1 to 1."""
    import torch
    from torch.nn.functional import affine_grid, interpolate

    count = len(parts)
    turn = _spread(count, dice) * _TURN
    zoom = _between(_SMALLEST, _LARGEST, count, dice)[:, None] * (1 + 0.08 * _pair(count, dice))
    mirror = torch.stack([_coin(count, 0.5, dice) * -2 + 1, torch.ones(count)], 1)
    cos, sin = turn.cos(), turn.sin()
    turned = torch.stack([torch.stack([cos, -sin], 1), torch.stack([sin, cos], 1)], 1)
    # A view's axes are shrunk and mirrored, turned, and then stretched over the picture's part.
    axes = parts[:, :, None] * turned / (zoom * mirror)[:, None, :]
    move = parts * _pair(count, dice) * 2 * _MOVE
    grid = affine_grid(torch.cat([axes, move[:, :, None]], 2), [count, 3, side, side], False)
    waves = torch.randn((count, 2, 5, 5), generator=dice) * _BEND
    bent = interpolate(waves, (side, side), mode="bicubic", align_corners=True)
    return grid + bent.permute(0, 2, 3, 1) * _coin(count, 0.5, dice)[:, None, None, None]


def covered(batch: "Tensor", dice: "Generator", share: float) -> "tuple[Tensor, Tensor]":
    """Return pictures of which some have a part of the picture before them, and its sizes.

    So no attribute is read off another: what is seen counts for as much as can be seen of it.

    Args:
        batch: The pictures.
        dice: Decides where.
        share: How many of them are covered.

    Returns:
        The pictures, and the share of each that belongs to the one before it, (N,).
    """
    import torch

    count, _, height, width = batch.shape
    size = _between(0.15, _COVER, count * 2, dice).view(count, 2)
    corner = torch.rand((count, 2), generator=dice) * (1 - size)
    down = torch.arange(height)[None, :] / height
    across = torch.arange(width)[None, :] / width
    rows = (down >= corner[:, :1]) & (down < corner[:, :1] + size[:, :1])
    columns = (across >= corner[:, 1:]) & (across < corner[:, 1:] + size[:, 1:])
    chosen = _coin(count, share, dice).bool()[:, None, None]
    mask = rows[:, :, None] & columns[:, None, :] & chosen
    return torch.where(mask[:, None], batch.roll(1, 0), batch), mask.float().mean((1, 2))


def spoilt(batch: "Tensor", dice: "Generator") -> "Tensor":
    """Return pictures with other colours, soft or coarse, stained, noisy, or through JPEG."""
    seen = _recoloured(batch, dice)
    seen = _blurred(seen, dice)
    seen = _coarse(seen, dice)
    seen = _stained(seen, dice)
    return _through_jpeg(seen.clamp(0, 1), dice)


def _recoloured(batch: "Tensor", dice: "Generator") -> "Tensor":
    """Change hue (by 10 degrees at most), saturation, gain of each channel, and contrast."""
    import torch

    count = len(batch)
    angle = _spread(count, dice) * math.radians(10)
    grey = torch.full((3, 3), 1 / 3)
    cross = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]) / math.sqrt(3)
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    hue = cos * torch.eye(3) + sin * cross + (1 - cos) * grey
    strong = _between(0.6, 1.25, count, dice)[:, None, None]
    gains = _between(0.88, 1.12, count * 3, dice).view(count, 3, 1)
    mixed = gains * (strong * hue + (1 - strong) * grey)
    contrast = _between(0.75, 1.15, count, dice)[:, None, None, None]
    shift = _spread(count, dice)[:, None, None, None] * 0.08
    shown = torch.einsum("nij,njhw->nihw", mixed, batch)
    plain = _coin(count, 0.15, dice)[:, None, None, None]
    return plain * batch + (1 - plain) * ((shown - 0.5) * contrast + 0.5 + shift)


def _blurred(batch: "Tensor", dice: "Generator") -> "Tensor":
    """Blend each picture with a soft copy of it, or away from it: some become sharper."""
    import torch
    from torch.nn.functional import conv2d, pad

    sigma = _between(0.6, 2.0, 1, dice).item()
    line = (-0.5 * (torch.arange(-3, 4) / sigma).square()).exp()
    line = line / line.sum()
    soft = pad(batch.flatten(0, 1)[:, None], (3, 3, 3, 3), mode="replicate")
    soft = conv2d(conv2d(soft, line[None, None, None, :]), line[None, None, :, None])
    share = _between(-0.4, 1.0, len(batch), dice)[:, None, None, None]
    return torch.lerp(batch, soft.view(batch.shape), share)


def _coarse(batch: "Tensor", dice: "Generator") -> "Tensor":
    """Make a third of the pictures smaller and larger again."""
    from torch.nn.functional import interpolate

    first = len(batch) // 3
    side = round(batch.shape[-1] / _between(1.2, 2.6, 1, dice).item())
    small = interpolate(batch[:first], (side, side), mode="bilinear", antialias=True)
    kind = "nearest" if _coin(1, 0.3, dice).item() else "bicubic"
    seen = batch.clone()
    seen[:first] = interpolate(small, batch.shape[-2:], mode=kind)
    return seen


def _stained(batch: "Tensor", dice: "Generator") -> "Tensor":
    """Add noise: fine, and in large stains."""
    import torch
    from torch.nn.functional import interpolate

    count, _, height, width = batch.shape
    fine = torch.randn(batch.shape, generator=dice) * _often_little(0.12, count, dice)
    stains = torch.randn((count, 3, 7, 7), generator=dice) * _often_little(0.13, count, dice)
    return batch + fine + interpolate(stains, (height, width), mode="bilinear")


def _through_jpeg(batch: "Tensor", dice: "Generator") -> "Tensor":
    """Save an eighth of the pictures as JPEG, of quality 20 to 85, and read them again."""
    import numpy as np
    import torch
    from PIL import Image

    count = len(batch) // 8
    seen = batch.clone()
    for place, quality in enumerate(_between(20, 85, count, dice).tolist()):
        number = len(batch) - 1 - place
        pixels = (batch[number] * 255).round().byte().permute(1, 2, 0).numpy()
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "JPEG", quality=round(quality))
        again = np.array(Image.open(file))
        seen[number] = torch.from_numpy(again).permute(2, 0, 1).float() / 255
    return seen


def _often_little(most: float, count: int, dice: "Generator") -> "Tensor":
    """Return strengths of 0 to `most`, small ones oftener, (N, 1, 1, 1)."""
    return _between(0, 1, count, dice).pow(3)[:, None, None, None] * most


def _between(low: float, high: float, count: int, dice: "Generator") -> "Tensor":
    import torch

    return low + (high - low) * torch.rand(count, generator=dice)


def _spread(count: int, dice: "Generator") -> "Tensor":
    return _between(-1, 1, count, dice)


def _pair(count: int, dice: "Generator") -> "Tensor":
    return _between(-1, 1, 2 * count, dice).view(count, 2)


def _coin(count: int, share: float, dice: "Generator") -> "Tensor":
    """Return ones and zeros, `share` of them ones."""
    return (_between(0, 1, count, dice) < share).float()
