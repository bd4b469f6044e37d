"""What is in a folder: pictures, the text files beside them, and their digests."""

import hashlib
import os
import re
import stat
import time
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from sys import intern

from prep.engine import text_owners
from prep.engine.ledger import Stat
from prep.errors import DatasetError
from prep.files import SCRATCH
from prep.images import SUFFIXES

_RACY_NS = 2_000_000_000
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_LONG = 255  # bytes of a name on the file systems that people have


@dataclass
class Folder:
    """The pictures and sidecars of a folder, by key.

    Attributes:
        pictures: Key -> path as the disk spells it, relative to the folder. Keys are relative,
            POSIX, NFC, with their extension.
        sidecars: Relative path, NFC, with a lower-case suffix -> the same as the disk spells it.
        stats: Path as the disk spells it, relative -> what identifies the file's content cheaply.
        faulty: Key -> why the picture cannot be a sample.
        scratch: Folders where a run that died may have left something behind.
        linked: Where a sidecar belongs and a link or pipe is: named like a sidecar.
        unowned: Text files that no picture owns -> what a person can do about each.
    """

    root: Path
    pictures: dict[str, str] = field(default_factory=dict)
    sidecars: dict[str, str] = field(default_factory=dict)
    stats: dict[str, Stat] = field(default_factory=dict)
    faulty: dict[str, str] = field(default_factory=dict)
    scratch: set[str] = field(default_factory=set)
    linked: set[str] = field(default_factory=set)
    unowned: dict[str, str] = field(default_factory=dict)


def scan(root: Path, text_suffixes: tuple[str, ...]) -> Folder:
    """Return what lies in `root`, in the order of keys.

    Hidden names, links and anything but regular files are passed over; links and special files
    that look like pictures are named as faulty, those that look like sidecars are noted. Twins
    that differ only in Unicode form or case are faulty, all but the first.

    Raises:
        DatasetError: `root` is not a folder that can be read.
    """
    found = Folder(root)
    pictures: list[str] = []
    try:
        for path, name, entry in _walk(os.fspath(root.absolute()), ""):
            if entry.name.startswith("."):
                if entry.name.startswith(SCRATCH):
                    found.scratch.add(os.path.dirname(path))
                continue
            suffix = os.path.splitext(name)[1].lower()
            if suffix in SUFFIXES:
                if _usable(entry, name, found):
                    pictures.append(name)
                    found.stats[name] = _stat(entry)
            elif suffix in text_suffixes:
                _take_text(entry, name, found)
    except OSError as error:
        raise DatasetError(
            f"`{root}` cannot be read: {error.strerror}", "name the folder that holds the pictures"
        ) from error
    _keyed(pictures, found)
    text_owners.settle(found.sidecars, found.unowned, found.pictures, found.faulty, found.linked)
    return found


def no_pictures(root: Path) -> DatasetError:
    """Return the error for a folder without pictures."""
    return DatasetError(
        f"there are no pictures in `{root}`",
        f"name the folder that holds them; pictures end in {', '.join(sorted(SUFFIXES))}",
    )


def path_in(root: Path, name: str) -> str:
    """Return the absolute path of a file that `scan` found in `root`."""
    return os.path.join(os.path.abspath(root), name)


def stem(key: str) -> str:
    """Return a key, or a picture's path, without its extension; every one has one."""
    return key[: key.rindex(".")]


