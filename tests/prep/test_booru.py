import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prep.booru import Entry, aliases, entries, implications, renamed, with_implied, without_implied
from prep.errors import ConfigError
from prep.tags import spaced

SHARED = Path(__file__).parents[2] / ".." / "shared" / "data" / "danbooru-tags"
HEAD = "antecedent,consequent\n"
GUNS = f"{HEAD}ak_5,assault_rifle\nassault_rifle,rifle\nrifle,gun\ngun,weapon\nak_5,swedish\n"


def shared(name: str) -> str:
    if not SHARED.is_dir():
        pytest.skip("../shared/data/danbooru-tags is absent")
    return (SHARED / name).read_text(encoding="utf-8")


def test_what_follows_is_followed_to_its_end() -> None:
    """Every tag that follows from a tag is known, the nearest first."""
    graph = implications(GUNS, "i.csv")

    assert graph["ak 5"] == ("assault rifle", "swedish", "rifle", "gun", "weapon")
    assert graph["gun"] == ("weapon",)
    assert "weapon" not in graph


def test_implied_tags_are_added_behind_or_dropped() -> None:
    """Added, each stands behind what it follows from, once; dropped, the particular one stays."""
    graph = implications(GUNS, "i.csv")

    assert with_implied(("solo", "rifle", "weapon", "smile"), graph) == (
        "solo", "rifle", "gun", "weapon", "smile",
    )  # fmt: skip
    assert without_implied(("weapon", "solo", "rifle", "gun"), graph) == ("solo", "rifle")
    assert without_implied(("solo", "chair"), graph) == ("solo", "chair")


def test_an_alias_becomes_its_tag() -> None:
    """Other words give way to the tag, chains to their end; where both are there, they are one."""
    words = aliases(f"{HEAD}1girls,1girl\nblond,blonde\nblonde,blonde_hair\n=d,:d\n", "a.csv")

    assert words == {"1girls": "1girl", "blond": "blonde hair", "blonde": "blonde hair", "=d": ":d"}
    assert renamed(("blond", "solo", "blonde hair", "1girls"), words) == (
        "blonde hair", "solo", "1girl",
    )  # fmt: skip


def test_a_list_of_tagcomplete_holds_aliases_too() -> None:
    """The list that many have beside their WebUI is read; a name in it is never another's alias."""
    text = '1girl,0,6008644,"1girls,sole_female"\n\nsolo,0,5000954,1girl\n,0,1,x\no_o,0,1,\n'

    assert entries(text, "d.csv") == [
        Entry("1girl", ("1girls", "sole female")), Entry("solo", ("1girl",)), Entry("o_o", ()),
    ]  # fmt: skip
    assert aliases(text, "d.csv") == {"1girls": "1girl", "sole female": "1girl"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"{HEAD}a,b\nb,a\n", "`f.csv`: `a` leads back to itself"),
        (f"{HEAD}a,b,c\n", "`f.csv` line 2: 3 columns in place of 2"),
        (f"{HEAD}a,\n", "`f.csv` line 2: a tag is missing"),
        (f'{HEAD}a,"b\n', "`f.csv` line 2: unexpected end of data"),
    ],
)
def test_a_wrong_file_is_named_with_its_line(text: str, message: str) -> None:
    """Circles, torn lines and missing tags are refused, in both kinds of file."""
    for read in (aliases, implications):
        with pytest.raises(ConfigError) as told:
            read(text, "f.csv")
        assert str(told.value) == message
        assert told.value.hint


def test_a_file_of_another_kind_is_refused() -> None:
    """A label file is neither; a list holds no implications."""
    with pytest.raises(ConfigError, match="line 1: 1 column in place of 4"):
        aliases("1girl\nsolo\n", "x.csv")
    with pytest.raises(ConfigError) as told:
        implications("1girl,0,1,\n", "x.csv")
    assert str(told.value) == "`x.csv` does not begin with `antecedent,consequent`"
    assert told.value.hint == "name a file of implications"


def test_danbooru_s_own_files_are_read() -> None:
    """The real graph and the real aliases: no circle, and every word ends at a tag."""
    graph = implications(shared("tag_implications.csv"), "i")
    words = aliases(shared("tag_aliases.csv"), "a")
    listed = aliases(shared("danbooru_top.csv"), "d")
    rows = list(csv.reader(shared("tag_implications.csv").splitlines()))[1:]

    assert len(words) > 4900
    assert len(listed) > 5000
    assert not words.keys() & set(words.values())
    for old, new in rows:
        assert spaced(new) in graph[spaced(old)]
        assert set(graph.get(spaced(new), ())) <= set(graph[spaced(old)])


letters = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=20)


@given(letters, st.lists(st.integers(0, 9), unique=True))
def test_adding_and_dropping_agree(edges: list[tuple[int, int]], given_tags: list[int]) -> None:
    """On any graph without circles: what was added is dropped again, and once is enough."""
    text = HEAD + "".join(f"t{a},t{b}\n" for a, b in edges if a < b)
    graph = implications(text, "g")
    tags = tuple(f"t{n}" for n in given_tags)

    added, dropped = with_implied(tags, graph), without_implied(tags, graph)
    assert set(added) == set(tags).union(*(graph.get(tag, ()) for tag in tags))
    assert [tag for tag in added if tag in tags] == list(tags)
    assert without_implied(added, graph) == dropped
    assert with_implied(added, graph) == added
    assert without_implied(dropped, graph) == dropped
