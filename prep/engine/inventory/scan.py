"""What is in a folder: pictures, the text files beside them, all other files, and digests."""

import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern

from prep.engine.inventory import mask_owners, other_files, text_owners
from prep.engine.inventory.declarations import Declarations
from prep.engine.inventory.walk import Aside, FileKind, walk
from prep.engine.state.file_stat import Stat, _stat
from prep.images.formats import suffixes, usual_suffixes
from prep.runtime.errors import DatasetError
from prep.runtime.keys import fault_of_path, is_text, nfc, shown, too_long, too_long_in_all

_WHAT = {
    FileKind.LINK: "a link",
    FileKind.FOLDER_LINK: "a link",
    FileKind.SPECIAL: "not a regular file",
}
_IN_THE_WAY = {
    FileKind.LINK: "a link: copy the text itself into the folder",
    FileKind.FOLDER_LINK: "a link: copy the text itself into the folder",
    FileKind.SPECIAL: "not a regular file: move it away",
    FileKind.FOLDER: "a folder: give it another name",
}


@dataclass(frozen=True)
class Folder:
    """The pictures and sidecars of a folder, by key.

    Attributes:
        pictures: Key -> path as the disk spells it, relative to the folder. Keys are relative,
            POSIX, NFC, with their extension.
        sidecars: Relative path, NFC, with a lower-case suffix -> the same as the disk spells it.
        stats: Path as the disk spells it, relative -> what identifies the file's content cheaply.
            They are let go when the digests are known.
        faulty: Key -> why the picture cannot be a sample. A key that ends in a slash is a folder
            that cannot be read.
        scratch: Folders where a run that died may have left something behind.
        covered: Sidecars that another one lies over (see `overlay`), as `sidecars`.
        unowned: Text files that no picture owns -> what a person can do about each.
        linked: Where a sidecar belongs and something else is, named like a sidecar -> what it is,
            and what to do.
        others: Relative path -> kind (a suffix, or a key of `others.WORDS`) of each file that is
            neither a picture nor a text.
        passed: Name -> how many things of that name were passed over.
        masks: Key -> the mask beside the picture, as the disk spells it.
    """

    root: Path
    pictures: Mapping[str, str] = field(default_factory=dict)
    sidecars: Mapping[str, str] = field(default_factory=dict)
    stats: dict[str, Stat] = field(default_factory=dict)
    faulty: Mapping[str, str] = field(default_factory=dict)
    scratch: Set[str] = frozenset()
    covered: Mapping[str, str] = field(default_factory=dict)
    unowned: Mapping[str, str] = field(default_factory=dict)
    linked: Mapping[str, str] = field(default_factory=dict)
    others: Mapping[str, str] = field(default_factory=dict)
    passed: Mapping[str, int] = field(default_factory=dict)
    masks: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Scanned(Folder):
    """A folder while it is scanned."""

    pictures: dict[str, str] = field(default_factory=dict)
    sidecars: dict[str, str] = field(default_factory=dict)
    faulty: dict[str, str] = field(default_factory=dict)
    unowned: dict[str, str] = field(default_factory=dict)
    linked: dict[str, str] = field(default_factory=dict)
    others: dict[str, str] = field(default_factory=dict)
    masks: dict[str, str] = field(default_factory=dict)


def scan(
    root: Path,
    text_suffixes: tuple[str, ...],
    state: Path | None = None,
    texts: tuple[str, ...] = (),
) -> Folder:
    """Return what lies in `root`, in the order of keys; nothing below it stops the scan.

    Hidden names and what other programs leave behind are passed over (see `walk`). Links and
    special files that look like pictures are named as faulty, those that look like sidecars are
    noted; folders that cannot be read are faulty. Twins that differ only in Unicode form or case
    are faulty, all but the first.

    Args:
        text_suffixes: The endings of sidecars.
        state: prep's own folder: where it lies in `root`, nothing in it is looked at.
        texts: The endings of files that hold words, whether or not they are sidecars here.

    Raises:
        DatasetError: `root` is not a folder that can be read.
    """
    aside = Aside()
    found = _Scanned(root, scratch=aside.scratch, passed=aside.passed)
    pictures: list[str] = []
    known = suffixes()
    own = os.path.abspath(state) if state is not None else ""
    try:
        for name, kind, entry in walk(os.path.abspath(root), aside, own):
            suffix = os.path.splitext(name)[1].lower()
            if suffix in text_suffixes and is_text(name):
                _take_text(entry, name, kind, found)
            elif suffix in known and kind is not FileKind.FOLDER:
                if _usable(entry, name, kind, found):
                    pictures.append(name)
            elif kind is not FileKind.FILE or suffix not in texts or not is_text(name):
                _take_other(name, kind, found)
            else:
                found.unowned.update(_unread(name, text_suffixes))
    except OSError as error:
        raise DatasetError(
            f"`{root}` cannot be read: {error.strerror}", "name the folder that holds the pictures"
        ) from error
    _take_masks(pictures, found)
    text_owners.settle(found.sidecars, found.unowned, found.pictures, found.faulty)
    aside.passed.pop(".prep", None)  # ours
    for folder, why in aside.unread.items():
        found.faulty[shown(folder)] = f"this folder cannot be read: {why}"
    return found


