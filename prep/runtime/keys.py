"""What can name a sample, by one rule for the disk, our own files and the command line. Text only.

A path in a dataset is relative to a folder, POSIX, and

- text: it holds no bytes that are not UTF-8;
- one line that is read as it stands: no control character, no line separator, no character that
  changes the reading direction;
- inside its folder on every system: not absolute, no backslash, no drive such as `C:`, no part
  that is empty, `.` or `..`;
- no longer than disks take: 255 bytes a name, 4000 bytes in all.

A key is such a path in Unicode's composed form, of which no part is hidden. All else is ordinary:
a leading dash, a dot or space at the end, names that Windows keeps for itself (`con.png`).
"""

import re
import unicodedata

LONGEST_NAME = 255  # bytes of a name on the file systems that people have
LONGEST_NEW = 200  # bytes of a name that others are made of: `NAME_bucket.json`, `NAME-0a1b2c3d`
LONGEST_PATH = 4000  # bytes; Linux takes 4095, and what is written beside a picture needs some
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
# What no file may be named on one system or another, Windows included.
_NOWHERE = re.compile(r'[<>:"/\\|?*\x00-\x1f]|^\.|[. ]$|^$')
_WINDOWS = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)
# In a path without any of these, no rule below can find fault, length aside.
_ODD = re.compile(
    "[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\\\\:]|//|(?:^|/)\\.{0,2}(?:/|$)"
)
_DRIVE = re.compile("[A-Za-z]:")
_DERIVED = re.compile(r"(\.[A-Za-z0-9]+)@")  # behind the ending of what it was made from


def first_source(key: str) -> str:
    """Return the key of the picture that all in its line were made from: `KEY@NAME.png` of `KEY`.

    A name may have an `@` of its own: `a@2x.png`.
    """
    found = _DERIVED.search(key)
    return key[: found.start() + len(found[1])] if found else key


def nfc(name: str) -> str:
    """Return a relative path in Unicode's composed form; plain ASCII is left as it is."""
    return name if name.isascii() else unicodedata.normalize("NFC", name)


def is_text(name: str) -> bool:
    """Return whether a name is valid UTF-8 on the disk, and can stand in a file of ours."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def one_line(name: str) -> bool:
    """Return whether a name holds no line break or other control character."""
    return _CONTROL.search(name) is None


def shown(name: str) -> str:
    """Return a name with the bytes escaped that are not UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def too_long(name: str) -> bool:
    """Return whether the last part of a path is longer than file systems take."""
    last = name.rpartition("/")[2]
    return 4 * len(last) > LONGEST_NAME and num_bytes(last) > LONGEST_NAME


def too_long_in_all(path: str) -> bool:
    """Return whether an absolute path leaves no room for what is written beside it."""
    return 4 * len(path) > LONGEST_PATH and num_bytes(path) > LONGEST_PATH


def num_bytes(name: str) -> int:
    """Return how many bytes a name or path takes on a disk; bytes that are not UTF-8 count too."""
    return len(name.encode("utf-8", "replace"))


def leads_out(path: str) -> bool:
    """Return whether a relative path may be one of another folder, on this system or another."""
    return (
        not path
        or path.startswith("/")
        or "\\" in path
        or "\0" in path
        or ".." in path.split("/")
        or _DRIVE.match(path) is not None
    )


def fault_of_path(path: str) -> str:
    """Return why a relative path cannot stand in a dataset, as `holds a backslash`; "" if it can.

    Whether it leaves its folder is for `leads_out`, as far as a name on a disk can.
    """
    if 4 * len(path) <= LONGEST_NAME and not _ODD.search(path):  # nearly all of a million
        return ""
    if not is_text(path):
        return "is not valid UTF-8"
    if not one_line(path):
        return "holds a line break or control character"
    if "\\" in path:
        return "holds a backslash"
    if _DRIVE.match(path):
        return f"begins like a Windows drive, `{path[:2]}`"
    if _TURNS.search(path):
        return "holds a character that changes the reading direction"
    parts = path.split("/")
    if {"", ".", ".."}.intersection(parts):
        return "has a part that is empty, `.` or `..`"
    long = too_long_in_all(path) or any(map(too_long, parts))
    return "is longer than a disk allows" if long else ""


def fault_of_key(key: str) -> str:
    """Return why a path cannot be a sample's key, as `holds a backslash`; "" if it can."""
    found = fault_of_path(key)
    if not found and (key.startswith(".") or "/." in key):
        return "is hidden"
    if not found and nfc(key) != key:
        return "is not in Unicode's composed form"
    return found


def fault_of_new(name: str) -> str:
    """Return why a file that we write cannot have a name, as `holds a backslash`; "" if it can.

    What stands before and behind it in names made of it has to fit as well.
    """
    if num_bytes(name) > LONGEST_NEW:
        return f"has {num_bytes(name)} bytes, more than {LONGEST_NEW}"
    return fault_of_path(name)


def fault_everywhere(name: str) -> str:
    """Return why a file that we write cannot have a name on every system; "" if it can."""
    if _NOWHERE.search(name) or _WINDOWS.fullmatch(name):
        return "is not a valid file name on every system"
    return fault_of_new(name)


def mend_name(name: str) -> str:
    """Return a name without what not every system allows; empty where nothing is left of it."""
    text = name.encode("utf-8", "replace").decode().strip(" .")
    for what in (_NOWHERE, _CONTROL, _TURNS):
        text = what.sub("_", text) if text else ""
    while num_bytes(text) > LONGEST_NEW:
        text = text[:-1].rstrip(" .")
    return f"_{text}" if _WINDOWS.fullmatch(text) else text
