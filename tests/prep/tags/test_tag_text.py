import csv
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.runtime.text_files import TextError, decode, encode, without_controls
from prep.tags.tag_text import KAOMOJI, block, canonical, joined, parsed, spaced

SHARED = Path(__file__).parents[3] / ".." / "shared" / "data"


def booru_names() -> list[str]:
    folder = SHARED / "danbooru-tags"
    if not folder.is_dir():
        pytest.skip("../shared/data/danbooru-tags is absent")
    names = []
    for name in ("danbooru_top.csv", "e621_sfw.csv"):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            names += [row[0] for row in csv.reader(file) if row[0]]
    return names


@pytest.mark.parametrize("escape", [False, True])
def test_every_booru_tag_survives_a_sidecar(escape: bool) -> None:
    """Row 31: every tag of two real vocabularies is the same after it was written and read."""
    names = booru_names()
    tags = tuple(dict.fromkeys(spaced(name) for name in names))

    assert len(names) > 25_000
    assert parsed(joined(tags, escape)) == tags
    assert all(parsed(joined((tag,), escape)) == (tag,) for tag in tags)


def test_a_booru_name_loses_only_its_underscores() -> None:
    """Row 31: putting the underscores back gives the label's own name, emoticons included."""
    for name in booru_names():
        tag = spaced(name)
        assert (name if name in KAOMOJI else tag.replace(" ", "_")) == unicodedata.normalize(
            "NFC", name
        )


hostile = st.text(
    st.one_of(st.sampled_from("\\(), ab_^"), st.characters(exclude_categories=["Cs"]))
)


@given(st.lists(hostile.map(canonical).filter(bool), unique=True), st.booleans())
def test_any_tags_survive_being_joined(tags: list[str], escape: bool) -> None:
    """Row 31: commas, backslashes and parentheses inside tags never split or change them."""
    assert parsed(joined(tags, escape)) == tuple(tags)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        (r"eileen \(ren'py\), 1girl", ("eileen (ren'py)", "1girl")),
        (r"eileen (ren'py), \m/, \o/, \||/", ("eileen (ren'py)", r"\m/", r"\o/", r"\||/")),
        (r"\\(^o^)/", (r"\(^o^)/",)),
        ("a,, b ,\r\nc\nd\r , a", ("a", "b", "c", "d")),
        ("long_hair, Mixed Case", ("long_hair", "Mixed Case")),
        ("two   spaces, \u30ab\u3099", ("two spaces", "\u30ac")),
        (r"one\, two", ("one, two",)),
        ("", ()),
    ],
)
def test_text_is_read_by_one_rule(text: str, tags: tuple[str, ...]) -> None:
    """Row 31: escapes go, emoticons stay, each tag comes once, as the person typed it."""
    assert parsed(text) == tags


def test_escapes_are_written_only_when_asked() -> None:
    """Otherwise parentheses are plain, and only a backslash that would escape is doubled."""
    tags = ("a (b)", r"\m/", r"\(^o^)/", "1,2")

    assert joined(tags, escape=False) == r"a (b), \m/, \\(^o^)/, 1\,2"
    assert joined(tags, escape=True) == r"a \(b\), \\m/, \\\(^o^\)/, 1\,2"


@pytest.mark.parametrize(
    ("label", "tag"),
    [
        ("long_hair", "long hair"),
        ("^_^", "^_^"),
        ("t_t", "t_t"),
        ("o_x", "o_x"),
        ("<|>_<|>", "<|>_<|>"),
        ("s&w_m&p", "s&w m&p"),
        ("hu_tao_(genshin_impact)", "hu tao (genshin impact)"),
        ("_", "_"),
    ],
)
def test_underscores_are_spaces_but_not_in_faces(label: str, tag: str) -> None:
    """Row 31: an emoticon keeps its underscore, every other label gets spaces."""
    assert spaced(label) == tag


@pytest.mark.parametrize(
    ("tag", "category", "name"),
    [
        ("1girl", "general", "count"),
        ("6+girls", "general", "count"),
        ("multiple boys", "general", "count"),
        ("no humans", "general", "count"),
        ("solo focus", "general", "general"),
        ("solo", "character", "character"),
    ],
)
def test_who_is_in_the_picture_is_a_block(tag: str, category: str, name: str) -> None:
    """Tags that count people form a block of their own."""
    assert block(tag, category) == name


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_sidecar_may_be_of_any_unicode_kind(encoding: str) -> None:
    """Row 26: UTF-8 with or without BOM and UTF-16 with one are read, whatever the line ends."""
    assert decode("\u732b, solo\r\n1girl\rx".encode(encoding)) == "\u732b, solo\n1girl\nx"


@pytest.mark.parametrize(
    ("data", "why"),
    [
        ("\u732b".encode("cp932"), "it is not UTF-8 at byte 0"),
        ("ab \u00e9".encode("cp1252"), "it is not UTF-8 at byte 3"),
        (b"\xff\xfea", "it is not UTF-16 at byte 2"),
        (b"\xff\xfe\x00\xd8a\x00", "it is not UTF-16 at byte 2"),
        (b"ok \xed\xa0\x80", "it is not UTF-8 at byte 3"),
    ],
)
def test_another_encoding_is_not_guessed(data: bytes, why: str) -> None:
    """Row 26: a sidecar that is not Unicode is named with the place, never read as mojibake."""
    with pytest.raises(TextError) as caught:
        decode(data)

    assert (caught.value.kind, str(caught.value)) == ("encoding", why)


@pytest.mark.parametrize("char", ["\0", "\x1b", "\x7f", "\x85"])
def test_control_characters_in_a_persons_text_are_named(char: str) -> None:
    """Row 27: a NUL or control character in a sidecar is refused with its line, not stripped."""
    with pytest.raises(TextError) as caught:
        decode(f"solo\n1girl{char}".encode())

    assert caught.value.kind == "control"
    assert str(caught.value) == f"line 2 holds the control character U+{ord(char):04X}"


def test_a_lone_surrogate_is_never_written() -> None:
    """Row 27: half of a surrogate pair, as JSON may hold, is refused before the bytes are made."""
    with pytest.raises(TextError, match=r"^line 1 holds the control character U\+D800$"):
        encode("a\ud800")


def test_a_machines_text_is_cleaned() -> None:
    """Row 27: what a model says loses its control characters and nothing else."""
    assert without_controls("a\0 \ud800cat\x1b\t\u732b\n") == "a cat\t\u732b\n"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff")))
def test_written_text_is_read_again(text: str) -> None:
    """Row 26: what prep writes is UTF-8 with one final newline, and reads as what it was."""
    data = encode(text)

    assert data.endswith(b"\n")
    assert decode(data) == text + "\n"


def test_line_ends_are_written_one_way() -> None:
    """Windows and old Mac line ends become LF, trailing ones become one."""
    assert encode("a\r\nb\rc\n\n") == b"a\nb\nc\n"
    assert encode("") == b"\n"


def test_hand_written_sidecars_are_used_as_they_are() -> None:
    """Row 31: a hand-written sidecar of a real data set joins back to the very bytes it had."""
    folder = SHARED / "renpy-sprites"
    if not folder.is_dir():
        pytest.skip("../shared/data/renpy-sprites is absent")
    sidecars = [path for path in folder.glob("*.txt") if path.with_suffix(".caption").exists()]

    assert len(sidecars) == 15
    for path in sidecars:
        data = path.read_bytes()
        assert encode(joined(parsed(decode(data)), escape=True)) == data
