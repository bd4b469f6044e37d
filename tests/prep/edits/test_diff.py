"""What an edit says that it changes."""

from prep.edits.diff import between, unmet
from prep.edits.record import PictureRecord
from prep.edits.rules import Op, Rule


def line(old: str, new: str) -> list[str]:
    """Return what is said of one picture whose tags change."""
    before, after = ({"a.png": PictureRecord(tags=tuple(tags.split()))} for tags in (old, new))
    return [said for change in between(before, after) for said in change.lines()]


def test_the_order_is_told_where_tags_changed_places() -> None:
    """What was removed and added is said; the whole order only where a tag moved or came first."""
    assert line("a b c", "a b c") == []
    assert line("a b c", "a c d") == ["tags: -b, +d"]
    assert line("a b c", "d b c") == ["tags: -a, +d"]
    assert line("a b c", "b a c") == ["tags: in the order b, a, c"]
    assert line("a b c", "d a b c") == ["tags: +d, in the order d, a, b, c"]
    assert line("a b", "") == ["tags: -a, -b"]
    assert line("", "a b") == ["tags: +a, +b"]


def test_tags_that_no_picture_has_are_named() -> None:
    """What was to be dropped, renamed or put first and is nowhere is said, with the nearest tag."""
    rule = Rule(
        Op.DROP,
        ("Blue_Eyes", "*hair", "*urry", "solo"),
        then=(
            Rule(Op.RENAME, ("sollo",), ("alone",)),
            Rule(Op.ADD, ("new",)),
            Rule(Op.REPLACE, ("nowhere",), ("x",)),
            Rule(Op.FIRST, ("hat", "zebra")),
        ),
    )
    pictures = [
        PictureRecord(tags=("solo", "blue eyes")),
        PictureRecord(tags=("blurry",)),
        PictureRecord(),
    ]

    assert list(unmet(rule, [*pictures, PictureRecord(tags=("hat",))])) == [
        "no picture of these has `Blue_Eyes`: did you mean `blue eyes`?",
        "no picture of these has `*hair`",
        "no picture of these has `sollo`",
        "no picture of these has `zebra`",
    ]


def test_what_a_rule_takes_away_itself_is_not_proposed() -> None:
    """A hint proposes a tag that another edit could find, none that this one has dropped."""
    pictures = [PictureRecord(tags=("blurry", "smile")), PictureRecord(tags=("smile",))]

    assert list(unmet(Rule(Op.DROP, ("blurry", "blury")), pictures)) == [
        "no picture of these has `blury`"
    ]
    assert list(unmet(Rule(Op.DROP, ("blury",)), pictures)) == [
        "no picture of these has `blury`: did you mean `blurry`?"
    ]
