from pathlib import Path

import pytest

from prep.dataset.lint import Finding, faces, invariant, misspelt, overlong, together
from prep.tags.aliases import Words, words

PRUNE = "`prep edit --prune 0.8` leaves it to the trigger word"
KNOWN = Words(("smile", "blue eyes", "sword", "1girl", "hat"), {"1girls": "1girl", "grin": "smile"})


def said(found: object) -> list[str]:
    return [one.text for one in found]  # type: ignore[attr-defined]


def test_a_mistyped_tag_is_named_with_what_was_meant() -> None:
    """Against the vocabulary: mistakes of a letter, case and underscores, other words for a tag."""
    pictures = [["smlie", "Blue_Eyes", "1girls"], ["smlie", "word", "mascot"], ["hat"]]

    found = list(misspelt(pictures, KNOWN))

    assert said(found) == [
        "`1girls` in 1 picture is another word for `1girl`",
        "`Blue_Eyes` in 1 picture, did you mean `blue eyes`?",
        "`smlie` in 2 pictures, did you mean `smile`?",
        "`word` in 1 picture, did you mean `sword`?",
    ]
    assert found[2] == Finding("typo", found[2].text, ("smlie", "smile"), "", 2)
    assert {one.kind for one in found} == {"typo", "alias"}


def test_without_a_vocabulary_a_rare_tag_is_compared_with_frequent_ones() -> None:
    """A tag is a mistyped one of the dataset's own only where that is ten times as frequent."""
    pictures = [["mascot", "kat"]] * 10 + [["mascto", "kats"]]

    assert said(misspelt(pictures, Words())) == ["`mascto` in 1 picture, did you mean `mascot`?"]
    assert said(misspelt(pictures[1:], Words())) == []


def test_a_tag_of_the_vocabulary_is_never_a_mistake() -> None:
    """However near to a more frequent one: it may be what is to be seen."""
    assert said(misspelt([["sword"], *[["swords"]] * 20], Words(("sword",)))) == [
        "`swords` in 20 pictures, did you mean `sword`?"
    ]
    assert said(misspelt([["sword"], *[["swords"]] * 20], Words(("sword", "swords")))) == []


def test_a_face_that_lost_its_underscore_is_named() -> None:
    """Row 31: what holds no word but a space is told with what it may have been, nothing more."""
    pictures = [
        ["^_^", "o x", "s&w m&p", "1girl", "v", "k-on!", "a b c d"],
        ["o x"],
        ["\u732b \u8033"],
    ]

    assert said(faces(pictures)) == [
        "`a b c d` in 1 picture: if it is a face, `prep tag --emoticons a_b_c_d`",
        "`o x` in 2 pictures: if it is a face, `prep tag --emoticons o_x`",
        "`s&w m&p` in 1 picture: if it is a face, `prep tag --emoticons s&w_m&p`",
    ]


def test_only_faces_are_taken_for_faces() -> None:
    """Of the 10,861 names of a tagger, rendered as tags, one gun is asked about in vain."""
    file = Path(__file__).parents[3] / ".." / "shared/data/wd-selected-tags-synthetic"
    if not file.is_dir():
        pytest.skip("../shared/data/wd-selected-tags-synthetic is absent")
    text = (file / "selected_tags.csv").read_text(encoding="utf-8")

    found = [one.tags[0] for one in faces([words(text, "selected_tags.csv").tags])]

    assert found == ["s&w m&p"]


def test_tags_of_the_very_same_pictures_are_together() -> None:
    """From three pictures on, and not where they are everywhere; the most frequent first."""
    all_of = ["solo", "1girl"]
    pictures = [
        [*all_of, "hat", "coat"], [*all_of, "hat", "coat", "cat", "tail", "ears"],
        [*all_of, "hat", "coat", "cat", "tail", "ears"], [*all_of, "hat", "coat", "a", "b"],
        [*all_of, "cat", "tail", "ears"], [*all_of, "a", "b", "mouth"],
    ]  # fmt: skip

    assert list(together(pictures)) == [
        Finding("together", "`coat`, `hat` are always together, in 4 pictures",
                ("coat", "hat"), "", 4),
        Finding("together", "`cat`, `ears`, `tail` are always together, in 3 pictures",
                ("cat", "ears", "tail"), "", 3),
    ]  # fmt: skip


def test_what_is_nearly_everywhere_is_named_traits_first() -> None:
    """80 % are enough; the trigger and tags that count people belong there."""
    each = ["mascot", "1girl", "solo", "white background"]
    pictures = [[*each, "blue eyes"]] * 8 + [each, ["mascot"]]

    assert said(invariant("toy", pictures, {"mascot"})) == [
        f"`blue eyes` is in 8 of 10 pictures of `toy`: {PRUNE}",
        "`white background` is in 9 of 10 pictures of `toy`",
    ]
    assert said(invariant("", pictures[1:], {"mascot", "white background"})) == []


def test_a_text_is_overlong_from_the_next_token_on() -> None:
    """Row 28: more than 75, 150 or 225 tokens are told with their number, never cut."""
    counts = {"a": 75, "b": 76, "c": 150, "d": 151, "e": 225, "f": 226}

    assert said(overlong(dict.fromkeys(counts, "x"), list(counts.values()))) == [
        "`b` has 76 tokens, over 75", "`c` has 150 tokens, over 75", "`d` has 151 tokens, over 150",
        "`e` has 225 tokens, over 150", "`f` has 226 tokens, over 225",
    ]  # fmt: skip


def test_vocabularies_are_label_files_or_lists() -> None:
    """A CSV file with a column of names, or a list of tags with aliases."""
    labels = "tag_id,name,category,count\n1,long_hair,0,5\n2,^_^,0,4\n"

    assert words(labels, "l.csv") == Words(("long hair", "^_^"), {})
    assert words('long_hair,0,5,"longhair,/lh"\n', "l.csv") == Words(
        ("long hair",), {"longhair": "long hair", "/lh": "long hair"}
    )


def test_another_word_for_a_tag_is_never_proposed() -> None:
    """A mistyped tag is answered with the vocabulary's own word, though an alias is nearer."""
    pictures = [["grinning"]] * 20 + [["grining"]]
    known = Words(("smile",), {"grinning": "smile"})

    assert said(misspelt(pictures, known)) == [
        "`grining` in 1 picture, did you mean `smile`?",
        "`grinning` in 20 pictures is another word for `smile`",
    ]
