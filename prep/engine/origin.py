"""Where a derived picture comes from, in sentences: from its source up the line to a person's."""

from collections.abc import Iterator, Mapping
from typing import Any

from prep.engine.inventory.lineage import SourceFolders
from prep.engine.session import Session
from prep.engine.state import artifacts
from prep.images import pixel_steps
from prep.stage import KEY

_DEPTH = 20  # as of texts


def origins(session: Session, key: str) -> Iterator[str]:
    """Yield what a picture was made from and how, then the same of its source, and so on."""
    lineage: Mapping[str, Any] | None = session.inventory.lineage.get(key)
    root = session.inventory.location.root.absolute()
    sources = SourceFolders(session.inventory.declared.texts, session.digests)
    for number in range(_DEPTH):
        if not lineage:
            return
        yield f"{'which was ' if number else ''}{sentence(lineage)}"
        source = sources.of(root, lineage)
        told = source.samples.get(lineage[KEY], ("", None))[1] if source else None
        root = source.root if source else root
        lineage = artifacts.loaded(told.encode()) if told else None


def sentence(lineage: Mapping[str, Any]) -> str:
    """Return what a derived picture was made from, by which command, and all that was done."""
    flip = ", mirrored" if lineage.get("flip") else ""
    made = f"made from {lineage[KEY]} of `{lineage['root']}` by {lineage['kind']}{flip}"
    part = str(lineage.get("part", ""))
    found = f"found by {lineage['detector']}" if lineage.get("detector") else ""
    steps = lineage.get("steps") or pixel_steps.steps_of(lineage["box"])
    done = pixel_steps.sentence(step for step in steps if step[0] != pixel_steps.MIRROR)
    why = f"not mirrored, as {lineage['unmirrored']}" if lineage.get("unmirrored") else ""
    return f"{made}: {', '.join(word for word in (part, found, done, why) if word)}"
