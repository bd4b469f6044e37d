"""Drawn pictures in great number, kept on disk as arrays so that each is drawn once."""

from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tinyworld.draw import draw
from tinyworld.world import SHAPES, Scene, random_scene

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Shape = tuple[int, int]


def scene_at(shape: Shape, number: int, unseen: bool = False) -> Scene:
    """Return the scene of one number among those of a shape (width, height)."""
    # Numbers of two shapes must not name one scene: they would share look and seed.
    place = list(SHAPES).index(shape)
    return replace(random_scene(number * len(SHAPES) + place, unseen), size=shape)


def drawn(shape: Shape, number: int, unseen: bool = False) -> "Array":
    """Return one picture, (height, width, 3), uint8, RGB."""
    import numpy as np

    return np.asarray(draw(scene_at(shape, number, unseen), number))


def pictures(folder: Path, shape: Shape, count: int) -> "Array":
    """Return the first `count` pictures of a shape that may be trained on.

    Returns:
        Shape (count, height, width, 3), uint8, RGB; read from the disk as needed.
    """
    import numpy as np

    width, height = shape
    path = folder / f"{width}x{height}-{count}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with ProcessPoolExecutor() as pool:
            made = pool.map(drawn, [shape] * count, range(count), chunksize=64)
            beside = path.with_suffix(".new")
            with beside.open("wb") as file:
                np.save(file, np.stack(list(made)))
            beside.replace(path)
    found: Array = np.load(path, mmap_mode="r")
    return found


def share(shape: Shape, count: int) -> int:
    """Return how many of `count` pictures have this shape, as often as the world has it."""
    return count * SHAPES[shape] // sum(SHAPES.values())
