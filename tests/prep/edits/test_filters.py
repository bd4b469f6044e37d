"""Filters: what they mean, against a second way to work it out; how they are read and written."""

import fnmatch
import re
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prep.edits.filter_parser import MAX_CHARS, MAX_DEPTH, FilterError, parsed
from prep.edits.filters import (
    And,
    Filter,
    Has,
    Not,
    Number,
    Or,
    Score,
    Sign,
    Size,
    Text,
    holds,
    written,
)
from prep.edits.record import PictureRecord, glob, plain
from prep.tags.tag_text import canonical

CAT = PictureRecord(
    key="faces/01 cat.png",
    tags=("1girl", "Saber (fate)", "long hair", ">_<", "a_b"),
    caption="A cat sits in the Rain",
    size=(512, 768),
    scores={"smile": 0.25, "long hair": 0.5},
    count=lambda text: len(text.split()),
)

MEANT = [
    ("1girl", True),
    ("solo", False),
    ("1GIRL", True),
    ("long_hair", True),
    ('"long hair"', True),
    ("long hair", False),
    ("saber_(fate)", True),
    ("*hair", True),
    ("l*g_*r", True),
    ("hair", False),
    ("tag:>_<", True),
    ('tag:"a b"', True),
    ("-solo", True),
    ("not solo", True),
    ("- solo", True),
    ("not not 1girl", True),
    ("1girl -solo", True),
    ("1girl not solo", True),
    ("1girl not (solo) not solo", True),
    ("1girl and solo or 1girl", True),
    ("1girl and (solo or 1boy)", False),
    ("solo or solo 1girl", False),
    ("-(1girl solo)", True),
    ("not(solo)and(1girl)", True),
    ("caption:cat", True),
    ("caption:rain", True),
    ('caption:"cat*rain"', True),
    ("caption:dog", False),
    ("name:01*", True),
    ('name:"01 cat"', True),
    ('name:"01 CAT.png"', True),
    ("name:01", False),
    ("path:faces/*", True),
    ("path:01*", False),
    ("width<513", True),
    ("width < 512", False),
    ("width<=512", True),
    ("width>511 height>=768", True),
    ("width=512", True),
    ("width==512", True),
    ("width:512", True),
    ("width:>=512", True),
    ("width!=512", False),
    ("ratio<0.67", True),
    ("size:512x768", True),
    ("size=512X768", True),
    ("size:768x512", False),
    ("tags=5", True),
    ("chars>21", True),
    ("tokens=7", True),
    ("score:smile<0.5", True),
    ("score:long_hair>=.5", True),
    ('score:"long hair" >= 5e-1', True),
    ("score:hat<0.01", True),
    ("score:hat>0", False),
    ("has:tags has:caption has:scores", True),
    ("not has:caption", False),
]


@pytest.mark.parametrize(("text", "wanted"), MEANT, ids=[text for text, _ in MEANT])
def test_a_filter_means_what_a_person_who_searches_a_booru_expects(text: str, wanted: bool) -> None:
    """Words are tags, `-` turns round, `and` binds before `or`, `_` is a space, case is nothing."""
    assert holds(parsed(text), CAT) is wanted


def test_what_is_not_known_of_a_picture_answers_no_comparison() -> None:
    """A picture that was never measured or scored is neither small nor large, and can be found."""
    bare = PictureRecord()

    for text in ("width<9", "width>=0", "width!=1", "size:1x1", "score:a<1", "tokens<9", "ratio<1"):
        assert not holds(parsed(text), bare), text
    assert holds(parsed("not has:scores and not has:tags and not has:caption"), bare)


