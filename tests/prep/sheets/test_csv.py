import codecs
import csv
import io
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prep.runtime.errors import DatasetError
from prep.sheets import csv_text as sheet_text
from prep.sheets.columns import WORDS
from prep.sheets.csv_text import dump, parse
from prep.sheets.row import Row
from prep.sheets.table import ReturnedSheet
from tests.prep.sheet_rows import COLUMNS, changed, row_of, texts_of

AGAIN = "undo that, or move the sheet away and run `prep review export`"
HEAD = "key,revision,keep,rating,tags,caption,concept,weight,notes\r\n"


def read(data: bytes, name: str) -> ReturnedSheet:
    """Return a sheet, all of its rows read."""
    sheet = parse(io.BytesIO(data), name, WORDS)
    return replace(sheet, found=tuple(sheet.found))


def told(data: bytes) -> list[tuple[str, str | None]]:
    with pytest.raises(DatasetError) as caught:
        read(data, "tags.csv")
    return [(str(caught.value), caught.value.hint), *caught.value.others]


def test_a_sheet_is_csv_that_excel_opens() -> None:
    """The bytes: UTF-8 with BOM, commas, CRLF, quotes only where needed, formulas disarmed."""
    rows = (
        row_of("dir/a b.png", "r1", tags="=_=, 1girl", caption='a "cat"', weight="1.5"),
        row_of("\u732b.png", notes="'tis"),
    )

    assert (
        dump(rows, WORDS)
        == codecs.BOM_UTF8
        + (
            HEAD
            + 'dir/a b.png,r1,,,"\'=_=, 1girl","a ""cat""",,1.5,\r\n'
            + "\u732b.png,,,,,,,,''tis\r\n"
        ).encode()
    )


cell = st.one_of(
    st.text(
        st.one_of(st.sampled_from("=+-@'\t\r\n,;\" "), st.characters(exclude_categories=["Cs"]))
    ),
    st.sampled_from(
        ["=_=", "@_@", "+_+", "''", "'=1", "NULL", "nan", "007", "1e3", "\x0b", "sep=;"]
    ),
)
one_line = cell.map(lambda text: text.replace("\r", "").replace("\n", ""))
row = st.builds(
    row_of,
    st.just("k"),
    one_line,
    keep=one_line,
    rating=one_line,
    tags=cell,
    caption=cell,
    concept=one_line,
    weight=one_line,
    notes=cell,
)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.lists(row, max_size=4))
def test_hostile_cells_come_back(rows: list[Row]) -> None:
    """Row 32: formulas, quotes, line ends and apostrophes are the same after the round trip."""
    named = [changed(each, key=f"={n}.png") for n, each in enumerate(rows)]

    assert read(dump(named, WORDS), "tags.csv").rows() == tuple(named)


def test_no_exported_cell_starts_a_formula() -> None:
    """Row 32: no cell of the file starts with a character that a spreadsheet acts on."""
    cells = ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "'=1"]
    rows = [row_of(cell, cell, **dict.fromkeys(WORDS, cell)) for cell in cells]
    text = dump(rows, WORDS).decode("utf-8-sig")
    read = list(csv.reader(text.splitlines(keepends=True), strict=True))

    assert {cell[0] for cells in read[1:] for cell in cells} == {"'"}


def test_an_apostrophe_of_a_person_stays() -> None:
    """Row 32: only an apostrophe that disarms something is taken away, and only one."""
    data = (HEAD + "a.png,,,,'=_=,'tis,,,''x\r\n").encode()
    (row,) = read(data, "tags.csv").rows()

    assert (row["tags"], row["caption"], row["notes"]) == ("=_=", "'tis", "'x")


ROWS = (
    row_of("\u00e9.png", "r", tags="a, b", caption="caf\u00e9, na\u00efve"),
    row_of("b.png", "r"),
)


