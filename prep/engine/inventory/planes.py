"""Masks and alpha: the file that each picture has its own from, also one that was cut from another.

What a fan-out made has neither beside it: its lineage tells which part of its source's it has.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from prep.engine.inventory.scan import Folder
from prep.engine.state import artifacts
from prep.engine.state.digest_cache import Digests
from prep.engine.state.file_stat import path_in
from prep.images import pixel_steps
from prep.images.fitting import ALPHA_OF, MASK_OF, MaskOf, Resize
from prep.images.pixel_steps import PixelStep
from prep.runtime.files import canonical, digest_bytes
from prep.stage import KEY, MASK_FILE

if TYPE_CHECKING:
    from pathlib import Path

    from prep.engine.inventory.inventory import Inventory
    from prep.engine.inventory.lineage import SourceFolders

_DEPTH = 20  # as of texts


class Plane(NamedTuple):
    """Where one grey plane over a picture comes from.

    Attributes:
        file: Absolute path.
        digest: SHA-256 of that file; empty where it cannot be read.
        steps: What is to be done with it to lie over the picture; see `prep.images.fitting`.
    """

    file: str
    digest: str
    steps: tuple[Resize | MaskOf | PixelStep, ...]

    def told(self) -> str:
        """Return what stands for it in recipes: no path is in it."""
        cuts = pixel_steps.moving(step for step in self.steps if isinstance(step, PixelStep))
        return digest_bytes(canonical([self.digest, cuts]).encode()) if cuts else self.digest


class Planes:
    """The masks and the alpha of all pictures of a folder, looked up where they are asked for."""

    def __init__(self, inventory: Inventory, sources: SourceFolders, digests: Digests) -> None:
        """Look nothing up yet.

        Args:
            sources: The folders that pictures were derived from.
        """
        self._inventory, self._sources, self._digests = inventory, sources, digests

    def of(self, name: str) -> tuple[Mapping[str, Plane], Mapping[str, Plane]]:
        """Return key -> plane, and the same of those whose source is gone: no such file is there.

        Args:
            name: `prep.stage.MASK_FILE` or ALPHA.
        """
        return self._masks if name == MASK_FILE else self._alphas

    @cached_property
    def _masks(self) -> tuple[dict[str, Plane], dict[str, Plane]]:
        inventory = self._inventory
        keys = inventory.folder.masks.keys() | inventory.lineage.keys()
        return self._sorted(sorted(keys & inventory.digests.keys()), alpha=False)

    @cached_property
    def _alphas(self) -> tuple[dict[str, Plane], dict[str, Plane]]:
        found, _ = self._masks
        keys = self._inventory.digests.keys() - found.keys()
        return self._sorted(sorted(keys), alpha=True)

    def _sorted(self, keys: list[str], *, alpha: bool) -> tuple[dict[str, Plane], dict[str, Plane]]:
        found: dict[str, Plane] = {}
        gone: dict[str, Plane] = {}
        for key in keys:
            plane, there = self._plane(key, alpha=alpha)
            if plane is not None:
                (found if there else gone)[key] = plane
        return found, gone

    def _plane(self, key: str, *, alpha: bool) -> tuple[Plane | None, bool]:
        """Return a picture's plane, the nearest up its line, and whether its file is there."""
        root, folder = self._inventory.location.root.absolute(), self._inventory.folder
        lineage = self._inventory.lineage.get(key)
        # A person may have put another picture in the place of the one that was cut.
        over = MaskOf(MASK_OF, path_in(root, folder.pictures[key]))
        cuts: tuple[Resize | MaskOf | PixelStep, ...] = (over,) if lineage else ()
        for _ in range(_DEPTH):
            own = self._alpha if alpha else self._mask
            if (plane := own(root, folder, key, lineage)) is not None:
                return plane._replace(steps=(*plane.steps, *cuts)), True
            if not lineage:
                return None, True
            source = self._sources.of(root, lineage)
            key = lineage[KEY]
            cuts = (*_cuts(lineage), *cuts)
            if source is None or key not in source.folder.pictures:
                return Plane(os.path.normpath(root / lineage["root"] / key), "", cuts), False
            root, folder = source.root, source.folder
            told = source.samples.get(key, ("", None))[1]
            lineage = artifacts.loaded(told.encode()) if told else None
        return None, True

    def _mask(self, root: Path, folder: Folder, key: str, _: Any) -> Plane | None:
        if key not in folder.masks:
            return None
        file = path_in(root, folder.masks[key])
        over = MaskOf(MASK_OF, path_in(root, folder.pictures[key]))
        return Plane(file, self._digests.of(file) or "", (over,))

    def _alpha(
        self, root: Path, folder: Folder, key: str, lineage: Mapping[str, Any] | None
    ) -> Plane | None:
        if lineage:  # what a fan-out writes has none; it may have copied a file that has
            return None
        file = path_in(root, folder.pictures[key])
        return Plane(file, self._digests.of(file) or "", (Resize(ALPHA_OF),))


def _cuts(lineage: Mapping[str, Any]) -> tuple[PixelStep, ...]:
    """Return what a fan-out did to a picture that moved its pixels."""
    if "steps" in lineage:
        return pixel_steps.moving(lineage["steps"])
    return pixel_steps.steps_of(lineage["box"], flip=lineage["flip"])
