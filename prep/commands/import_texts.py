"""Words from another program's metadata -> edits of a person, and the files that show them."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from prep.commands.edited_views import edited_views
from prep.dataset import kohya_metadata
from prep.engine.inventory.location import Location
from prep.engine.opening import locked_session
from prep.engine.runner import carry_out, remember
from prep.engine.session import Context, Job, Session
from prep.engine.state.ledger_queries import Edit
from prep.runtime.counts import counted, first_few
from prep.runtime.errors import DatasetError
from prep.runtime.files import MOST_TABLE, content

_FIELD = "tags"


def take_over(file: Path, location: Location, context: Context, *, theirs: bool = False) -> int:
    """Bring the words of kohya's metadata into the ledger, then publish them beside the pictures.

    A picture that has words of a person's keeps them, unless `theirs` says that the file is right.

    Returns:
        4 where words differ and nothing says who is right: those pictures are left alone.

    Raises:
        DatasetError: The file is not kohya's metadata, or of other pictures; nothing is taken.
    """
    words = kohya_metadata.texts(_text(file), file.name)
    with locked_session(Job(location, ()), context) as session:
        remember(session)
        root = session.job.location.root.absolute().as_posix()
        owners = kohya_metadata.owners(words, session.inventory.digests, root)
        if not owners:
            raise DatasetError(
                f"none of the {counted(len(words), 'row')} of `{file}` is of a "
                f"picture in `{os.path.relpath(location.root)}`",
                "name the folder of its pictures with `--in DIR`",
            )
        said = {owners[image]: text for image, text in words.items() if image in owners and text}
        kept = {} if theirs else dict(_others(session, said))
        source = session.inventory.declared.sheet_source(file.name)
        with session.ledger.batch():
            for key, text in said.items():
                if key not in kept:
                    session.ledger.edit(key, _FIELD, Edit(text, source))
        again = edited_views(session)
    report = carry_out(Job(location, again), context)
    strange = sorted(words.keys() - owners.keys())
    cached = sum(1 for _ in location.root.rglob("*.npz"))
    _tell(context, file, len(said) - len(kept), (strange, sorted(kept)), cached)
    return 4 if kept and report.exit_code() == 0 else report.exit_code()


def _others(session: Session, said: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the pictures that have other words of a person's, and those words."""
    for key, text in said.items():
        own = session.written.edits.get((key, _FIELD))
        if own is not None and str(own.value).strip() != text:
            yield key, str(own.value)


def _tell(
    context: Context, file: Path, taken: int, others: tuple[list[str], list[str]], cached: int
) -> None:
    """Say what was taken.

    Args:
        others: Rows of no picture here, and pictures that have other words.
        cached: How many files of latents lie in the folder.
    """
    console, (strange, kept) = context.console, others
    console.say(f"read `{file}`: words of {counted(taken, 'picture')} taken", taken=taken)
    if strange:
        named = first_few([f"`{name}`" for name in strange])
        console.say(f"  {counted(len(strange), 'row')} of no picture here: {named}")
    if kept:
        named = first_few([f"`{name}`" for name in kept])
        console.say(
            f"  {counted(len(kept), 'picture')} with other words of yours: {named}; "
            "add `--theirs` to take the file's"
        )
    if cached:
        console.say(
            f"  {counted(cached, 'file')} of latents (`.npz`) not taken: each holds one draw, and "
            "says neither of which picture nor of which VAE; `prep latents` makes them"
        )


def _text(file: Path) -> str:
    try:
        return content(file, MOST_TABLE).decode("utf-8-sig")
    except OSError as error:
        raise DatasetError(f"`{file}` cannot be read: {error.strerror}", "name the file") from None
    except UnicodeDecodeError:
        raise DatasetError(f"`{file}` is not UTF-8", "save it as UTF-8") from None