def no_pictures(folder: Folder, declared: Declarations) -> DatasetError:
    """Return the error for a folder without pictures; it names what is there in their place."""
    there = other_files.line(other_files.unknown(folder.others, (), declared).values())
    return DatasetError(
        f"there are no pictures in `{folder.root}`" + (f"; {there}" if there else ""),
        f"name the folder that holds them; pictures end in {', '.join(usual_suffixes())}",
    )


def unreachable(folder: Folder, known: Iterable[str]) -> dict[str, str]:
    """Return key -> reason for known pictures in folders that cannot be read: they are not gone."""
    unread = tuple(nfc(name) for name in folder.faulty if name.endswith("/"))
    return {key: "its folder cannot be read" for key in known if unread and key.startswith(unread)}


def stem(key: str) -> str:
    """Return a key, or a picture's path, without its extension; every one has one."""
    return key[: key.rindex(".")]


def clashes(pictures: Mapping[str, str], longest: str) -> dict[str, str]:
    """Return key -> reason for pictures without a sidecar of their own.

    Two would share one (`a.jpg` beside `a.png`), or its name would be longer than a disk takes.
    """
    stems: dict[str, list[str]] = {}
    found: dict[str, str] = {}
    for key in pictures:
        stem = os.path.splitext(key)[0]
        stems.setdefault(stem, []).append(key)
        if too_long(stem + longest):
            found[key] = f"its name is too long for a {longest} beside it: shorten it"
    return found | {
        key: f"{' and '.join(sorted(keys))} would share one sidecar; rename one of them"
        for keys in stems.values()
        if len(keys) > 1
        for key in keys
    }


def _usable(entry: "os.DirEntry[str]", name: str, kind: FileKind, found: _Scanned) -> bool:
    if kind is not FileKind.FILE:
        why = f"it is {_WHAT[kind]}: copy the picture itself into the folder"
        found.faulty[shown(name)] = why
        return False
    if too_long_in_all(entry.path):
        found.faulty[shown(name)] = "its path is longer than a disk allows: move it further up"
        return False
    try:
        found.stats[name] = _stat(entry)
    except FileNotFoundError:  # it was removed just now
        return False
    except OSError as error:
        found.faulty[shown(name)] = f"it cannot be read: {error.strerror}"
        return False
    return True


def _take_text(entry: "os.DirEntry[str]", name: str, kind: FileKind, found: _Scanned) -> None:
    bare, suffix = os.path.splitext(name)
    told = nfc(bare) + suffix.lower()
    if kind is not FileKind.FILE:
        found.linked[told] = _IN_THE_WAY[kind]
        _take_other(name, kind, found)
        return
    try:
        seen = _stat(entry)
    except FileNotFoundError:  # it was removed just now
        return
    except OSError:  # its path is too long, as is that of its picture
        _take_other(name, kind, found)
        return
    twin = found.sidecars.get(told)
    if twin is not None:  # it differs in case or Unicode form; the last one counts
        _take_other(twin, kind, found)
    name = told if told == name else name
    found.sidecars[intern(told)] = name
    found.stats[name] = seen


def _unread(name: str, text_suffixes: tuple[str, ...]) -> dict[str, str]:
    """Return a text that is no sidecar where others are, and why; none where no texts are read."""
    read = " and ".join(text_suffixes)
    return {name: f"texts are read from {read} alone"} if read else {}


def _take_other(name: str, kind: FileKind, found: _Scanned) -> None:
    if kind is not FileKind.FOLDER:
        suffix = os.path.splitext(name)[1].lower()
        found.others[name] = other_files.BY_KIND.get(kind) or other_files.kind_of_suffix(suffix)


def _take_masks(names: list[str], found: _Scanned) -> None:
    """Tell pictures from masks by their names, and give each its own."""
    pictures = [name for name in names if not mask_owners.is_mask(name)]
    masks = [name for name in (*names, *found.faulty) if mask_owners.is_mask(name)]
    _keyed(pictures, found)
    for name in mask_owners.settle(masks, found.pictures, found.masks, found.faulty):
        found.stats.pop(name, None)


def _keyed(pictures: list[str], found: _Scanned) -> None:
    folded: dict[str, str] = {}
    # Of twins in Unicode form, the one whose name is its key comes first.
    for name in sorted(pictures, key=lambda each: (nfc(each), nfc(each) != each)):
        fault = fault_of_path(name)
        if fault:  # our own files could not hold it, or would be misread
            found.faulty[shown(name)] = f"its name {fault}: rename it"
            del found.stats[name]
            continue
        key = nfc(name)
        twin = folded.setdefault(key.lower(), name)
        if twin != name:
            differs = (
                "is that of another file in another Unicode form"
                if key == nfc(twin)
                else f"differs from {twin} only in case"
            )
            found.faulty[name] = f"its name {differs}: rename one of them"
            continue
        found.pictures[intern(key)] = name