def nfc(name: str) -> str:
    """Return a relative path in Unicode's composed form; plain ASCII is left as it is."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def clashes(pictures: Mapping[str, str], longest: str) -> dict[str, str]:
    """Return key -> reason for pictures without a sidecar of their own.

    Two would share one (`a.jpg` beside `a.png`), or its name would be longer than a disk takes.
    """
    stems: dict[str, list[str]] = {}
    found: dict[str, str] = {}
    for key in pictures:
        stem = os.path.splitext(key)[0]
        stems.setdefault(stem, []).append(key)
        if len(key) > _LONG // 4 and too_long(stem + longest):
            found[key] = f"its name is too long for a {longest} beside it: shorten it"
    return found | {
        key: f"{' and '.join(sorted(keys))} would share one sidecar; rename one of them"
        for keys in stems.values()
        if len(keys) > 1
        for key in keys
    }


def too_long(name: str) -> bool:
    """Return whether the last part of a path is longer than file systems take."""
    return len(name.rpartition("/")[2].encode("utf-8", "surrogateescape")) > _LONG


def digest_now(path: str) -> tuple[Stat, str] | None:
    """Return a file's stat and SHA-256, of one moment; None if it changes while it is read."""
    for _ in range(3):
        with open(path, "rb", opener=_without_waiting) as file:
            before = os.fstat(file.fileno())
            sha = hashlib.file_digest(file, "sha256").hexdigest()
            after = os.fstat(file.fileno())
        if _of(before) == _of(after):
            return _of(after), sha
    return None


def clock(state: Path) -> int:
    """Return the file system's own time in ns, read from a file we make in the state folder."""
    probe = state / "clock"
    try:
        probe.write_bytes(b"")
        return probe.stat().st_mtime_ns
    except OSError:
        return time.time_ns()


def racy(of: Stat, now: int) -> bool:
    """Return whether a file is so new that a change in the same tick would go unseen."""
    return max(of.mtime, of.ctime) >= now - _RACY_NS


def stat_of(path: str) -> Stat | None:
    """Return what identifies a file's content cheaply, or None where there is no such file."""
    try:
        return _of(os.stat(path, follow_symlinks=False))
    except OSError:
        return None


def _walk(top: str, prefix: str) -> Iterator[tuple[str, str, "os.DirEntry[str]"]]:
    with os.scandir(top) as entries:
        listed = sorted(entries, key=lambda entry: entry.name)
    for entry in listed:
        name = prefix + entry.name
        if entry.is_dir(follow_symlinks=False):
            if entry.name.startswith("."):
                continue
            yield from _walk(entry.path, name + "/")
        else:
            yield entry.path, name, entry


def _usable(entry: "os.DirEntry[str]", name: str, found: Folder) -> bool:
    if entry.is_file(follow_symlinks=False):
        return True
    what = "a link" if entry.is_symlink() else "not a regular file"
    found.faulty[_shown(name)] = f"it is {what}: copy the picture itself into the folder"
    return False


def _take_text(entry: "os.DirEntry[str]", name: str, found: Folder) -> None:
    if not _utf8(name):
        found.unowned[_shown(name)] = "its name is not valid UTF-8: rename it"
        return
    bare, suffix = os.path.splitext(name)
    told = nfc(bare) + suffix.lower()
    if not entry.is_file(follow_symlinks=False):
        found.linked.add(told)
        return
    rival = found.sidecars.get(told)
    if rival is not None:  # the same name in other letters: the one that is spelt as ours counts
        name, other = (name, rival) if name == told else (rival, name)
        found.unowned[other] = f"`{name}` is read in its place"
        found.stats.pop(other, None)
    name = told if told == name else name
    found.sidecars[intern(told)] = name
    found.stats.setdefault(name, _stat(entry))


def _keyed(pictures: list[str], found: Folder) -> None:
    folded: dict[str, str] = {}
    # Of twins in Unicode form, the one whose name is its key comes first.
    for name in sorted(pictures, key=lambda each: (nfc(each), nfc(each) != each)):
        if not _utf8(name):
            found.faulty[_shown(name)] = "its name is not valid UTF-8: rename it"
            del found.stats[name]
            continue
        if _CONTROL.search(name):  # sheets and lists of names are read line by line
            found.faulty[name] = "its name holds a line break or control character: rename it"
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


def _utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()


def _stat(entry: "os.DirEntry[str]") -> Stat:
    return _of(entry.stat(follow_symlinks=False))


def _of(found: os.stat_result) -> Stat:
    return Stat(found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino)


def _without_waiting(path: str, flags: int) -> int:
    """Open without blocking on what is not a regular file."""
    descriptor = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{path} is not a regular file")
    return descriptor