MISTAKES = [
    ("", "column 1: a tag or a condition is missing", "write one, such as `tag:solo`"),
    ("solo or", "column 8: a tag or a condition is missing", "write one, such as `tag:solo`"),
    ("a and or b", "column 7: a tag is missing before `or`", 'or search `tag:"or"`'),
    ("a )", "column 3: `)` stands without a `(` before it", "remove it"),
    ("(a", "column 1: `(` is never closed",
     'add a `)`; put a tag with special characters in quotes: tag:">_<"'),
    ("a :(", "column 3: `(` is never closed",
     'add a `)`; put a tag with special characters in quotes: tag:">_<"'),
    ('a "b', 'column 3: `"` is never closed', 'add a `"`'),
    ('"a"b', 'column 4: a space is missing after `"`', "write one"),
    ("solo widht<512", "column 6: nothing is named `widht`", "did you mean `width`?"),
    ("re:zero", "column 1: nothing is named `re`", None),
    ("width<big", "column 7: a number is missing", "write `width<512`"),
    ("width<1e999", "column 7: a number is missing", "write `width<512`"),
    ("width", None, None),
    ("tag:", "column 5: what `tag:` asks for is missing",
     "write it after the `:`, or in quotes"),
    ("name<5", "column 5: `name` is text", "write `name:...` or `-name:...`"),
    ("size:512", "column 6: a size is two numbers", "write `size:512x768`, or `width<512`"),
    ("size<512x4", "column 5: a size is two numbers", "write `size:512x768`, or `width<512`"),
    ("score:smile", "column 7: a score is compared with a number", "write `score:smile<0.5`"),
    ("score:smile<x", "column 13: a number is missing", "write `score:smile<0.5`"),
    ("has:hat", "column 5: `has:` does not know `hat`", None),
    ("(" * 21 + "a" + ")" * 21, "column 21: nested more than 20 deep", "use fewer levels"),
    ("a" * 4001, "column 4000: a filter has at most 4000 characters", "write two"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "hint"), MISTAKES, ids=[m[0][:12] for m in MISTAKES])
def test_a_mistake_is_told_with_its_column(
    text: str, message: str | None, hint: str | None
) -> None:
    """What cannot be read says where, what is wrong, and what to write; a lone word is a tag."""
    if message is None:
        assert parsed(text) == Text("tag", text)
        return
    with pytest.raises(FilterError) as caught:
        parsed(text)
    assert caught.value.message == message
    assert hint is None or caught.value.hint == hint


words = (
    st.one_of(
        st.sampled_from(
            ["a", "and", "or", "not", ">_<", ":(", '"', "\\", "a b", "*", "-x", "(", ")"]
        ),
        st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=6),
    )
    .map(canonical)
    .filter(bool)
)
numbers = st.one_of(
    st.integers(-9, 2000).map(float), st.floats(-1e6, 1e6, allow_nan=False).map(lambda x: x + 0.0)
)
leaves: st.SearchStrategy[Filter] = st.one_of(
    st.builds(Text, st.sampled_from(["tag", "caption", "name", "path"]), words),
    st.builds(
        Number,
        st.sampled_from(["width", "height", "ratio", "tags", "chars", "tokens"]),
        st.sampled_from(Sign),
        numbers,
    ),
    st.builds(Score, words, st.sampled_from(Sign), numbers),
    st.builds(Size, st.integers(0, 9999), st.integers(0, 9999)),
    st.builds(Has, st.sampled_from(["tags", "caption", "scores"])),
)


