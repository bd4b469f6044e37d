"""What lies in a folder and the folders below it, whatever it is; no link is followed.

What is passed over is passed over by name, from one table: hidden names, and what NAS and photo
programs, archives and disks leave behind. A folder that `train` wrote a run into is ours.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum, auto

from prep.runtime.files import SCRATCH

# Names, in lower case, that mean the same everywhere: no picture of a person's is kept there.
_LITTER = frozenset(
    (
        *("@eadir", "@tmp", "#recycle", "#snapshot", "@recycle", "@recently-snapshot"),  # NAS
        *("@synoresource", "@sharebin", "network trash folder", "temporary items"),
        *("thumbs.db", "thumbs.db:encryptable", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini"),
        *("$recycle.bin", "system volume information", "recycler", "folder.htt"),  # Windows
        *("icon\r", "__macosx", "lost+found"),  # macOS, its archives, disks
        *("picasa.ini", "zbthumbnail.info", "pspbrwse.jbf", "captureone"),  # photo programs
        *("digikam4.db", "thumbnails-digikam.db", "recognition.db", "similarity.db"),
    )
)
_LITTER_ENDS = ("@synoeastream", "@synoresource", ".lrdata")  # Lightroom's previews
_OFFICE = "~$"  # begins the name of the lock of a document that is open
_RUN = frozenset(("config.json", "metrics.jsonl"))  # what `train` keeps in a folder of its own


class FileKind(Enum):
    """What stands under a name."""

    FILE = auto()
    FOLDER = auto()  # yielded before what lies in it
    LINK = auto()
    FOLDER_LINK = auto()
    SPECIAL = auto()  # a pipe, socket or device


@dataclass
class Aside:
    """What a walk did not go into.

    Attributes:
        passed: Name -> how many things of that name were passed over.
        unread: Folder, relative to the top, with a slash -> why what lies in it is not known.
        scratch: Folders, absolute, where a run that died may have left something behind.
        runs: Folders, relative to the top, that training runs were written into.
    """

    passed: Counter[str] = field(default_factory=Counter)
    unread: dict[str, str] = field(default_factory=dict)
    scratch: set[str] = field(default_factory=set)
    runs: list[str] = field(default_factory=list)


def is_litter(name: str) -> bool:
    """Return whether a name alone says that no picture of a person's stands there."""
    low = name.lower()
    return low in _LITTER or low.startswith((".", _OFFICE)) or low.endswith(_LITTER_ENDS)


def is_run(folder: str | os.PathLike[str]) -> bool:
    """Return whether `train` wrote a run into a folder."""
    return all(os.path.exists(os.path.join(folder, name)) for name in _RUN)


def walk(
    top: str, aside: Aside, without: str = ""
) -> Iterator[tuple[str, FileKind, "os.DirEntry[str]"]]:
    """Yield path relative to `top`, kind and entry of all that lies in a folder, in order of names.

    Args:
        top: Absolute path.
        aside: Filled with what is not gone into.
        without: Absolute path of a folder that is not gone into either, such as prep's own.

    Raises:
        OSError: `top` itself cannot be read.
    """
    levels = [("", iter(_entries(top, aside)))]
    while levels:
        prefix, entries = levels[-1]
        entry = next(entries, None)
        if entry is None:
            levels.pop()
            continue
        name = prefix + entry.name
        kind = _kind(entry)
        if kind is FileKind.FOLDER and entry.path == without:
            continue
        yield name, kind, entry
        if kind is FileKind.FOLDER:
            below = _below(entry, name, aside)
            levels.append((f"{name}/", iter(below)))


def _below(entry: "os.DirEntry[str]", name: str, aside: Aside) -> "list[os.DirEntry[str]]":
    """Return what lies in a folder; nothing where it cannot be read, or is that of a run."""
    try:
        below = _entries(entry.path, aside)
    except FileNotFoundError:  # it was removed just now
        return []
    except OSError as error:
        aside.unread[f"{name}/"] = error.strerror or str(error)
        return []
    if {each.name for each in below} >= _RUN:
        aside.runs.append(name)
        return []
    return below


def _entries(path: str, aside: Aside) -> "list[os.DirEntry[str]]":
    with os.scandir(path) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    kept = []
    for entry in listed:
        if not is_litter(entry.name):
            kept.append(entry)
        elif entry.name.startswith(SCRATCH):
            aside.scratch.add(path)
        else:
            aside.passed[entry.name] += 1
    return kept


def _kind(entry: "os.DirEntry[str]") -> FileKind:
    """Return what an entry is; one that vanished just now is special, as it is no file."""
    try:
        if entry.is_file(follow_symlinks=False):
            return FileKind.FILE
        if entry.is_dir(follow_symlinks=False):
            return FileKind.FOLDER
        if entry.is_symlink():
            return FileKind.FOLDER_LINK if _leads_to_folder(entry) else FileKind.LINK
    except OSError:
        pass
    return FileKind.SPECIAL


def _leads_to_folder(entry: "os.DirEntry[str]") -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a circle of links
        return False
