"""What a spreadsheet does by itself is told from what a person typed."""

import csv
from pathlib import Path

import pytest

from prep.sheets.columns import WORDS, Kind
from prep.sheets.mangled import mistakes, unmixed

DATA = Path(__file__).parents[3] / ".." / "shared" / "data" / "danbooru-tags"
AGAIN = 'type it again and save it as "CSV UTF-8"'


@pytest.mark.parametrize(
    ("column", "cell", "was", "message", "hint"),
    [
        ("tags", "#NAME?", "=_=", "the spreadsheet made `#NAME?` of the text", "'"),
        ("tags", "#WERT!", None, "the spreadsheet made `#WERT!` of the text", "'"),
        ("notes", "Err:508", None, "the spreadsheet made `Err:508` of the text", "'"),
        (
            "tags", "45292", None,
            "`45292` may be a number that the spreadsheet made", "if not, type `''45292`",
        ),
        (
            "tags", "02-Jan", "1-2",
            "`02-Jan` may be a date that the spreadsheet made", "if not, type `''02-Jan`",
        ),
        (
            "caption", "0", "=_=",
            "`0` may be a number that the spreadsheet made", "if not, type `''0`",
        ),
        (
            "tags", "TRUE", None,
            "`TRUE` may be a truth value that the spreadsheet made", "if not, type `''TRUE`",
        ),
        (
            "caption", "x" * 32_767, None,
            "the spreadsheet cut the text at 32767 characters", "shorten it in its sidecar",
        ),
        (
            "caption", "x" * 255, "x" * 300,
            "the spreadsheet cut the text at 255 characters", "shorten it in its sidecar",
        ),
        (
            "caption", "\U0001f600" * 127, "\U0001f600" * 200,
            "the spreadsheet cut the text at 254 characters", "shorten it in its sidecar",
        ),
        ("tags", "a\ufffdb", None, "U+FFFD stands where a character was lost", AGAIN),
        ("caption", "caf\xc3\xa9", None, "`caf\xc3\xa9` is `caf\xe9` in a wrong code page", AGAIN),
        (
            "tags", "\u732b".encode().decode("cp1252"), None,
            "`\xe7\u0152\xab` is `\u732b` in a wrong code page", AGAIN,
        ),
        (
            "tags", "\u3042\u3044".encode().decode("cp932"), None,
            "`\u7e3a\u3085\uff1e` is `\u3042\u3044` in a wrong code page", AGAIN,
        ),
        ("notes", "a\x0bb", None, "it holds the control character U+000B", "delete it"),
        (
            "tags", "?? cat", "\u767d\u3044 cat",
            "`?? cat`: were its characters lost?", 'save it as "CSV UTF-8"',
        ),
        (
            "tags", "the idolm@ster \u2013 x", None,
            "the spreadsheet's autocorrection made `\u2013` of `-`",
            "undo it there, and switch autocorrection off",
        ),
        (
            "caption", "the girl\u2019s hat\u2026", "the girl's hat...",
            "the spreadsheet's autocorrection made `\u2019` of `'`",
            "undo it there, and switch autocorrection off",
        ),
    ],
)  # fmt: skip
def test_damage_is_told(column: str, cell: str, was: str | None, message: str, hint: str) -> None:
    """Rows 32, 33 and 35: what was lost, cut, calculated or corrected is said with a way out."""
    hint = "type it again with a `'` in front" if hint == "'" else hint

    assert mistakes(WORDS[column].kind, cell, was) == [(message, hint)]


@pytest.mark.parametrize(
    ("column", "cell", "was"),
    [
        ("tags", "39, miku", None),
        ("tags", "", "1girl"),
        ("caption", "a girl\u2019s hat, and more", "a girl"),
        ("caption", "x" * 255, None),
        ("caption", "x" * 255 + "y", "x" * 300),
        ("caption", "really???", "a hat"),
        ("caption", "\u65e5\u672c\u8a9e\u306e\u8aac\u660e \xe9\xfc\xdf", None),
        ("notes", "2", None),
        ("notes", "2024-01-02", None),
        ("tags", "what?", "whatx"),
        ("weight", "2", None),
    ],
)
def test_what_a_person_types_is_no_damage(column: str, cell: str, was: str | None) -> None:
    """Prose keeps its typography, notes their numbers, and every language its letters."""
    assert mistakes(WORDS[column].kind, cell, was) == []


def test_question_marks_count_only_where_the_encoding_loses_letters() -> None:
    """Row 33: three question marks in a bare ASCII file may have been letters."""
    told = [("`????`: were its characters lost?", 'save it as "CSV UTF-8"')]

    assert mistakes(Kind.TAGS, "????", lossy=True) == told
    assert mistakes(Kind.TAGS, "????") == []


def test_no_tag_of_a_vocabulary_is_called_damaged() -> None:
    """Row 35: a tag that a person may type is no damage, but for a few that are numbers."""
    if not DATA.is_dir():
        pytest.skip("../shared/data/danbooru-tags is absent")
    told = {}
    for file in ("danbooru_top.csv", "e621_sfw.csv"):
        with (DATA / file).open(encoding="utf-8", newline="") as lines:
            for line in csv.reader(lines):
                if found := mistakes(Kind.TAGS, line[0]):
                    told[line[0]] = found

    assert all("may be a" in message for found in told.values() for message, _ in found), told
    assert len(told) < 70


def test_text_is_not_taken_for_a_wrong_code_page() -> None:
    """Row 33: only what is UTF-8 in another code page, letter by letter, is called so."""
    for text in ("na\xefve caf\xe9", "\u732b\u3068\u72ac", "\u043a\u043e\u0442", "\xa9 2024", "a"):
        assert unmixed(text) is None
        assert unmixed(text.encode().decode("latin-1")) in (text, None if text == "a" else text)