def several(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[tuple[Filter, ...]]:
    return st.lists(inner, min_size=2, max_size=3).map(tuple)


filters: st.SearchStrategy[Filter] = st.recursive(
    leaves,
    lambda inner: st.one_of(inner.map(Not), several(inner).map(And), several(inner).map(Or)),
    max_leaves=6,
)


@given(filters)
@settings(max_examples=150)
def test_a_written_filter_reads_as_the_same(asked: Filter) -> None:
    """Whatever tags and captions hold, what is written into a rules file is what was asked."""
    assert parsed(written(asked)) == asked


@given(st.one_of(st.text(max_size=40), st.text('ab()":<>=!-* \\andorthsize1.', max_size=40)))
@settings(max_examples=300)
def test_any_text_is_a_filter_or_a_mistake_with_a_column(text: str) -> None:
    """No text ends in anything but a filter that can be written and read, or two lines."""
    found = read(text)
    if isinstance(found, FilterError):
        told = re.fullmatch(r"column (\d+): .+", found.message, re.DOTALL)
        assert told is not None
        assert 1 <= int(told[1]) <= len(text) + 1
        assert found.hint
        return
    assert parsed(written(found)) == found
    holds(found, CAT)


def read(text: str) -> Filter | FilterError:
    """Return what a text says, or the mistake."""
    try:
        return parsed(text)
    except FilterError as error:
        return error


pictures = st.builds(
    PictureRecord,
    key=st.sampled_from(["a.png", "faces/a b.png", "faces/B.png@face.png"]),
    tags=st.lists(st.sampled_from(["a", "A b", "a_b", ">_<", "solo"]), unique=True).map(tuple),
    caption=st.sampled_from(["", "a cat", "A_B solo"]),
    size=st.sampled_from([None, (512, 768), (1, 1)]),
    scores=st.sampled_from([None, {}, {"a": 0.5, "A B": 0.25}]),
    count=st.just(len),
)


def by_hand(picture: PictureRecord, asked: Filter) -> bool:
    """Return whether a picture answers, worked out by other means."""
    if isinstance(asked, And | Or):
        count = sum(by_hand(picture, part) for part in asked.of)
        return count == len(asked.of) if isinstance(asked, And) else count > 0
    return not by_hand(picture, asked.of) if isinstance(asked, Not) else _leaf(picture, asked)


def _leaf(picture: PictureRecord, asked: Filter) -> bool:
    match asked:
        case Text(field, pattern):
            return _text(picture, field, pattern)
        case Number(field, sign, value):
            width, height = picture.size or (0, 0)
            known = {"width": width, "height": height, "ratio": width / height if height else 0}
            known |= {"tags": len(picture.tags), "chars": len(picture.caption)}
            known |= {"tokens": len(", ".join(picture.tags))}
            missing = field in ("width", "height", "ratio") and picture.size is None
            return not missing and _compared(known[field], sign, value)
        case Score(tag, sign, value):
            lower = {key.lower().replace("_", " "): p for key, p in (picture.scores or {}).items()}
            score = lower.get(plain(tag), 0.0)
            return picture.scores is not None and _compared(score, sign, value)
        case Size(width, height):
            return picture.size is not None and list(picture.size) == [width, height]
    there = {
        "tags": len(picture.tags) > 0,
        "caption": picture.caption != "",
        "scores": picture.scores is not None,
    }
    return isinstance(asked, Has) and there[asked.what]


def _compared(number: float, sign: Sign, value: float) -> bool:
    python = {"=": "=="}.get(str(sign), str(sign))
    return bool(eval(f"{number!r} {python} {value!r}"))  # noqa: S307 - numbers and a sign


def _text(picture: PictureRecord, field: str, pattern: str) -> bool:
    wanted = plain(pattern, field)
    shell = re.sub(r"([?\[])", r"[\1]", f"*{wanted}*" if field == "caption" else wanted)
    name = picture.key.split("/")[-1]
    texts = {
        "tag": list(picture.tags),
        "caption": [picture.caption],
        "path": [picture.key],
        "name": [name, ".".join(name.split(".")[:-1])],
    }[field]
    return any(fnmatch.fnmatchcase(plain(text, field), shell) for text in texts)


near = st.recursive(
    st.one_of(
        leaves,
        st.builds(
            Text,
            st.sampled_from(["tag", "caption", "name", "path"]),
            st.sampled_from(["a", "a*", "*b", "a_b", "solo", "faces/*", "A B", "*"]),
        ),
        st.builds(Score, st.sampled_from(["a", "a_b"]), st.sampled_from(Sign),
                  st.sampled_from([0.25, 0.5])),
        st.builds(Number, st.sampled_from(["width", "tags", "chars", "tokens"]),
                  st.sampled_from(Sign), st.sampled_from([1.0, 2.0, 512.0])),
    ),
    lambda inner: st.one_of(inner.map(Not), several(inner).map(And), several(inner).map(Or)),
    max_leaves=4,
)  # fmt: skip


@given(pictures, near)
@settings(max_examples=300)
def test_a_picture_answers_as_worked_out_by_hand(picture: PictureRecord, asked: Filter) -> None:
    """What a filter finds is what a second, plain implementation finds."""
    assert holds(asked, picture) is by_hand(picture, asked)


def test_a_star_stands_for_any_text() -> None:
    """Stars match as in a regular expression, for every short pattern and text there is."""
    texts = ["".join(chars) for size in range(5) for chars in product("ab", repeat=size)]
    for size in range(6):
        for chars in product("ab*", repeat=size):
            pattern = "".join(chars)
            python = re.compile(pattern.replace("*", ".*"))
            for text in texts:
                assert glob(pattern, text) is bool(python.fullmatch(text)), (pattern, text)


def test_many_stars_cost_no_more_than_few() -> None:
    """A pattern of a thousand stars is done at once: nothing is tried twice."""
    assert not glob("a*" * 1000 + "b", "a" * 100_000)
    assert MAX_DEPTH == 20
    assert MAX_CHARS == 4000
