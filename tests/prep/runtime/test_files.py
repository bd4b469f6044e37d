"""The one way to replace a file, strict JSON, and paths that stay inside."""

import errno
import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.runtime.errors import DatasetError, MachineError
from prep.runtime.files import (
    SCRATCH,
    blocked,
    canonical,
    digest,
    digest_bytes,
    disk_errors,
    inside,
    replacing,
    write,
)
from prep.runtime.strict_json import strict_json


def test_a_digest_is_sha256(tmp_path: Path) -> None:
    """A file of any length and the same bytes in memory have one digest, hashlib's."""
    data = os.urandom((1 << 20) + 3)
    (tmp_path / "a").write_bytes(data)

    assert digest(tmp_path / "a") == digest_bytes(data) == hashlib.sha256(data).hexdigest()


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """The new bytes stand in the file's place, in folders made for it; no scratch file is left."""
    path = tmp_path / "new" / "a.json"
    write(path, b"one")
    write(path, b"two")

    assert path.read_bytes() == b"two"
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]


def test_what_fails_leaves_the_old_file(tmp_path: Path) -> None:
    """An error while writing keeps the old bytes and removes the scratch file."""
    path = tmp_path / "a.json"
    write(path, b"old")

    def half() -> None:
        with replacing(path) as scratch:
            assert scratch.name.startswith(SCRATCH)
            scratch.write_bytes(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()

    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.json"]


def test_the_digest_can_be_noted_before(tmp_path: Path) -> None:
    """`before` sees the whole new file while the old one is still in place."""
    path = tmp_path / "a"
    write(path, b"old")
    seen: list[tuple[bytes, bytes]] = []
    write(path, b"new", lambda scratch: seen.append((scratch.read_bytes(), path.read_bytes())))

    assert seen == [(b"new", b"old")]


@pytest.mark.parametrize(
    ("number", "hint"),
    [
        (errno.ENOSPC, "free some space, then run the same command: it goes on where it stopped"),
        (errno.EISDIR, "a folder is in the way: move it, then run the same command again"),
        (errno.EROFS, "the disk is read-only: name another folder with `--state DIR`"),
        (errno.EACCES, "make the folder writable, or name another with `--state DIR`"),
        (
            errno.EEXIST,
            "a file is in the way: move it, or name another folder with `--state DIR`",
        ),
        (errno.EIO, "check the disk, then run the same command again"),
    ],
)
def test_what_the_disk_says_is_two_lines(tmp_path: Path, number: int, hint: str) -> None:
    """Rows 59, 62, 65: an error of the system names the file and what to do."""
    with pytest.raises(MachineError) as caught, disk_errors(tmp_path):
        raise OSError(number, os.strerror(number))

    assert str(caught.value) == f"`{tmp_path}` cannot be written: {os.strerror(number)}"
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    "path",
    ["", "/etc/passwd", "../a", "a/../../b", "a\0b", "C:/a", "C:a", "a\\..\\b", "\\\\host\\a"],
)
def test_a_path_that_leads_out_is_refused(tmp_path: Path, path: str) -> None:
    """Row 92: absolute paths, `..`, NUL, drives and backslashes never leave the folder."""
    with pytest.raises(DatasetError) as caught:
        inside(tmp_path, path)

    assert str(caught.value) == f"`{path}` leads out of `{tmp_path}`"
    assert caught.value.hint == "paths in a dataset stay inside its folder"


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    """Row 93: a path through a link to elsewhere leads out; one to a neighbour does not."""
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "out").symlink_to("..")
    (tmp_path / "in" / "near").symlink_to("deep")

    assert inside(tmp_path / "in", "near/a.png") == tmp_path / "in" / "near" / "a.png"
    with pytest.raises(DatasetError):
        inside(tmp_path / "in", "out/a.png")


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
def test_canonical_json_comes_back(value: object) -> None:
    """What is written canonically is read strictly as the same value."""
    assert strict_json(canonical({"k": value}), "x") == {"k": value}


def test_canonical_json_is_the_same_whatever_the_order() -> None:
    """Keys are sorted, spaces left out, letters kept; NaN is refused."""
    assert canonical({"b": 1, "a": ["\u732b", 1.5]}) == '{"a":["\u732b",1.5],"b":1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical(float("nan"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "`x` has `a` twice"),
        ('{"b": {"a": 1, "a": 2}}', "`x` has `a` twice"),
        ('{"a": Infinity}', "`x` holds `Infinity`, which is not JSON"),
        ('{"a"\n 1}', "`x` is not JSON at line 2, column 2: Expecting ':' delimiter"),
        ("9" * 5000, "`x` cannot be read: "),
        ("[" * 100_000, "`x` cannot be read: "),
    ],
)
def test_strict_json_refuses_what_readers_differ_on(text: str, message: str) -> None:
    """Rows 41 to 44: doubled keys, NaN, damage, huge numbers and depth are told with the file."""
    with pytest.raises(DatasetError) as caught:
        strict_json(text, "x")

    assert str(caught.value).startswith(message)


@pytest.mark.parametrize(
    ("path", "why", "hint"),
    [
        ("taken/x.json", "`taken` is a file, not a folder", "move `taken` away, or "),
        ("taken/y/z/x.json", "`taken` is a file, not a folder", "move `taken` away, or "),
        ("/dev/null/x.json", "`/dev/null` is a pipe, socket or device, not a folder", ""),
        ("astray/x.json", "`astray` is a broken link, not a folder",
         "move `astray` away, or "),
    ],
)  # fmt: skip
def test_what_stands_in_the_way_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, why: str, hint: str
) -> None:
    """Row 65: where a file, device or dead link stands for a folder, it is named, nothing else."""
    monkeypatch.chdir(tmp_path)
    Path("taken").write_text("mine")
    Path("astray").symlink_to("nowhere")

    with pytest.raises(MachineError) as caught:
        write(Path(path), b"new")

    assert str(caught.value) == f"`{path}` cannot be written: {why}"
    assert caught.value.hint == f"{hint}name another place"
    assert Path("taken").read_text() == "mine"


def test_nothing_in_the_way_is_nothing_to_tell(tmp_path: Path) -> None:
    """A folder that is there, or is yet to be made, is no obstacle."""
    assert blocked(tmp_path, "place") is None
    assert blocked(tmp_path / "a" / "b", "place") is None