@pytest.mark.parametrize(
    ("encoding", "bom", "name"),
    [
        ("utf-8", b"", "UTF-8"),
        ("utf-8", codecs.BOM_UTF8, "UTF-8"),
        ("utf-16-le", codecs.BOM_UTF16_LE, "UTF-16"),
        ("utf-16-be", codecs.BOM_UTF16_BE, "UTF-16"),
        ("cp1252", b"", "cp1252"),
    ],
)
@pytest.mark.parametrize(
    ("delimiter", "word"), [(",", "commas"), (";", "semicolons"), ("\t", "tabs")]
)
def test_what_spreadsheets_save_is_read_and_said(
    encoding: str, bom: bytes, name: str, delimiter: str, word: str
) -> None:
    """Row 33: encoding and delimiter are found out, and told."""
    lines = [COLUMNS, *(texts_of(row) for row in ROWS)]
    text = "\n".join(delimiter.join(f'"{cell}"' for cell in cells) for cells in lines)
    sheet = read(bom + text.encode(encoding), "tags.csv")

    assert sheet.rows() == ROWS
    assert sheet.read_as == f"{name}, separated by {word}"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("\u732b, \u65e5\u672c\u8a9e", "cp932"),
        ("\u0434\u0435\u0432\u0443\u0448\u043a\u0430", "cp1251"),
        ("\u5c0f\u732b, \u72d7", "gbk"),
        ("\ud55c\uad6d\uc5b4", "cp949"),
    ],
)
def test_a_code_page_that_is_not_certain_is_not_guessed(text: str, encoding: str) -> None:
    """Row 33: another code page would read as Western letters, so the sheet is refused."""
    data = (HEAD + f"a.png,,,,{text},,,,\r\n").encode(encoding)

    assert told(data) == [
        ("`tags.csv` is not UTF-8, and its code page is not certain", 'save it as "CSV UTF-8"')
    ]


def test_a_file_that_may_have_lost_letters_is_known() -> None:
    """Row 33: an ASCII file without a BOM may have question marks where letters were."""
    data = (HEAD + "a.png,,,,????,ok?,,,\r\n").encode()

    assert read(data, "tags.csv").lossy
    assert not read(codecs.BOM_UTF8 + data, "tags.csv").lossy
    assert not read(data + "\u732b.png,,,,,,,,".encode(), "tags.csv").lossy


def test_a_separator_may_be_named() -> None:
    """Row 33: the line that tells Excel the separator is obeyed, and no row."""
    data = ("sep=;\r\n" + HEAD.replace(",", ";") + "a.png;;;;b, c;;;;\r\n").encode()

    assert read(data, "tags.csv").rows() == (row_of("a.png", tags="b, c"),)


def test_the_long_form_is_not_read_back() -> None:
    """A sheet for pivot tables is told apart from one that can be edited."""
    data = b"key,position,tag,category,score,kept\r\na.png,1,1girl,general,0.9,yes\r\n"

    assert told(data) == [
        (
            "`tags.csv` is the long form, which is only looked at",
            "edit tags.csv or tags.xlsx, and import that",
        )
    ]


@pytest.mark.parametrize(
    ("body", "line", "why"),
    [
        ('a.png,,,,"a, b,x,,,\r\nb.png,,,,"c, d",,,,\r\n', 2, "',' expected after '\"'"),
        ('a.png,,,,,,,,\r\nb.png,,,,"c, d,,,,\r\nc.png,,,,,,,,\r\n', 3, "unexpected end of data"),
        ('a.png,,,,"c"x,,,,\r\n', 2, "',' expected after '\"'"),
    ],
)
def test_an_unbalanced_quote_imports_nothing(body: str, line: int, why: str) -> None:
    """Row 34: a lost quote is an error with the line where its row begins, never swallowed rows."""
    assert told((HEAD + body).encode()) == [
        (
            f"`tags.csv` is not CSV in the row that begins in line {line}: {why}",
            "look for a quote without its partner; nothing was imported",
        )
    ]


def test_columns_are_found_by_name() -> None:
    """Row 36: columns may be moved and rows sorted; short and empty rows are as saved."""
    data = (
        b"notes,weight,concept,caption,tags,rating,keep,revision,key,,\r\n"
        b"n,1,c,s,t,r,no,v,b.png,,\r\n,,,,,,,,,,\r\n\r\n,,,,,,,,a.png\r\n"
    )

    assert read(data, "tags.csv").rows() == (
        row_of("b.png", "v", **dict(zip(WORDS, ["no", "r", "t", "s", "c", "1", "n"], strict=True))),
        row_of("a.png"),
    )
    assert read((HEAD + "a.png\r\n").encode(), "tags.csv").rows() == (row_of("a.png"),)


def test_columns_that_are_missing_renamed_or_new_are_told() -> None:
    """Row 36: every wrong column is named, with what to do about it."""
    data = b"key,revision,keep,rating,tag,caption,weight,notes,notes,mine\r\na.png\r\n"

    assert told(data) == [
        ("`tags.csv` has no column `tags`", "rename `tag` back to `tags`"),
        ("`tags.csv` has no column `concept`", AGAIN),
        ("`tags.csv` has an unknown column `mine`", "delete it; remarks go into `notes`"),
        ("`tags.csv` has the column `notes` twice", "delete one of the two"),
    ]
    unnamed = HEAD.replace("keep", ",keep", 1)
    hint = "delete it; remarks go into `notes`"
    assert told(unnamed.encode()) == [("`tags.csv` has a column without a name", hint)]


