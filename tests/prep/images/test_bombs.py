"""Files that hold far more than they are long: a stated limit, two lines, and little memory."""

import io
import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import openpyxl
import pytest

from prep.models import pickle_file, safety
from prep.runtime.errors import DatasetError, ModelFileError
from prep.sheets import workbook_text
from prep.sheets.columns import WORDS
from tests.prep.sheet_rows import COLUMNS

MB = 1 << 20
STRINGS = b'<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">'
SHEET = (
    b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    b"<row>"
    + b"".join(b'<c t="inlineStr"><is><t>%s</t></is></c>' % name.encode() for name in COLUMNS)
    + b"</row>"
)
TYPE = (
    b'<Override PartName="/odd/name.png" ContentType="application/'
    b'vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>'
)


def sheet(part: str, body: bytes, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Return a workbook with one part replaced or added; `odd/name.png` holds its strings."""
    book, stream = openpyxl.Workbook(), io.BytesIO()
    book.active.append([*COLUMNS])
    book.save(stream)
    out = io.BytesIO()
    with zipfile.ZipFile(stream) as old, zipfile.ZipFile(out, "w", how) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "[Content_Types].xml" and part == "odd/name.png":
                data = data.replace(b"</Types>", TYPE).replace(b"/xl/sharedStrings.xml", b"/x")
            new.writestr(name, body if name == part else data)
        if part not in old.namelist():
            new.writestr(part, body)
    return out.getvalue()


def refused(data: bytes) -> tuple[str, str | None]:
    with pytest.raises(DatasetError) as stopped:
        workbook_text.parse(io.BytesIO(data), "s.xlsx", WORDS).rows()
    return str(stopped.value), stopped.value.hint


@pytest.mark.parametrize(
    "part", ["odd/name.png", "xl/worksheets/sheet1.xml", "xl/media/a.jpg", "x"]
)
def test_a_sheet_that_unpacks_to_far_more(part: str) -> None:
    """Case D4: 300 MB under any part's name are refused before any of it is unpacked."""
    said, hint = refused(sheet(part, bytes(300 * MB)))

    assert said.startswith("`s.xlsx` holds 300 MB in 0.3 MB")
    assert said.endswith(", which is more than a sheet can")
    assert hint == "save it as XLSX or CSV"


def test_a_sheet_that_is_packed_in_another_way() -> None:
    """Case D4: a kind of packing of which readers unpack all at once is refused."""
    assert refused(sheet("x", b"", zipfile.ZIP_LZMA)) == (
        "`s.xlsx` is packed as no spreadsheet does it",
        "save it as XLSX or CSV",
    )


@pytest.mark.parametrize(
    ("part", "body"),
    [
        ("odd/name.png", STRINGS + b"<si><t>a</t></si>" * 400_000 + b"</sst>"),
        ("odd/name.png", STRINGS + b"<a/>" * 1_500_000 + b"</sst>"),
    ],
)
def test_a_sheet_that_takes_far_more_memory(part: str, body: bytes, tmp_path: Path) -> None:
    """Case D4: what takes too much memory although it is not long is two lines as well.

    In a process of its own: another test's freed memory would be room for it.
    """
    (tmp_path / "s.xlsx").write_bytes(sheet(part, body))
    program = """
import sys
from pathlib import Path
from prep.runtime import memory_limit
from prep.runtime.errors import DatasetError
from prep.sheets import workbook_text
from prep.sheets.columns import WORDS
workbook_text._MOST_MEMORY, memory_limit._SPARE_BYTES = 8 << 20, 0
try:
    workbook_text.parse(Path(sys.argv[1]).open("rb"), "s.xlsx", WORDS).rows()
except DatasetError as error:
    print(error.hint)
"""
    command = [sys.executable, "-c", program, str(tmp_path / "s.xlsx")]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    assert ended.stdout == "save it as XLSX or CSV\n"


@pytest.mark.parametrize(
    "rows", [b'<row r="999999999999"><c><v>1</v></c></row>', b'<row><c r="ZZZ1"/></row>' * 3000]
)
def test_rows_and_columns_that_are_only_claimed(rows: bytes) -> None:
    """Case D4: cells that a file claims without holding them are counted, and cost nothing."""
    said, _ = refused(sheet("xl/worksheets/sheet1.xml", SHEET + rows + b"</sheetData></worksheet>"))

    assert said == (
        "`s.xlsx` claims to have over 1048576 rows or 50000000 cells, "
        "which is more than a sheet can"
    )


def ckpt(path: Path, parts: dict[str, bytes], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as file:
        for name, data in parts.items():
            file.writestr(name, data)
    return path


@pytest.mark.parametrize(
    "parts",
    [
        {"a/data.pkl": b"]" * 20 * MB},
        {"a/data.pkl": b"\x80\x02}.", "a/version": bytes(20 * MB)},
        {"a/data.pkl": b"\x80\x02}.", "a/data/0": bytes(20 * MB)},
        {"a/data.pkl": b"\x80\x02}."} | {f"a/{n}": bytes(MB) for n in range(20)},
    ],
)
@pytest.mark.parametrize("reader", [pickle_file.words, pickle_file.tensors])
def test_a_pickle_that_unpacks_to_far_more(
    parts: dict[str, bytes], reader: Callable[[Path], object], tmp_path: Path
) -> None:
    """Case D4: a `.ckpt` whose parts unpack to more than they are long is refused unread."""
    path = ckpt(tmp_path / "m.ckpt", parts)
    with pytest.raises(ModelFileError) as stopped:
        reader(path)

    assert str(stopped.value) == (
        f"`{path}` unpacks to more than the weights of a model: at most 16 MB of names are read"
    )
    assert stopped.value.hint == "use the `.safetensors` version of the model"


def test_tensors_that_claim_more_than_they_hold(tmp_path: Path) -> None:
    """Case D4: one number that says it is a matrix of terabytes is refused."""
    import torch

    torch.save({"w": torch.zeros(1).expand(1 << 20, 1 << 20)}, tmp_path / "m.ckpt")
    with pytest.raises(ModelFileError) as stopped:
        pickle_file.tensors(tmp_path / "m.ckpt", mmap=True)

    assert "unpacks to more than the weights of a model" in str(stopped.value)


def test_a_header_that_takes_far_more_memory(tmp_path: Path) -> None:
    """Case D4: a safetensors header of small lists ends in two lines, not in all of the memory.

    In a process of its own: another test's freed memory would be room for it.
    """
    head = json.dumps({"__metadata__": [[]] * 2_000_000}).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(head)) + head)
    program = """
import sys
from pathlib import Path
from prep.models import safety
from prep.runtime import memory_limit
from prep.runtime.errors import ModelFileError
safety._MOST_MEMORY, memory_limit._SPARE_BYTES = 8 << 20, 0
try:
    safety.check(Path(sys.argv[1]))
except ModelFileError as error:
    print(error)
"""
    command = [sys.executable, "-c", program, str(path)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)

    assert ended.stdout == f"the header of `{path}` takes more than 8 MB of memory\n"


def test_a_text_of_an_absurd_size(tmp_path: Path) -> None:
    """Case D4: labels, words and settings of a model are read up to a stated size."""
    path = tmp_path / "tokenizer.json"
    with path.open("wb") as file:
        file.truncate(65 * MB)
    with pytest.raises(ModelFileError) as stopped:
        safety.check(path)

    assert str(stopped.value) == f"`{path}` has 65 MB, and at most 64 MB of text are read"
    assert stopped.value.hint == "use the file that was published with the model"
