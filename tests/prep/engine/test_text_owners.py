from hypothesis import given, settings
from hypothesis import strategies as st

from prep.engine.inventory.text_owners import settle


def settled(texts: list[str], pictures: list[str], faulty: tuple[str, ...] = ()) -> tuple[
    dict[str, str], dict[str, str]
]:  # fmt: skip
    """Return sidecars and unowned texts."""
    sidecars, unowned = {name: name for name in texts}, dict[str, str]()
    settle(sidecars, unowned, pictures, faulty)
    return sidecars, unowned


def test_a_text_goes_to_the_only_picture_that_can_be_meant() -> None:
    """Case A7: in another case it is taken where one text and one picture can be meant."""
    assert settled(["A.txt"], ["a.png"]) == ({"a.txt": "A.txt"}, {})
    assert settled(["a.txt", "A.txt"], ["a.png"])[0] == {"a.txt": "a.txt", "A.txt": "A.txt"}
    assert settled(["a.txt", "A.txt"], ["a.png"])[1] == {"A.txt": ""}
    assert settled(["AB.txt", "Ab.txt"], ["ab.png"])[1] == {"AB.txt": "", "Ab.txt": ""}
    assert settled(["x/A.txt"], ["a.png"])[1] == {"x/A.txt": "move it beside `a.png`"}


def test_a_text_of_a_picture_that_cannot_be_used_stays_its_own() -> None:
    """Case A7: `a.txt` beside the faulty twin `a.png` is not given to `A.png`."""
    assert settled(["a.txt"], ["A.png"], ("a.png",)) == ({"a.txt": "a.txt"}, {})


def test_what_would_help_is_said() -> None:
    """Case A7: a name with the picture's ending inside, and a folder of captions."""
    found = settled(["02.PNG.txt", "c/01.caption", "c/9.txt"], ["01.png", "02.png"])[1]

    assert found == {
        "02.PNG.txt": "rename it to `02.txt`", "c/01.caption": "move it beside `01.png`",
        "c/9.txt": "",
    }  # fmt: skip


NAMES = st.sampled_from(["a", "A", "b", "B", "a.png", "x/a", "x/A", "X/a"])


@settings(derandomize=True, max_examples=300, deadline=None)
@given(texts=st.sets(NAMES), pictures=st.sets(NAMES), faulty=st.sets(NAMES))
def test_every_text_is_somebodys_or_named(
    texts: set[str], pictures: set[str], faulty: set[str]
) -> None:
    """Case A7: no text is lost, none has two owners, and an exact name always wins."""
    beside = [f"{name}.txt" for name in sorted(texts)]
    keys = [f"{name}.png" for name in sorted(pictures)]
    sidecars, unowned = settled(beside, keys, tuple(f"{name}.jpg" for name in faulty - pictures))

    assert sorted(sidecars.values()) == sorted(beside)
    bare = {key.rpartition(".")[0] for key in keys} | faulty
    for name, spelled in sidecars.items():
        assert (name.rpartition(".")[0] in bare) is (name not in unowned)
        assert name.casefold() == spelled.casefold()
        if spelled.rpartition(".")[0] in bare:
            assert name == spelled


def test_no_text_is_told_to_take_the_place_of_another() -> None:
    """Where the name that would help is taken, that is said; to follow it would lose a text."""
    taken = {name: name for name in ("a.txt", "a.png.txt", "x/b.txt", "y/b.txt", "c.png.txt")}
    unowned: dict[str, str] = {}
    settle(taken, unowned, ["a.png", "x/b.png", "c.png"], [])

    assert unowned == {
        "a.png.txt": "`a.txt` is there already: keep one of the two",
        "c.png.txt": "rename it to `c.txt`",
        "y/b.txt": "`x/b.txt` is there already: keep one of the two",
    }