@pytest.mark.parametrize("data", ["", "my review\r\n" + "key,revision", "{", "a,b\r\n1,2\r\n"])
def test_what_is_no_sheet_is_said_once(data: str) -> None:
    """An empty file, another one, a title above the header: two lines, not a list of columns."""
    assert told(data.encode()) == [
        (
            "`tags.csv` is not a sheet: its first row names none of the columns",
            "delete what stands above their names, or name another file",
        )
    ]


def test_a_key_may_come_only_once() -> None:
    """Row 36: two rows of one sample are refused, in whatever form its name was saved."""
    data = (HEAD + "\u30ab\u3099.png,,,,a,,,,\r\n\u30ac.png,,,,b,,,,\r\n,,,,c,,,,\r\n").encode()

    assert told(data) == [
        ("`tags.csv` row 4 has no key", "delete the row, or undo what emptied its key"),
        ("`tags.csv` has 2 rows for `\u30ac.png`", "keep one of them"),
    ]


def test_swallowed_cells_and_rows_are_found() -> None:
    """Row 34: lines where none can be, and cells beyond the columns, stop the import."""
    body = ['d.png,"r\ns",,,,,,,', "e.png,,,,,,,,,more"]

    assert told((HEAD + "\r\n".join(body)).encode()) == [
        (
            "`tags.csv` row 2, column `revision`: it holds several lines",
            "look for a quote without its partner",
        ),
        (
            "`tags.csv` row 3 has more cells than columns",
            "delete what stands beside the columns, or put quotes around a cell with commas",
        ),
    ]


def test_a_thousand_mistakes_are_not_a_thousand_lines() -> None:
    """The first twenty mistakes are told and the others counted."""
    body = "".join(",,,,x,,,,\r\n" for _ in range(1000))
    mistakes = told((HEAD + body).encode())

    assert len(mistakes) == 21
    assert mistakes[-1] == ("... and 980 more like these", "mend these first")


def test_a_long_cell_is_an_error_not_a_crash() -> None:
    """Row 38: a million characters are read; a longer cell is told with its line."""
    limit = csv.field_size_limit()
    (row,) = read((HEAD + "a.png,,,,,,,," + "x" * 1_000_000).encode(), "tags.csv").rows()

    assert row["notes"] == "x" * 1_000_000
    assert told((HEAD + "a.png,,,,,,,," + "x" * 1_000_001).encode())[0][0] == (
        "`tags.csv` is not CSV in the row that begins in line 2: "
        "field larger than field limit (1000000)"
    )
    assert csv.field_size_limit() == limit


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.text(alphabet="a,\r\n\x0b\u2028\x1c", max_size=20), st.integers(1, 8))
def test_lines_end_where_a_stream_ends_them(text: str, size: int) -> None:
    """Case D4: a file is read line by line, at the ends that CSV knows, wherever it is cut."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sheet_text, "_CHUNK", size)
        found = list(sheet_text._lines(io.BytesIO(text.encode()), "utf-8-sig"))

    assert found == list(io.StringIO(text, newline=""))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_an_encoding_is_the_same_however_a_file_is_cut(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Case D4: letters of several bytes, and runs of accents, may be cut in the middle."""
    data = (HEAD + "a.png,,,,caf\u00e9 \u00fcber,,,,").encode(encoding)
    whole = read(data, "tags.csv")
    monkeypatch.setattr(sheet_text, "_CHUNK", 1)

    assert read(data, "tags.csv") == whole
    runs = (
        (HEAD + "a.png,,,,").encode()
        + b"\xe9 is no letter of East Asia, "
        + "\u0438\u0434\u0438\u0442".encode("cp1251")
    )
    assert told(runs) == [
        ("`tags.csv` is not UTF-8, and its code page is not certain", 'save it as "CSV UTF-8"')
    ]


def test_a_row_has_a_limit() -> None:
    """Case D4: four million characters of a row are read; more are told with the row's line."""
    notes = f'"{"x" * 999_990}\n",'
    row = f"a.png,,,,{notes}{notes},,{notes}"

    assert len(read((HEAD + row).encode(), "tags.csv").rows()) == 1
    for long in (row + notes * 2, "a.png" + "," * 4_000_001):
        assert told((HEAD + "b.png\r\n" + long).encode()) == [
            (
                (
                    "`tags.csv` is not CSV in the row that begins in line 3: "
                    "it has over 4,000,000 characters"
                ),
                "look for a quote without its partner; nothing was imported",
            )
        ]
