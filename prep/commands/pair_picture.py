"""`prep why KEY --draw FILE`: a picture beside the one that it repeats, and where they differ."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prep.engine.decoding.outcome import DecodedPicture, Failure
from prep.engine.decoding.pool import Decoders
from prep.engine.inventory.location import Location
from prep.engine.opening import read_only_session
from prep.engine.session import Context, Job, Session
from prep.engine.state.file_stat import path_in
from prep.images.fitting import THUMBNAIL, Resize
from prep.images.side_by_side import HEIGHT, side_by_side
from prep.runtime import files
from prep.runtime.errors import ConfigError, DatasetError, UsageError, nearest

if TYPE_CHECKING:
    from collections.abc import Iterator


def draw_pair(key: str, location: Location, context: Context, file: Path) -> None:
    """Write a PNG of a picture, left, and of the one that it repeats or is a variant of.

    Raises:
        UsageError: The file is no PNG by its name, or is there already.
        ConfigError: The picture is unknown, or resembles none.
        DatasetError: One of the two cannot be read.
    """
    if file.suffix.lower() != ".png":
        raise UsageError(f"`{file}` is not named as a PNG is", "name a file that ends in `.png`")
    if file.exists():
        raise UsageError(f"there is a `{file}` already", "name another file, or remove it")
    with read_only_session(Job(location, ()), context) as session:
        row = _row(session, key)
        data = side_by_side([
            (picture.image(), picture.whole, box)
            for picture, box in zip(
                _decoded(session, (key, row["key"])), (row["box"], row["there"]), strict=True
            )
        ])  # fmt: skip
    files.write(file, data)
    context.console.say(f"  wrote {file}: left {key}, right {row['key']}")


def _row(session: Session, key: str) -> dict[str, Any]:
    known = session.inventory.folder.pictures
    if key not in known:
        folder = os.path.relpath(session.inventory.location.root)
        raise ConfigError(f"`{folder}` has no picture `{key}`", nearest(key, known))
    row = session.values.machines("duplicate_of", key)
    if not isinstance(row, dict) or row["key"] not in known:
        raise ConfigError(
            f"`{key}` is not known to resemble another picture",
            "run `prep duplicates` on its folder, and name a picture that it told something of",
        )
    return row


def _decoded(session: Session, keys: tuple[str, ...]) -> "Iterator[DecodedPicture]":
    folder = session.inventory.folder
    steps = (Resize(THUMBNAIL, size=HEIGHT),)
    found: dict[str, DecodedPicture | Failure] = {}
    with Decoders(1, fit=lambda key: steps) as decoders:
        paths = [(key, Path(path_in(folder.root, folder.pictures[key]))) for key in keys]
        found |= dict(decoders.decoded(paths))
    for key in keys:
        picture = found[key]
        if isinstance(picture, Failure):
            raise DatasetError(f"`{key}` cannot be read: {picture.why}")
        yield picture
