"""Files in a folder of pictures that are neither pictures nor texts: what they are, in a line."""

import re
from collections import Counter
from collections.abc import Container, Iterable, Mapping

from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.walk import FileKind
from prep.images import formats

# Kinds that no suffix says: one of them, several of them.
WORDS = {
    "no suffix": ("without suffix", "without suffix"),
    "link": ("link", "links"),
    "linked folder": ("linked folder", "linked folders"),
    "special": ("pipe, socket or device", "pipes, sockets or devices"),
}
BY_KIND = {
    FileKind.LINK: "link",
    FileKind.FOLDER_LINK: "linked folder",
    FileKind.SPECIAL: "special",
}
_SUFFIX = re.compile(r"\.[a-z0-9_+-]{1,12}")
_KINDS = 12  # as many are told one by one


def kind_of_suffix(suffix: str) -> str:
    """Return the kind of a file by its suffix, in lower case with its dot."""
    return suffix if _SUFFIX.fullmatch(suffix) else "no suffix"


def unknown(
    others: Mapping[str, str], outputs: Container[str], declared: Declarations
) -> dict[str, str]:
    """Return path -> kind of the files that are no files of ours, in the order of paths.

    Args:
        others: Path relative to the folder -> kind.
        outputs: The files that prep wrote.
        declared: What files of ours are named.
    """
    return {
        name: kind
        for name, kind in sorted(others.items())
        if name not in outputs and not declared.is_ours(name)
    }


def line(kinds: Iterable[str], folder: str = "") -> str:
    """Return one sentence on other files, by their kinds; empty for none.

    Args:
        kinds: One for each file.
        folder: Where they lie, if that has to be said.
    """
    counts = Counter(kinds)
    if not counts:
        return ""
    total = sum(counts.values())
    each = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    told = [_counted(kind, count) for kind, count in each[:_KINDS]]
    more = sum(count for _, count in each[_KINDS:])
    told += [f"{more} of other kinds"] if more else []
    where = f" in `{folder}`" if folder else ""
    what = f"file{where} is not a picture" if total == 1 else f"files{where} are not pictures"
    return f"{total} other {what} that can be read: {', '.join(told)}"


def _counted(kind: str, count: int) -> str:
    one, several = WORDS.get(kind, (kind, kind))
    package = formats.package_for(kind)
    hint = f" (`pip install {package}` reads {'it' if count == 1 else 'them'})" if package else ""
    return f"{count} {one if count == 1 else several}{hint}"


def passed_line(passed: Mapping[str, int]) -> str:
    """Return what was passed over by name; empty for nothing."""
    told = [
        repr(name)[1:-1] + (f" ({count})" if count > 1 else "")
        for name, count in sorted(passed.items())
    ]
    more = [f"and {len(told) - _KINDS} other names"] if len(told) > _KINDS else []
    return ", ".join([*told[:_KINDS], *more])
