"""Text files that went along when pictures were renamed: the machine's stay the machine's.

A picture whose bytes are known is found again under its new name (see `world`). Where names were
shifted along (a to b while b to c), or a picture was renamed and redrawn, only the text tells.
"""

import os
from typing import TYPE_CHECKING

from prep.engine.scan import stem

if TYPE_CHECKING:
    from prep.engine.world import World


def machine_texts(world: "World") -> frozenset[str]:
    """Return the digests of sidecars that prep wrote and that no longer lie where they were put.

    Only those of pictures that are gone or have other bytes: a text that was copied, or moved
    away from a picture that stayed, is a person's doing.
    """
    known = world.known
    stirred = {
        stem(key)
        for key, (digest, _) in known.samples.items()
        if digest and world.digests.get(key) != digest
    }
    persons = {edit.file for edit in known.edits.values()}
    return frozenset(
        digest
        for path, digest in known.outputs.items()
        if os.path.splitext(path)[1] in world.place.sidecars
        and stem(path) in stirred
        and digest not in persons
        and world.on_disk.get(path) != digest
    )


def is_new(world: "World", key: str) -> bool:
    """Return whether a picture is new under its name, or has other bytes than it had."""
    return world.known.samples.get(key, ("", None))[0] != world.digests.get(key)
