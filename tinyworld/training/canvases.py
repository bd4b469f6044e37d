"""Small drawings in great number, for the models that read pictures."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.draw import draw
from tinyworld.words import character_tags
from tinyworld.world import WHITE_PAPER, Scene, random_scene

if TYPE_CHECKING:
    import numpy as np
    from torch import Generator, Tensor

    Array = np.ndarray[Any, Any]

# Side of the white square in whose middle a drawing lies, px; its longer side fills it.
CANVAS = 80

# How much oftener than the world has them what is rare is looked at: white paper, characters.
_OFTENER = 2.5


@dataclass(frozen=True)
class Drawings:
    """Pictures to learn from.

    Attributes:
        canvases: (N, 80, 80, 3), uint8, RGB.
        scenes: The scene of each, with the size that the world gave it.
    """

    canvases: "Array"
    scenes: tuple[Scene, ...]

    def chosen(self, count: int, dice: "Generator") -> list[int]:
        """Return the numbers of some drawings, the rare ones oftener than the world has them."""
        import torch

        found: list[int] = torch.multinomial(self._weights, count, True, generator=dice).tolist()
        return found

    @cached_property
    def _weights(self) -> "Tensor":
        import torch

        rare = [bool(character_tags(s)) or s.background == WHITE_PAPER for s in self.scenes]
        return torch.tensor([_OFTENER if one else 1.0 for one in rare])

    def pixels(self, numbers: list[int]) -> "Tensor":
        """Return canvases as (N, 3, 80, 80), RGB, 0 to 1."""
        import numpy as np
        import torch

        some = torch.from_numpy(np.stack([self.canvases[number] for number in numbers]))
        return some.permute(0, 3, 1, 2).float() / 255

    def parts(self, numbers: list[int]) -> "Tensor":
        """Return the shares (across, down) of their canvases that pictures fill, (N, 2)."""
        import torch

        sizes = torch.tensor([self.scenes[number].size for number in numbers]).float()
        return sizes / sizes.amax(1, keepdim=True)


def on_canvas(number: int) -> "Array":
    """Return the drawing of one number, (80, 80, 3), uint8, RGB."""
    import numpy as np

    scene = random_scene(number)
    width, height = (round(side * CANVAS / max(scene.size)) for side in scene.size)
    left, top = (CANVAS - width) // 2, (CANVAS - height) // 2
    canvas = np.full((CANVAS, CANVAS, 3), 255, np.uint8)
    small = draw(replace(scene, size=(width, height)), number)
    canvas[top : top + height, left : left + width] = np.asarray(small)
    return canvas


def drawings(folder: Path, count: int) -> Drawings:
    """Return drawings of the first `count` scenes that may be trained on, kept in `folder`."""
    import numpy as np

    path = folder / f"canvases-{count}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            made = np.stack(list(pool.map(on_canvas, range(count), chunksize=64)))
        beside = path.with_suffix(".new")
        with beside.open("wb") as file:
            np.save(file, made)
        beside.replace(path)
    scenes = tuple(random_scene(number) for number in range(count))
    return Drawings(np.load(path, mmap_mode="r"), scenes)
