import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from prep.models import pickle_file
from prep.models.locate import Ask, Models
from prep.models.safety import check, check_safetensors
from prep.runtime.errors import ModelFileError
from tests.prep.model_folders import tensors


def refused(path: Path) -> tuple[str, str | None]:
    with pytest.raises(ModelFileError) as raised:
        check(path)
    return str(raised.value), raised.value.hint


@pytest.mark.parametrize("name", ["m.ckpt", "m.pt", "m.pth", "m.pkl", "m.pickle", "m.py", "M.CKPT"])
def test_what_can_hold_code_is_not_opened(tmp_path: Path, name: str) -> None:
    """Row 50: pickles and programs are refused by name, in a folder and as a single file."""
    path = tmp_path / name
    path.write_bytes(pickle.dumps({"weight": 1}))
    expected = (
        f"`{path}` can hold code and is not opened",
        "use the `.safetensors` version of the model",
    )

    assert refused(path) == expected
    with pytest.raises(ModelFileError, match="can hold code and is not opened"):
        Models(tmp_path / "home").find(Ask("base", str(path)))


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_pickle_under_another_name(tmp_path: Path, protocol: int) -> None:
    """Row 50: a pickle, or torch's zip of one, renamed to .safetensors is told as what it is."""
    path = tmp_path / "m.safetensors"
    expected = (
        f"`{path}` is a pickle named .safetensors and is not opened",
        "get the model from a place that publishes real safetensors",
    )
    path.write_bytes(pickle.dumps({"weight": 1}, protocol))
    assert refused(path) == expected

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", pickle.dumps({"weight": 1}, protocol))
    assert refused(path) == expected


@pytest.mark.parametrize("length", [640, 896, 1152, 1408, 19280])
def test_a_header_that_begins_like_a_pickle(tmp_path: Path, length: int) -> None:
    """Row 50: a real safetensors file is never refused for the length of its header."""
    path = tmp_path / "m.safetensors"
    bare = len(tensors()) - 8 - 4
    path.write_bytes(tensors(pad=length - bare))
    assert path.read_bytes()[:2] in (b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5", b"PK")

    check(path)


def test_a_safetensors_file_cut_anywhere(tmp_path: Path) -> None:
    """Row 51: cut after any byte, or with a byte too many, the file is refused as damaged."""
    path = tmp_path / "m.safetensors"
    whole = tensors()
    path.write_bytes(whole)
    check(path)

    for data in [*(whole[:length] for length in range(len(whole))), whole + b"\0"]:
        path.write_bytes(data)
        assert refused(path) == (
            f"`{path}` is damaged: it is not a whole safetensors file",
            "fetch the file again",
        )


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"{}x",
        b' {"a":1}',
        b"\xff\xfe",
        b"[" * 9999,
    ],
)
def test_a_header_of_nonsense(tmp_path: Path, header: bytes) -> None:
    """Row 51: a header that does not say where its tensors end is damage, never a traceback."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(header)) + header)

    assert refused(path)[0] == f"`{path}` is damaged: it is not a whole safetensors file"


def test_a_header_longer_than_the_file_is_not_read(tmp_path: Path) -> None:
    """Row 51: a header that claims an exabyte costs no memory."""
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", 1 << 60) + b"{}")

    assert refused(path)[0] == f"`{path}` is damaged: it is not a whole safetensors file"


def _entry(name: str, start: object, stop: object, shape: str = "[1]", dtype: str = "F32") -> str:
    return f'"{name}":{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{start},{stop}]}}'


_WHOLE = _entry("a", 0, 4)


@pytest.mark.parametrize(
    ("entries", "why"),
    [
        ('"a":1', "its header does not say what its tensors are"),
        ('"a":{"data_offsets":[0]}', "its header does not say what its tensors are"),
        (_entry("a", 0, '"4"'), "its tensor `a` has no shape or no place"),
        (_entry("a", 4, 0), "its tensor `a` has not the bytes that its shape asks for"),
        (_entry("a", 0, 4, "[-1]"), "its tensor `a` has no shape or no place"),
        (_entry("a", 0, 4, "[true]"), "its tensor `a` has no shape or no place"),
        (_entry("a", 0, 4, "[99999]"), "its tensor `a` has not the bytes that its shape asks for"),
        (_entry("a", 0, 4, "[1]", "F7"), "its tensor `a` is of numbers that are not known"),
        (f"{_WHOLE},{_entry('a', 4, 8)}", "its header has `a` twice"),
        (f"{_WHOLE},{_entry('b', 2, 6)}", "its tensor `b` overlaps another one"),
        (f"{_WHOLE},{_entry('b', 6, 10)}", "its tensor `b` begins behind a gap"),
        (f'{_WHOLE},"__metadata__":{{"a":1}}', "its metadata `a` is no text"),
        (f'{_WHOLE},"__metadata__":[]', "its metadata are no texts by name"),
    ],
)  # fmt: skip
def test_a_header_that_no_reader_opens(tmp_path: Path, entries: str, why: str) -> None:
    """What the library's reader would refuse is refused before it, in a sentence that says why."""
    import safetensors

    path, header = tmp_path / "m.safetensors", f"{{{entries}}}".encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + b"\0" * 10)

    assert refused(path)[0] == f"`{path}` is damaged: {why}"
    with pytest.raises(safetensors.SafetensorError), safetensors.safe_open(path, "np"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="pipes with a name are POSIX")
@pytest.mark.parametrize(
    "read", [check, check_safetensors, pickle_file.words, pickle_file.outline, pickle_file.every]
)
def test_a_pipe_is_never_waited_for(tmp_path: Path, read: Callable[[Path], object]) -> None:
    """To open one would wait for its other end; a folder is told, too."""
    pipe, folder = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    os.mkfifo(pipe)
    folder.mkdir()
    for path, what in ((pipe, "a pipe, socket or device"), (folder, "a folder")):
        with pytest.raises(ModelFileError) as caught:
            read(path)
        assert (str(caught.value), caught.value.hint) == (f"`{path}` is {what}", "name a file")
