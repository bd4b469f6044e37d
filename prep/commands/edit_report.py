"""What `prep edit` tells: which pictures match, what changes, and what it cannot use."""

from collections.abc import Mapping, Sequence

from prep.commands.edit_targets import FolderTarget, Target
from prep.edits.diff import Change
from prep.edits.record import PictureRecord
from prep.engine.session import Session
from prep.runtime.counts import counted

_SHOWN = 20

Pictures = Mapping[str, PictureRecord]


def matched(target: Target, session: Session, pictures: Pictures, count: int | None) -> str:
    """Return how many pictures match, of how many: in a folder, of those that cannot be used, too.

    Args:
        pictures: All that can be edited.
        count: Of those that match; None where all were meant.
    """
    whole = session.inventory.num_pictures() if isinstance(target, FolderTarget) else len(pictures)
    total = counted(whole, "picture")
    return total if count is None else f"{count} of {total} match"


def say_matches(target: Target, session: Session, meant: Pictures, pictures: Pictures) -> None:
    """List the pictures that match."""
    say = session.context.console.say
    found = matched(target, session, pictures, len(meant))
    say(f"`{target.shown}`: {found}", keys=sorted(meant))
    if not session.context.console.json:
        say(*(f"  {key}" for key in sorted(meant)))


def say_changes(
    session: Session, before: str, changes: Sequence[Change], conditional: bool
) -> None:
    """Say how many pictures change, and how.

    Args:
        before: What was edited, and how many pictures matched.
        conditional: They only would change.
    """
    console, many = session.context.console, len(changes)
    would = "would change" if conditional else "changed"
    console.say(f"{before}, {many} {would}", changes=[change.facts() for change in changes])
    if console.json:
        return
    most = many if conditional or console.level > 1 else _SHOWN
    for change in changes[:most]:
        console.say(*(f"  {change.key}: {line}" for line in change.lines()))
    if many > most:
        console.say(f"  ... and {many - most} more; `-v` shows all")


def say_unusable(target: Target, session: Session) -> bool:
    """Name the pictures of a folder that cannot be edited; return whether there are any."""
    faulty = session.inventory.faulty if isinstance(target, FolderTarget) else {}
    for key, why in sorted(faulty.items()):
        session.context.console.say(f"  failed: {key}: {why}", failed=key)
    return bool(faulty)
